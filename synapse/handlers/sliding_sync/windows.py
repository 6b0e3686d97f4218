"""Windows: which rooms of a user's list a request is about, and what it wants of each."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from synapse.api.constants import EventTypes
from synapse.events.event import Event
from synapse.handlers.sliding_sync.request import (
    ListConfig,
    ListFilters,
    RoomConfig,
    SlidingRequest,
)
from synapse.handlers.sliding_sync.room_list import Entry, Facts, RoomList
from synapse.storage.stores.members import Membership
from synapse.storage.stores.states import StateStore

_FACTS = ((EventTypes.CREATE, ""), (EventTypes.NAME, ""), (EventTypes.ENCRYPTION, ""))
_SPACE_CHILD = "m.space.child"


@dataclass(slots=True)
class Windows:
    """The rooms in a request's windows and subscriptions."""

    counts: dict[str, int] = field(default_factory=dict)
    of_lists: dict[str, set[int]] = field(default_factory=dict)
    configs: dict[int, RoomConfig] = field(default_factory=dict)

    def add(self, room_nid: int, config: RoomConfig) -> None:
        known = self.configs.get(room_nid)
        if known is not config:
            self.configs[room_nid] = config if known is None else known | config

    def lists_with(self, room_nid: int) -> list[str]:
        """The lists that show a room."""
        return [name for name, room_nids in self.of_lists.items() if room_nid in room_nids]


class WindowFinder:
    """Holds a user's rooms against the lists of a request."""

    def __init__(self, states: StateStore) -> None:
        self._states = states

    async def find(self, rooms: RoomList, request: SlidingRequest, told: Container[int]) -> Windows:
        """`told` are the rooms that the client knows: also after leaving they are in its lists."""
        windows = Windows()
        # First, since they are what people look at.
        for room_id, room_config in request.subscriptions.items():
            entry = rooms.named(room_id)
            if entry is None or _is_too_early(entry, room_config):
                continue
            if entry.is_shown or entry.row.membership == Membership.LEAVE:
                windows.add(entry.row.room_nid, room_config)
        if any(config.filters.needs_facts for config in request.lists.values()):
            await self._learn_facts(rooms)
        for name, config in request.lists.items():
            children = await self._children(rooms, config.filters)
            count, chosen = _window(rooms, config, children, told)
            windows.counts[name] = count
            windows.of_lists[name] = set(chosen)
            for room_nid in chosen:
                windows.add(room_nid, config.room)
        return windows

    async def _learn_facts(self, rooms: RoomList) -> None:
        unknown = [nid for nid, entry in rooms.entries.items() if entry.facts is None]
        if not unknown:
            return
        for room_nid, state in (await self._states.current_of(unknown, _FACTS)).items():
            entry = rooms.entries.get(room_nid)
            if entry is not None:
                entry.facts = _facts(state)

    async def _children(self, rooms: RoomList, filters: ListFilters) -> frozenset[str] | None:
        """The rooms in the spaces that a filter names and the user has joined; None: any room."""
        if filters.spaces is None:
            return None
        children: frozenset[str] = frozenset()
        for space_id in filters.spaces:
            space = rooms.named(space_id)
            if space is None or not space.is_joined:
                continue
            space_nid = space.row.room_nid
            activity, known = rooms.spaces.get(space_nid, (0, children))
            if activity != space.activity:
                activity = space.activity
                known = _children(await self._states.without_members(space_nid))
                rooms.spaces[space_nid] = (activity, known)
            children |= known
        return children


def _window(
    rooms: RoomList, config: ListConfig, children: frozenset[str] | None, told: Container[int]
) -> tuple[int, list[int]]:
    """How many rooms a list has, and those of them that its ranges show."""
    count = 0
    chosen = []
    for entry in rooms.newest_first():
        if not entry.is_shown and entry.row.room_nid not in told:
            continue
        if not _matches(entry, rooms, config.filters, children):
            continue
        if _is_too_early(entry, config.room):
            continue
        if config.ranges is None or any(low <= count <= high for low, high in config.ranges):
            chosen.append(entry.row.room_nid)
        count += 1
    return count, chosen


def _is_too_early(entry: Entry, config: RoomConfig) -> bool:
    """Whether all members are wanted of a room of which they are not known yet."""
    return entry.is_partial and entry.is_joined and config.required.all_members


def _matches(
    entry: Entry, rooms: RoomList, filters: ListFilters, children: frozenset[str] | None
) -> bool:
    if filters.is_dm is not None and filters.is_dm != (entry.room_id in rooms.direct):
        return False
    if filters.is_invite is not None and filters.is_invite != entry.is_invite:
        return False
    if children is not None and entry.room_id not in children:
        return False
    tags = rooms.tags.get(entry.row.room_nid, frozenset())
    if filters.tags is not None and filters.tags.isdisjoint(tags):
        return False
    if not filters.not_tags.isdisjoint(tags):
        return False
    return not filters.needs_facts or _facts_match(entry.facts, filters)


def _facts_match(facts: Facts | None, filters: ListFilters) -> bool:
    if facts is None:
        return False
    if filters.is_encrypted is not None and filters.is_encrypted != facts.is_encrypted:
        return False
    if filters.room_types is not None and facts.room_type not in filters.room_types:
        return False
    if facts.room_type in filters.not_room_types:
        return False
    return filters.name_like is None or filters.name_like.casefold() in facts.name.casefold()


def _facts(state: Iterable[Event]) -> Facts:
    contents = {event.type: event.content for event in state}
    room_type = contents.get(EventTypes.CREATE, {}).get("type")
    name = contents.get(EventTypes.NAME, {}).get("name")
    return Facts(
        is_encrypted=EventTypes.ENCRYPTION in contents,
        room_type=room_type if isinstance(room_type, str) else None,
        name=name if isinstance(name, str) else "",
    )


def _children(state: Iterable[Event]) -> frozenset[str]:
    return frozenset(
        event.state_key
        for event in state
        if event.type == _SPACE_CHILD and event.state_key and event.content.get("via")
    )
