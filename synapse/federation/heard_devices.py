"""Changes of devices and keys of other servers' users, taken up as their servers tell them.

Server-server API, "Device Management": each change names the one before it. Whoever doesn't know
that one has missed something, and fetches the list. What is told of users who share no room with
ours is left out: nobody asks for them.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from synapse.api.errors import BadJson
from synapse.federation.device_answers import device_of, is_stream_id, keys_of
from synapse.federation.heard import user_of
from synapse.federation.remote_lists import RemoteLists
from synapse.handlers.keys.published import is_device_id
from synapse.storage.stores.cross_signing import CrossSigningStore, Usage
from synapse.storage.stores.names import Names
from synapse.storage.stores.remote_devices import Outcome, RemoteDeviceStore, Update
from synapse.util.background import Background

_MOST_PREVIOUS = 20


class DevicesHeard:
    """Takes up `m.device_list_update` and `m.signing_key_update`."""

    def __init__(
        self,
        store: RemoteDeviceStore,
        cross_signing: CrossSigningStore,
        lists: RemoteLists,
        names: Names,
    ) -> None:
        self._store = store
        self._cross_signing = cross_signing
        self._lists = lists
        self._names = names

    async def take_up_device(self, origin: str, content: dict[str, Any]) -> None:
        user_id = user_of(origin, content.get("user_id"))
        stream_id, prev = content.get("stream_id"), content.get("prev_id") or []
        if not is_device_id(content.get("device_id")) or not is_stream_id(stream_id):
            raise BadJson("device_id or stream_id is missing")
        if not isinstance(prev, list) or not all(map(is_stream_id, prev)):
            raise BadJson("prev_id is not a list of numbers")
        await self._take_up(
            Update(
                user_id,
                stream_id,
                # With more of them than fit, none is recognised.
                prev if len(prev) <= _MOST_PREVIOUS else [stream_id],
                device_of(content, user_id),
                content.get("deleted") is True,
            )
        )

    async def take_up_keys(self, origin: str, content: dict[str, Any]) -> None:
        user_id = user_of(origin, content.get("user_id"))
        known = await self._known_keys(user_id)
        master = content.get("master_key") or known.get(Usage.MASTER)
        told = content.get("self_signing_key")
        keys = keys_of(master, told or known.get(Usage.SELF_SIGNING), user_id)
        fits = len(keys) == 2 or (len(keys) == 1 and told is None)
        await self._take_up(Update(user_id, keys=keys if fits else None))

    async def _known_keys(self, user_id: str) -> dict[Usage, Any]:
        """Some servers tell each key on its own: what isn't told is as it was."""
        user_nid = await self._names.nid(user_id)
        if user_nid is None:
            return {}
        keys = (await self._cross_signing.of_users([user_nid])).get(user_nid, {})
        return {usage: orjson.loads(key.json) for usage, key in keys.items()}

    async def _take_up(self, update: Update) -> None:
        user_nid = await self._names.nid(update.user_id)
        if user_nid is None or not await self._store.shared([user_nid]):
            return
        if await self._store.update(update) is Outcome.STALE:
            self._lists.want(update.user_id, user_nid)


class ListsDropped:
    """Sees to it that no list is kept of which no changes are told any more."""

    def __init__(self, store: RemoteDeviceStore, names: Names, background: Background) -> None:
        self._store = store
        self._names = names
        self._background = background
        self._gone: set[str] = set()
        self._emptied: set[int] = set()
        self._is_running = False

    def user_left(self, user_id: str) -> None:
        """A user of another server has left a room."""
        self._gone.add(user_id)
        self._begin()

    def room_left(self, room_nid: int) -> None:
        """The last of our users has left a room."""
        self._emptied.add(room_nid)
        self._begin()

    def _begin(self) -> None:
        if not self._is_running:
            self._is_running = True
            self._background.spawn("drop lists of devices", self._run())

    async def _run(self) -> None:
        try:
            while self._gone or self._emptied:
                gone, self._gone = self._gone, set()
                emptied, self._emptied = self._emptied, set()
                nids = list((await self._names.nids(list(gone))).values())
                kept = list(await self._store.lists(nids)) if nids else []
                for room_nid in emptied:
                    kept += await self._store.kept_in(room_nid)
                await self._drop(kept)
        finally:
            self._is_running = False

    async def _drop(self, user_nids: Sequence[int]) -> None:
        if user_nids:
            await self._store.drop(user_nids)
