"""Changes of our users' devices and keys, as other servers are told of them.

Server-server API, "Device Management". They are not kept for each server: like events, they are
read from the stream for a server that lacks them. Of a device that has changed several times since,
only the newest change is left there; the server sees that it has missed one, and fetches the list.
"""

from collections.abc import Sequence
from typing import Any

from synapse.federation.sending.destination import Item
from synapse.federation.told_devices import shown
from synapse.handlers.keys.answers import KeyAnswer
from synapse.handlers.keys.local import LocalKeys
from synapse.storage.stores.device_changes import USER, OutgoingChange
from synapse.storage.stores.names import Names
from synapse.util import canonicaljson


class DeviceUpdates:
    """Makes EDUs of changes, which say how it is now."""

    def __init__(self, local: LocalKeys, names: Names, *, tells_names: bool) -> None:
        self._local = local
        self._names = names
        self._tells_names = tells_names

    async def items(self, changes: Sequence[OutgoingChange]) -> list[Item]:
        """One for each change."""
        names = await self._names.texts(change.user_nid for change in changes)
        wanted: dict[str, list[str]] = {user_id: [] for user_id in names.values()}
        keys = await self._local.of(wanted, with_names=self._tells_names)
        return [
            Item(change.position, _edu(change, names[change.user_nid], keys), is_edu=True)
            for change in changes
        ]


def _edu(change: OutgoingChange, user_id: str, keys: KeyAnswer) -> bytes:
    content: dict[str, Any] = {"user_id": user_id}
    if change.device_id == USER:
        for name, by_user in (
            ("master_key", keys.master_keys),
            ("self_signing_key", keys.self_signing_keys),
        ):
            if user_id in by_user:
                content[name] = by_user[user_id]
        return _encoded("m.signing_key_update", content)
    content |= {
        "device_id": change.device_id,
        "stream_id": change.position,
        "prev_id": [change.prev] if change.prev else [],
    }
    device = keys.device_keys.get(user_id, {}).get(change.device_id)
    if device is None:
        content["deleted"] = True
    else:
        content |= shown(change.device_id, device)
    return _encoded("m.device_list_update", content)


def _encoded(edu_type: str, content: dict[str, Any]) -> bytes:
    return canonicaljson.encode_trusted({"edu_type": edu_type, "content": content})
