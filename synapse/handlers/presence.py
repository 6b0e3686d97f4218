"""Presence: who is online, by what their clients do and say.

Nothing is timed for each user: whoever may change by doing nothing stands in a queue in the order
of time, and one sweep looks at its head. What changed is written by the sweep too, many users in
one statement; only what a user says (`set`) is written before it is acknowledged.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from heapq import heappop, heappush
from typing import Any

from synapse.api.errors import Forbidden, InvalidParam, LimitExceeded
from synapse.api.identifiers import fits_in_bytes, is_user_id
from synapse.api.presence import PresenceState
from synapse.config.presence import PresenceConfig
from synapse.handlers.auth import Requester
from synapse.handlers.ratelimits import RateLimiter
from synapse.storage.stores.names import Names
from synapse.storage.stores.presence import PresenceRow, PresenceStore
from synapse.streams.presence import PresenceTimes, UserPresence
from synapse.streams.presence_changes import CHANGES_KEPT, PresenceChanges
from synapse.streams.remote_presence import RemotePresence
from synapse.util.background import Background
from synapse.util.clock import Clock, Timer

SWEEP_S = 5.0
_MAX_STATUS_BYTES = 2_000
# Users that one sweep looks at before it lets others work.
_SWEPT_AT_ONCE = 1_000


class Presence:
    """Follows what this server's users do, and tells users of each other."""

    def __init__(
        self,
        store: PresenceStore,
        names: Names,
        changes: PresenceChanges,
        clock: Clock,
        background: Background,
        config: PresenceConfig,
        *,
        server_name: str,
        limit: RateLimiter,
    ) -> None:
        self._store = store
        self._names = names
        self._changes = changes
        self._clock = clock
        self._background = background
        self._config = config
        self._domain = ":" + server_name
        self._limit = limit
        self._times = PresenceTimes(
            active_ms=config.last_active_granularity_ms,
            idle_ms=config.idle_timeout_ms,
            gone_ms=config.sync_online_timeout_ms,
        )
        # (when, user_nid): who is to be looked at; what isn't in `check_ms` any more is skipped.
        self._checks: list[tuple[int, int]] = []
        self._unwritten: dict[int, UserPresence] = {}
        self._timer: Timer | None = None

    # What clients say.

    async def status(self, requester: Requester, user_id: str) -> dict[str, Any]:
        """A user's presence, for who shares a room with them. Raises `Forbidden` for others."""
        if not is_user_id(user_id):
            raise InvalidParam(f"Not a user id: {user_id[:255]!r}")
        user_nid = await self._visible_user(requester, user_id)
        if not self._config.is_shown:
            return {"presence": PresenceState.OFFLINE.text}
        user = await self._find(user_id, user_nid)
        return presence_content(user, self._clock.now_ms())

    async def set(
        self, requester: Requester, user_id: str, state: PresenceState, status_msg: str | None
    ) -> None:
        """Say what one's device is, and a text about oneself; None: no text."""
        if user_id != requester.user_id:
            raise Forbidden("You can't set the presence of somebody else")
        if status_msg is not None and (
            not fits_in_bytes(status_msg, _MAX_STATUS_BYTES) or "\0" in status_msg
        ):
            raise InvalidParam(f"A status_msg has at most {_MAX_STATUS_BYTES} bytes, and no NUL")
        if not self._config.is_tracked:
            return
        self._limit.check(requester.user_id)
        user = await self._known(requester)
        user.set(requester.device_nid, state, self._clock.now_ms())
        user.status_msg = status_msg
        self._settle(user, said=True)
        await self._write([user])

    # What clients do.

    async def syncing(
        self, requester: Requester, state: PresenceState
    ) -> AbstractContextManager[None]:
        """While in this context, the requester's device syncs, and says that it is `state`."""
        if state is PresenceState.OFFLINE or not self._config.is_tracked:
            return nullcontext()
        return self._sync(await self._known(requester), requester, state)

    def acted(self, requester: Requester) -> None:
        """The user did something that shows that they are there."""
        user = self._changes.get(requester.user_nid)
        if user is not None and self._config.is_tracked:
            user.acted(self._clock.now_ms())
            self._settle(user)

    # What other servers say.

    async def told(
        self,
        user_id: str,
        state: PresenceState,
        status_msg: str | None,
        last_active_ms: int,
        *,
        currently_active: bool,
    ) -> None:
        """Another server says how a user of its own is. Who is in no room here is left out."""
        user_nid = await self._names.nid(user_id)
        if user_nid is None or not self._config.is_shown:
            return
        user = self._changes.get(user_nid)
        if user is None:
            row = await self._store.get(user_nid)
            fresh = RemotePresence(user_id, user_nid) if row is None else self._restored(row)
            user = self._changes.add(fresh)
        assert isinstance(user, RemotePresence), "nobody else tells of our users"
        is_new = user.told(
            state,
            status_msg,
            last_active_ms,
            currently_active=currently_active,
            now_ms=self._clock.now_ms(),
        )
        self._settle(user, said=is_new)

    # The server's life.

    async def resume(self) -> None:
        """At start: take up what was known before."""
        rows = await self._store.newest(CHANGES_KEPT)
        users = [self._restored(row) for row in reversed(rows)]
        self._changes.restore(users, complete=len(rows) < CHANGES_KEPT)
        for user in users:
            is_kept = self._changes.get(user.user_nid) is user
            if is_kept and (self._config.is_tracked or not user.is_local):
                self._plan(user)

    async def close(self) -> None:
        """Write what is unwritten, and stop all timers."""
        self._changes.close()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        await self._write_unwritten()

    # How it is done.

    @contextmanager
    def _sync(
        self, user: UserPresence, requester: Requester, state: PresenceState
    ) -> Iterator[None]:
        device_nid = requester.device_nid
        may_change = True
        if user.would_change(device_nid, state):
            try:
                self._limit.check(requester.user_id)
            except LimitExceeded:
                may_change = False
        user.sync_began(device_nid, state if may_change else None, self._clock.now_ms())
        self._settle(user)
        try:
            yield
        finally:
            user.sync_ended(device_nid, self._clock.now_ms())
            self._plan(user)

    async def _visible_user(self, requester: Requester, user_id: str) -> int:
        """The number of a user whose presence the requester may see."""
        if user_id == requester.user_id:
            return requester.user_nid
        user_nid = await self._names.nid(user_id)
        if user_nid is None or not await self._store.share_rooms(requester.user_nid, [user_nid]):
            raise Forbidden("You are not allowed to see their presence")
        return user_nid

    async def _known(self, requester: Requester) -> UserPresence:
        """The requester's presence, in memory from now on."""
        user = self._changes.get(requester.user_nid)
        if user is None:
            user = self._changes.add(await self._find(requester.user_id, requester.user_nid))
        return user

    async def _find(self, user_id: str, user_nid: int) -> UserPresence:
        """A user's presence; a copy, if it wasn't in memory."""
        user = self._changes.get(user_nid)
        if user is not None:
            return user
        row = await self._store.get(user_nid)
        return UserPresence(user_id, user_nid) if row is None else self._restored(row)

    def _restored(self, row: PresenceRow) -> UserPresence:
        is_local = row.user_id.endswith(self._domain)
        return restored(row, self._clock.now_ms(), is_local=is_local)

    def _settle(self, user: UserPresence, *, said: bool = False) -> None:
        if user.settle(self._clock.now_ms(), self._times) or said:
            self._changes.changed(user)
            self._unwritten[user.user_nid] = user
        self._plan(user)

    def _plan(self, user: UserPresence) -> None:
        """See to it that the sweep looks at the user when it is time."""
        check_ms = user.next_check_ms(self._times)
        if check_ms is not None and (user.check_ms is None or check_ms < user.check_ms):
            user.check_ms = check_ms
            heappush(self._checks, (check_ms, user.user_nid))
        if self._timer is None:
            self._timer = self._clock.call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        now_ms = self._clock.now_ms()
        for _ in range(_SWEPT_AT_ONCE):
            if not self._checks or self._checks[0][0] > now_ms:
                break
            check_ms, user_nid = heappop(self._checks)
            user = self._changes.get(user_nid)
            if user is not None and user.check_ms == check_ms:
                user.check_ms = None
                self._settle(user)
        if self._unwritten:
            self._background.spawn("write presence", self._write_unwritten())
        self._timer = None
        if self._checks:
            pause_s = 0 if self._checks[0][0] <= now_ms else SWEEP_S
            self._timer = self._clock.call_later(pause_s, self._sweep)

    async def _write_unwritten(self) -> None:
        users, self._unwritten = list(self._unwritten.values()), {}
        if users:
            await self._write(users)

    async def _write(self, users: list[UserPresence]) -> None:
        await self._store.put(
            [
                PresenceRow(
                    user.user_nid,
                    user.user_id,
                    user.state,
                    user.status_msg,
                    user.last_active_ms,
                    user.serial,
                )
                for user in users
            ]
        )


def restored(row: PresenceRow, now_ms: int, *, is_local: bool = True) -> UserPresence:
    """A user as they were written."""
    user = (UserPresence if is_local else RemotePresence)(row.user_id, row.user_nid)
    state = PresenceState(row.state)
    user.restore(state, row.status_msg, row.last_active_ms, row.serial, now_ms)
    return user


def presence_content(user: UserPresence, now_ms: int) -> dict[str, Any]:
    """What others are told of a user: the content of `m.presence`."""
    content: dict[str, Any] = {"presence": user.state.text}
    if user.last_active_ms:
        content["last_active_ago"] = max(0, now_ms - user.last_active_ms)
    if user.state is PresenceState.ONLINE:
        content["currently_active"] = user.currently_active
    if user.status_msg:
        content["status_msg"] = user.status_msg
    return content
