"""Who may see which event of a room: its history visibility, held against its readers.

The rule itself is pure (`synapse.events.visibility`) and asks for the state at each event. That is
read only where memory and one row can't tell:

- Who has been joined since before the event sees it.
- Who joined later sees it if the room's visibility, as it is now, is `shared` or `world_readable`
  and was set before the event. (A visibility that was never another one has always been so: until
  the first `m.room.history_visibility` it was `shared`.)
- For the rest the state at the event decides, read once for each distinct state.

The second rule is about rooms whose events stand in a line. Where forks met, it holds for events
that stand on the room's state as it then was, if nothing flipped since the visibility was set. The
first one holds everywhere: what comes into a room while somebody is in it, they see.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from synapse.api.constants import EventTypes, HistoryVisibility
from synapse.api.errors import Forbidden
from synapse.events.event import Event, StateMap
from synapse.events.visibility import Standing, history_visibility, may_see
from synapse.handlers.retention import Retention
from synapse.handlers.room_access import not_in_room
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.flips import FlipStore
from synapse.storage.stores.members import MemberRow, Membership, MemberStore
from synapse.storage.stores.states import StateStore

_SLOT = (EventTypes.HISTORY_VISIBILITY, "")
_OPEN = (HistoryVisibility.SHARED, HistoryVisibility.WORLD_READABLE)
# How many memberships that aren't joins are looked through for the join before them.
_MAX_WALK = 100


@dataclass(frozen=True, slots=True)
class Reader:
    """How a user stands to a room now."""

    user_id: str
    room_nid: int
    is_joined: bool
    # Since which place in the timeline the user has been joined without a break.
    joined_since: int | None = None
    # What ended the last join of one who has left: history ends there for them.
    leave: Event | None = None

    def joined_after(self, pos: int) -> bool:
        """Whether the user was joined at some point after this place, or is now."""
        if self.is_joined:
            return True
        return self.leave is not None and self.leave.pos is not None and pos < self.leave.pos


class Visibility:
    """Tells readers of rooms apart, and picks the events that they may see."""

    def __init__(
        self,
        rooms: RoomCache,
        members: MemberStore,
        events: EventStore,
        states: StateStore,
        flips: FlipStore,
        retention: Retention,
    ) -> None:
        self._rooms = rooms
        self._retention = retention
        self._members = members
        self._events = events
        self._states = states
        self._flips = flips

    async def reader(self, room: Room, user_id: str, user_nid: int) -> Reader:
        """The user as a reader of the room. Raises `Forbidden` for who may not read it at all.

        That is who isn't and was not joined, unless everybody may read the room.
        """
        row = await self._members.get(user_nid, room.nid)
        reader = await self._reader(user_id, room.nid, row)
        if reader.is_joined or reader.leave is not None:
            return reader
        if await self.is_world_readable(room):
            return reader
        raise not_in_room(room.room_id)

    async def may_read(self, room: Room, user_id: str, user_nid: int) -> bool:
        """Whether `reader` finds the user to be one."""
        try:
            await self.reader(room, user_id, user_nid)
        except Forbidden:
            return False
        return True

    async def is_world_readable(self, room: Room) -> bool:
        event = await self._rooms.current(room, *_SLOT)
        return _visibility_of(event) == HistoryVisibility.WORLD_READABLE

    async def visible(self, user_id: str, row: MemberRow, events: Iterable[Event]) -> list[Event]:
        """Those events of a room's timeline that a user with this membership may see."""
        return await self.visible_to(await self._reader(user_id, row.room_nid, row), events)

    async def visible_to(self, reader: Reader, events: Iterable[Event]) -> list[Event]:
        """Those events of the room's timeline that the reader may see."""
        shown = [
            event
            for event in await self._retention.unexpired(reader.room_nid, events)
            if event.pos is not None and not (event.rejected or event.soft_failed)
        ]
        since = reader.joined_since
        if since is not None and all(
            event.pos is not None and event.pos >= since for event in shown
        ):
            return shown
        setting = await self._setting(reader.room_nid)
        doubtful = [event for event in shown if not _surely_visible(event, reader, setting)]
        if not doubtful:
            return shown
        hidden = await self._hidden(reader, doubtful)
        return [event for event in shown if event.nid not in hidden]

    async def sees_all_from(self, reader: Reader, event: Event) -> bool:
        """Whether it is clear that the reader sees this event and all that came after it."""
        if not reader.is_joined or event.pos is None:
            return False
        return _surely_visible(event, reader, await self._setting(reader.room_nid))

    async def sees_all(self, reader: Reader) -> bool:
        """Whether it is clear that the reader sees all of the room."""
        if not reader.is_joined:
            return False
        setting = await self._setting(reader.room_nid)
        event = setting.event
        was_other = event is not None and (event.pos is None or bool(event.replaces_nid))
        is_sure = setting.is_plain and not setting.flipped and not was_other
        return is_sure and _visibility_of(event) in _OPEN

    # The reader.

    async def _reader(self, user_id: str, room_nid: int, row: MemberRow | None) -> Reader:
        if row is not None and row.membership == Membership.JOIN:
            since = (await self._events.by_nids([row.since])).get(row.since)
            return Reader(user_id, room_nid, True, None if since is None else since.pos)
        leave = None
        if row is not None and not row.forgotten:
            leave = await self._end_of_last_join(row.event_nid)
        return Reader(user_id, room_nid, False, leave=leave)

    async def _end_of_last_join(self, member_nid: int) -> Event | None:
        """Which of the user's member events, from this one back, ended a join."""
        event = (await self._events.by_nids([member_nid])).get(member_nid)
        for _ in range(_MAX_WALK):
            if event is None or not event.replaces_nid:
                return None
            before = (await self._events.by_nids([event.replaces_nid])).get(event.replaces_nid)
            if before is not None and before.membership == Membership.JOIN.text:
                return event
            event = before
        return None

    # The events.

    async def _setting(self, room_nid: int) -> "_Setting":
        room = self._rooms.peek(room_nid)
        if room is not None:
            return _Setting(await self._rooms.current(room, *_SLOT), room.flipped)
        event = (await self._states.current(room_nid, [_SLOT])).get(_SLOT)
        return _Setting(event, await self._flips.newest(room_nid))

    async def _hidden(self, reader: Reader, events: Sequence[Event]) -> set[int]:
        """Those of the events (their nids) that the state at them hides from the reader."""
        own_slot = (EventTypes.MEMBER, reader.user_id)
        states: dict[int, StateMap] = {}
        for event in events:
            if event.state_nid not in states:
                states[event.state_nid] = await self._states.events_at(
                    event.state_nid, [_SLOT, own_slot]
                )
        changes = [event for event in events if _changes(event, own_slot)]
        replaced = await self._events.by_nids([e.replaces_nid for e in changes if e.replaces_nid])
        hidden = set()
        for event in events:
            state = states[event.state_nid]
            after = _standing(state, own_slot)
            before = after
            if _changes(event, own_slot):
                before = _standing(_without(state, event, replaced), own_slot)
            assert event.pos is not None, "only the timeline's events are asked about"
            if not may_see(before, after, joined_later=reader.joined_after(event.pos)):
                hidden.add(event.nid)
        return hidden


