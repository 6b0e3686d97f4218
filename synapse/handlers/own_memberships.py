"""Which membership of a room a reader had at its events: `unsigned.membership` (MSC4115).

It is told from the reader's own member events, each of which names the one before it: the state at
the events isn't read. As a rule the reader's last member event is older than what is read, and
memory knows it; otherwise the older ones are two queries for all the events of a room.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from synapse.api.constants import EventTypes
from synapse.events.event import Event
from synapse.handlers.auth import Requester
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import Membership, MemberStore

# How many of a user's member events are looked through. What is older goes without a membership.
_MAX_CHANGES: Final = 100
# Before the first event of every room, however much history comes in later.
_BEGINNING: Final = -(2**60)


@dataclass(frozen=True, slots=True)
class OwnHistory:
    """A user's memberships of one room."""

    # The `pos` from which on each held, and the member of `unsigned` that tells it; newest first.
    changes: Sequence[tuple[int, bytes]]

    def at(self, event: Event) -> bytes:
        """The member `"membership":"…"` of the event's `unsigned`; empty: it isn't known."""
        if event.pos is not None:
            for start, told in self.changes:
                if event.pos >= start:
                    return told
        return b""


def _told(membership: str) -> bytes:
    return b'"membership":"%b"' % membership.encode()


UNKNOWN: Final = OwnHistory(())
JOINED: Final = OwnHistory([(_BEGINNING, _told(Membership.JOIN.text))])
_NEVER_IN: Final = (_BEGINNING, _told(Membership.LEAVE.text))


class OwnMemberships:
    """Reads the memberships that users had."""

    def __init__(self, rooms: RoomCache, members: MemberStore, events: EventStore) -> None:
        self._rooms = rooms
        self._members = members
        self._events = events

    async def of(self, requester: Requester, events: Iterable[Event]) -> dict[int, bytes]:
        """By event_nid, what `OwnHistory.at` tells, for events of any rooms."""
        by_room: dict[str, list[Event]] = {}
        for event in events:
            by_room.setdefault(event.room_id, []).append(event)
        told: dict[int, bytes] = {}
        for room_id, of_room in by_room.items():
            history = await self.in_room(requester, await self._rooms.get(room_id), of_room)
            told.update((event.nid, history.at(event)) for event in of_room)
        return told

    async def in_room(
        self, requester: Requester, room: Room, events: Iterable[Event]
    ) -> OwnHistory:
        """The requester's memberships at these events of the room."""
        places = [event.pos for event in events if event.pos is not None]
        if not places:
            return UNKNOWN
        newest = await self._rooms.current(room, EventTypes.MEMBER, requester.user_id)
        if newest is None:
            return OwnHistory([_NEVER_IN])
        if newest.nid and newest.pos is not None and newest.pos <= min(places):
            return OwnHistory([(newest.pos, _told(newest.membership))])
        nid = newest.nid
        if not nid:  # it isn't committed yet
            row = await self._members.get(requester.user_nid, room.nid)
            if row is None:
                return OwnHistory([_NEVER_IN])
            nid = row.event_nid
        return (await self.until({room.nid: nid}, min(places)))[room.nid]

    async def until(
        self, newest: Mapping[int, int], oldest_pos: int = _BEGINNING
    ) -> dict[int, OwnHistory]:
        """A user's memberships of many rooms down to a `pos`, by room_nid.

        `newest` are the user's member events (their nids), by room_nid.
        """
        nids = await self._events.replaced_by(list(newest.values()), oldest_pos, _MAX_CHANGES)
        events = await self._events.by_nids(nids)
        return {room_nid: _history(events, nid) for room_nid, nid in newest.items()}


def _history(events: Mapping[int, Event], nid: int) -> OwnHistory:
    """The memberships that a chain of member events tells of, from its newest event on."""
    changes: list[tuple[int, bytes]] = []
    while (event := events.get(nid)) is not None:
        if event.pos is not None:
            changes.append((event.pos, _told(event.membership)))
        nid = event.replaces_nid
        if not nid:
            changes.append(_NEVER_IN)
            break
    return OwnHistory(changes)
