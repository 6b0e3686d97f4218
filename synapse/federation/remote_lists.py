"""Lists of devices of other servers' users: fetched, and fetched again when something was missed.

Server-server API, "Device Management". A list is kept as long as its user shares a room with one of
ours, since so long their server tells us of changes. What can't be had now is tried again later: it
is marked in the database, so a restart forgets nothing.
"""

import logging
from urllib.parse import quote

from synapse.api.errors import MatrixError
from synapse.api.identifiers import domain_of
from synapse.federation.backoff import Backoffs
from synapse.federation.device_answers import DeviceList, device_list_of
from synapse.federation.errors import RemoteError
from synapse.federation.sending.places import Places
from synapse.federation.wire import MEBIBYTE, Transport
from synapse.http.client.errors import RequestFailed
from synapse.storage.stores.remote_devices import RemoteDeviceStore, Snapshot
from synapse.util.background import Background
from synapse.util.clock import Clock, Timer
from synapse.util.shared import Shared

logger = logging.getLogger(__name__)

_TIMEOUT_S = 30.0
_MAX_BYTES = 4 * MEBIBYTE
# A list that changes while it is fetched is fetched again, so often.
_TRIES = 3
_AT_ONCE = 10
_FIRST_PAUSE_S = 60.0
_LONGEST_PAUSE_S = 6 * 3600.0
_ROWS_AT_ONCE = 500


class NoList(Exception):
    """A server's answer is no list of devices."""


class _Waiting:
    """A server's users whose lists are to be fetched."""

    def __init__(self) -> None:
        self.users: dict[str, int] = {}
        self.pause_s = _FIRST_PAUSE_S
        self.timer: Timer | None = None
        self.is_working = False


class RemoteLists:
    """Fetches them: for each user one request at a time, for each server one in the background."""

    def __init__(
        self,
        transport: Transport,
        store: RemoteDeviceStore,
        backoffs: Backoffs,
        background: Background,
        clock: Clock,
    ) -> None:
        self._transport = transport
        self._store = store
        self._background = background
        self._clock = clock
        self._shared: Shared[int, None] = Shared()
        self._waiting: dict[str, _Waiting] = {}
        self._places = Places(_AT_ONCE)
        self._is_stopped = False
        backoffs.listen(self._try_earlier)

    async def resume(self) -> None:
        """At the start: go on with what the last process could not get."""
        after = -1
        while rows := await self._store.stale(after, _ROWS_AT_ONCE):
            for user_nid, user_id in rows:
                self.want(user_id, user_nid)
            after = rows[-1][0]
        # Who left while the last process stopped may still be kept.
        after = -1
        while user_nids := await self._store.page(after, _ROWS_AT_ONCE):
            await self._store.drop(user_nids)
            after = user_nids[-1]

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_stopped = True
        for waiting in self._waiting.values():
            if waiting.timer is not None and waiting.timer.active():
                waiting.timer.cancel()

    def want(self, user_id: str, user_nid: int) -> None:
        """Have a stale list fetched, sooner or later."""
        server = domain_of(user_id)
        waiting = self._waiting.setdefault(server, _Waiting())
        waiting.users[user_id] = user_nid
        if not waiting.is_working and waiting.timer is None:
            self._begin(server)

    async def fetch(self, user_id: str, user_nid: int) -> None:
        """Returns when the list is kept and complete, as far as we know. Raises `RequestFailed`,
        `RemoteError` and `NoList`."""
        await self._shared.get(user_nid, lambda: self._fetch(user_id, user_nid))

    async def _fetch(self, user_id: str, user_nid: int) -> None:
        for _ in range(_TRIES):
            known = await self._store.begin(user_nid)
            if not known.stale:
                return
            told = await self._ask(user_id)
            snapshot = Snapshot(
                user_nid,
                known.stale,
                told.stream_id,
                told.devices,
                told.keys,
                is_first=known.stream_id == 0,
            )
            if await self._store.replace(snapshot):
                return
        self.want(user_id, user_nid)

    async def _ask(self, user_id: str) -> DeviceList:
        server = domain_of(user_id)
        try:
            answer = await self._transport.request(
                server,
                "GET",
                f"/_matrix/federation/v1/user/devices/{quote(user_id, safe='')}",
                timeout_s=_TIMEOUT_S,
                max_bytes=_MAX_BYTES,
            )
        except RemoteError as error:
            if error.status == 404 and error.errcode == "M_NOT_FOUND":
                return DeviceList(0, [], [])  # there is no such user
            raise
        told = device_list_of(answer, user_id)
        if told is None:
            raise NoList(f"The answer of {server} is no list of devices")
        return told

    # In the background.

    def _begin(self, server: str) -> None:
        if not self._is_stopped:
            self._waiting[server].is_working = True
            self._background.spawn("fetch lists of devices", self._work(server))

    def _again(self, server: str) -> None:
        self._waiting[server].timer = None
        self._begin(server)

    def _try_earlier(self, server: str) -> None:
        waiting = self._waiting.get(server)
        if waiting is not None and waiting.timer is not None and waiting.timer.active():
            waiting.timer.cancel()
            self._again(server)

    async def _work(self, server: str) -> None:
        waiting = self._waiting[server]
        try:
            while waiting.users and not self._is_stopped:
                user_id, user_nid = next(iter(waiting.users.items()))
                # One that can't be had keeps no other back: it will be the last one.
                del waiting.users[user_id]
                try:
                    await self._fetch_in_turn(user_id, user_nid)
                except BaseException:
                    waiting.users[user_id] = user_nid
                    raise
                waiting.pause_s = _FIRST_PAUSE_S
            del self._waiting[server]
        except (RequestFailed, RemoteError, NoList, MatrixError) as error:
            logger.info("The devices of %s can't be fetched: %s", user_id, error)
            self._pause(server, waiting)
        except BaseException:
            self._pause(server, waiting)
            raise
        finally:
            waiting.is_working = False

    async def _fetch_in_turn(self, user_id: str, user_nid: int) -> None:
        if not await self._store.lists([user_nid]):
            return  # it was dropped meanwhile
        await self._places.acquire()
        try:
            await self.fetch(user_id, user_nid)
        finally:
            self._places.release()

    def _pause(self, server: str, waiting: _Waiting) -> None:
        if not self._is_stopped:
            waiting.timer = self._clock.call_later(waiting.pause_s, self._again, server)
            waiting.pause_s = min(2 * waiting.pause_s, _LONGEST_PAUSE_S)