def _visibility_of(setting: Event | None) -> str:
    return history_visibility(None if setting is None else setting.content)


@dataclass(frozen=True, slots=True)
class _Setting:
    """A room's visibility."""

    event: Event | None  # None: was never set
    flipped: int  # when last anything flipped in the room

    @property
    def is_plain(self) -> bool:
        """Whether it holds since its event came, and what was before is what that one replaced."""
        if self.event is None:
            return not self.flipped
        return self.flipped < self.event.nid and self.event.state_nid == self.event.view_nid


def _surely_visible(event: Event, reader: Reader, at: _Setting) -> bool:
    """Whether the event may be seen, as far as that is clear without the state at it."""
    pos = event.pos
    assert pos is not None, "only the timeline's events are asked about"
    if reader.joined_since is not None and pos >= reader.joined_since:
        return True
    if not at.is_plain or event.state_nid != event.view_nid:
        return False
    setting = at.event
    visibility = _visibility_of(setting)
    if setting is None:
        return reader.joined_after(pos)
    set_before = setting.pos is not None and pos >= setting.pos
    if visibility == HistoryVisibility.WORLD_READABLE and set_before:
        return True
    never_other = setting.pos is not None and not setting.replaces_nid
    return visibility in _OPEN and reader.joined_after(pos) and (set_before or never_other)


def _changes(event: Event, own_slot: tuple[str, str]) -> bool:
    """Whether the event changes what decides about the reader."""
    return event.state_key is not None and event.slot in (_SLOT, own_slot)


def _without(state: StateMap, event: Event, replaced: dict[int, Event]) -> StateMap:
    """The state before an event of it."""
    before = {slot: member for slot, member in state.items() if slot != event.slot}
    previous = replaced.get(event.replaces_nid)
    if previous is not None:
        before[event.slot] = previous
    return before


def _standing(state: StateMap, own_slot: tuple[str, str]) -> Standing:
    member = state.get(own_slot)
    membership = Membership.LEAVE.text if member is None else member.membership
    return Standing(_visibility_of(state.get(_SLOT)), membership)
