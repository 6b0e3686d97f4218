"""Reporting content to the server's administrators.

Nobody learns from the answer what exists: a report of an event is refused in the same way whether
there is no such event or the reporter doesn't see it, and rooms and users can always be reported
(client-server API, "Reporting content").
"""

from synapse.api.errors import Forbidden, InvalidParam, NotFound
from synapse.api.identifiers import fits_in_bytes, is_user_id
from synapse.handlers.auth import Requester
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.timelines import Timelines
from synapse.handlers.visibility import Visibility
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.reports import EventReport, ReportStore, RoomReport, UserReport
from synapse.util.clock import Clock

_MAX_REASON_BYTES = 10_000
_SCORES = range(-100, 1)


class Reports:
    """Takes reports."""

    def __init__(
        self,
        store: ReportStore,
        rooms: RoomCache,
        timelines: Timelines,
        visibility: Visibility,
        clock: Clock,
        *,
        limit: RateLimiter,
    ) -> None:
        self._store = store
        self._rooms = rooms
        self._timelines = timelines
        self._visibility = visibility
        self._clock = clock
        self._limit = limit

    async def event(
        self,
        requester: Requester,
        room_id: str,
        event_id: str,
        reason: str | None,
        score: int | None,
    ) -> None:
        """Raises `NotFound` unless the reporter is in the room and sees the event."""
        if reason is not None:
            _check_reason(reason)
        if score is not None and score not in _SCORES:
            raise InvalidParam("score is an integer from -100 to 0")
        self._limit.check(requester.user_id)
        room_nid = await self._room_of(requester, room_id, event_id)
        await self._store.add_event_report(
            EventReport(self._clock.now_ms(), requester.user_nid, room_nid, event_id, reason, score)
        )

    async def room(self, requester: Requester, room_id: str, reason: str) -> None:
        """Report a room, whether or not one is in it."""
        _check_reason(reason)
        self._limit.check(requester.user_id)
        await self._store.add_room_report(
            RoomReport(self._clock.now_ms(), requester.user_nid, room_id, reason)
        )

    async def user(self, requester: Requester, user_id: str, reason: str) -> None:
        """Report a user of whichever server."""
        if not is_user_id(user_id):
            raise InvalidParam(f"Not a user id: {user_id[:255]!r}")
        _check_reason(reason)
        self._limit.check(requester.user_id)
        await self._store.add_user_report(
            UserReport(self._clock.now_ms(), requester.user_nid, user_id, reason)
        )

    async def _room_of(self, requester: Requester, room_id: str, event_id: str) -> int:
        not_found = NotFound("There is no such event in a room that you are in")
        try:
            room = await self._rooms.get(room_id)
            reader = await self._visibility.reader(room, requester.user_id, requester.user_nid)
            await self._timelines.event(requester, room_id, event_id)
        except (Forbidden, NotFound):
            raise not_found from None
        if not reader.is_joined:
            raise not_found
        return room.nid


def _check_reason(reason: str) -> None:
    if "\0" in reason or not fits_in_bytes(reason, _MAX_REASON_BYTES):
        raise InvalidParam(f"reason has at most {_MAX_REASON_BYTES} bytes, and no NUL")
