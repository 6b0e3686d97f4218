"""Which member events a client with lazily loaded members has been told, so as not to repeat them.

A memory of what was told, and nothing else: what it forgets is told again. An answer may get lost
on its way, so an event counts as told only to a client whose token shows that it got the answer.
"""

from collections.abc import Iterable
from typing import NamedTuple

from synapse.api.constants import EventTypes
from synapse.events.event import Event
from synapse.handlers.sync.request import SyncRequest
from synapse.util.caches import Cache

# A device, and what it asks for: one device may sync with several filters.
_Connection = tuple[int, int, str]


class _Answer(NamedTuple):
    """What was told of a room at once; its number tells it from others up to the same position."""

    upto: int
    number: int


class LazyMembers:
    """Remembers what connections were told."""

    def __init__(self) -> None:
        # The answer in which a connection was told a room anew, in its first sync or after a join:
        # what it was told before, it may have forgotten.
        self._began: Cache[tuple[_Connection, int], _Answer] = Cache(100_000, "lazy_rooms")
        # Whose membership (room_nid, user id) → the event's nid, and the answer.
        self._told: Cache[tuple[_Connection, int, str], tuple[int, _Answer]] = Cache(
            100_000, "lazy_members"
        )
        self._answers = 0

    def news(self, request: SyncRequest, room_nid: int, members: Iterable[Event]) -> list[Event]:
        """Those of a room's member events that the client has not been told."""
        if request.since is None or request.filter.room.redundant_members:
            return list(members)
        connection = _connection(request)
        began = self._began.get((connection, room_nid))
        if began is None:
            return list(members)
        news = []
        for event in members:
            nid, answer = self._told.get((connection, room_nid, event.slot[1])) or (0, began)
            if nid != event.nid or answer < began or answer.upto > request.since.position:
                news.append(event)
        return news

    def tell(
        self,
        request: SyncRequest,
        upto: int,
        room_nid: int,
        events: Iterable[Event],
        *,
        is_whole: bool,
    ) -> None:
        """The answer up to this position tells these events of a room, members or not.

        `is_whole`: it tells the room as one that is new to the client.
        """
        since = 0 if request.since is None else request.since.position
        if since >= upto:
            return  # the client's next token will not show whether it got the answer
        connection = _connection(request)
        self._answers += 1
        answer = _Answer(upto, self._answers)
        if is_whole or self._began.get((connection, room_nid)) is None:
            self._began[connection, room_nid] = answer
        for event in events:
            if event.type == EventTypes.MEMBER and event.state_key is not None:
                self._told[connection, room_nid, event.state_key] = (event.nid, answer)


def _connection(request: SyncRequest) -> _Connection:
    requester = request.requester
    return requester.user_nid, requester.device_nid, request.filter.room.key
