"""Where a search looks: in which rooms, for whose events, and from which place on.

A token names the place in the results: `n40_0_7` goes on below event 40, the newest first;
`r40_10_7` skips the ten closest of the events below 40. Seven is the number of results that the
first page told. `_r3` or `_s3` behind it: only in room 3, only from sender 3.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from synapse.api.constants import EventTypes
from synapse.api.errors import InvalidParam, NotFound
from synapse.events.filtering import EventFilter
from synapse.handlers.auth import Requester
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.members import MemberRow, MemberStore
from synapse.storage.stores.names import Names
from synapse.storage.stores.rooms import RoomStore
from synapse.storage.stores.search_index import SearchIndex
from synapse.storage.stores.slots import Slots

_DEFAULT_LIMIT = 10
_MAX_LIMIT = 100
# Rooms of a filter whose predecessors are searched as well, and how far back.
_MAX_UPGRADED = 50
_MAX_PREDECESSORS = 10
_TOKEN = re.compile(r"([nr])(\d{1,18})_(\d{1,18})_(\d{1,18})(?:_([rs])(\d{1,18}))?", re.ASCII)
_NOWHERE = 2**62


@dataclass(frozen=True, slots=True)
class SearchWish:
    """What is searched."""

    term: str
    types: Sequence[str]
    filter: dict[str, Any]  # a RoomEventFilter
    by_rank: bool
    token: str | None
    group_by: Sequence[str]  # "room_id", "sender"


@dataclass(frozen=True, slots=True)
class SearchPlace:
    """Where in the results a page begins, and in which group of them."""

    by_rank: bool
    below: int = _NOWHERE
    skip: int = 0
    total: int | None = None  # None: not known yet
    room_nid: int | None = None
    sender_nid: int | None = None

    @classmethod
    def parse(cls, token: str, *, by_rank: bool) -> "SearchPlace":
        match = _TOKEN.fullmatch(token)
        if match is None or (match[1] == "r") != by_rank:
            raise InvalidParam(f"Not a token of this search: {token[:100]!r}")
        place = cls(by_rank, int(match[2]), int(match[3]), int(match[4]))
        if match[5] == "r":
            return replace(place, room_nid=int(match[6]))
        return replace(place, sender_nid=int(match[6])) if match[5] == "s" else place

    def __str__(self) -> str:
        group = ""
        if self.room_nid is not None:
            group = f"_r{self.room_nid}"
        elif self.sender_nid is not None:
            group = f"_s{self.sender_nid}"
        kind = "r" if self.by_rank else "n"
        return f"{kind}{self.below}_{self.skip}_{self.total or 0}{group}"

    @property
    def is_first(self) -> bool:
        """Whether this is where a search begins."""
        return self.below == _NOWHERE


@dataclass(frozen=True, slots=True)
class Scope:
    """What a search reads about, by numbers, and what it leaves out."""

    memberships: dict[int, MemberRow]  # of the requester, by room_nid
    filter: EventFilter
    room_nids: list[int]
    type_nids: list[int]
    sender_nids: list[int] | None  # None: all


class SearchScope:
    """Finds out where a search looks."""

    def __init__(
        self,
        index: SearchIndex,
        rooms: RoomCache,
        room_store: RoomStore,
        members: MemberStore,
        names: Names,
        slots: Slots,
    ) -> None:
        self._index = index
        self._rooms = rooms
        self._room_store = room_store
        self._members = members
        self._names = names
        self._slots = slots

    async def of(self, requester: Requester, wish: SearchWish, place: SearchPlace) -> Scope:
        """The rooms in which the requester is or was, as far as the wish and the place let them."""
        rows = {
            row.room_nid: row
            for row in await self._members.rooms_of(requester.user_nid)
            if not row.forgotten
        }
        definition = await self._with_predecessors(wish.filter, rows)
        event_filter = EventFilter.compile(definition, _DEFAULT_LIMIT, _MAX_LIMIT)
        types = await self._names.nids(wish.types)
        return Scope(
            rows,
            event_filter,
            await self._rooms_of(rows, event_filter, place),
            list(types.values()),
            await self._senders(wish.filter.get("senders"), place),
        )

    async def _rooms_of(
        self, rows: dict[int, MemberRow], wanted: EventFilter, place: SearchPlace
    ) -> list[int]:
        ids = await self._room_store.ids(rows)
        room_nids = [nid for nid, room_id in ids.items() if wanted.matches_room(room_id)]
        if place.room_nid is not None:
            room_nids = [nid for nid in room_nids if nid == place.room_nid]
        slot = (EventTypes.ENCRYPTION, "")
        encryption = (await self._slots.nids([slot])).get(slot)
        if encryption is None:
            return room_nids
        encrypted = await self._index.encrypted_rooms(room_nids, encryption)
        return [nid for nid in room_nids if nid not in encrypted]

    async def _senders(self, wanted: Sequence[str] | None, place: SearchPlace) -> list[int] | None:
        sender_nids = None
        if wanted is not None:
            known = await self._names.nids([sender for sender in wanted if "\0" not in sender])
            sender_nids = list(known.values())
        if place.sender_nid is None:
            return sender_nids
        allowed = sender_nids is None or place.sender_nid in sender_nids
        return [place.sender_nid] if allowed else []

    async def _with_predecessors(
        self, definition: dict[str, Any], rows: dict[int, MemberRow]
    ) -> dict[str, Any]:
        """Who searches an upgraded room means what was said before the upgrade, too."""
        wanted = definition.get("rooms")
        if not wanted:
            return definition
        own = {room_id: nid for nid, room_id in (await self._room_store.ids(rows)).items()}
        searched = [room_id for room_id in wanted if room_id in own]
        older: list[str] = []
        for room_id in searched[:_MAX_UPGRADED]:
            for _ in range(_MAX_PREDECESSORS):
                before = await self._predecessor(room_id)
                if before not in own or before in older:
                    break
                older.append(before)
                room_id = before
        return {**definition, "rooms": [*searched, *older]}

    async def _predecessor(self, room_id: str) -> str:
        try:
            room = await self._rooms.get(room_id)
        except NotFound:
            return ""
        create = await self._rooms.current(room, EventTypes.CREATE)
        predecessor = None if create is None else create.content.get("predecessor")
        older = predecessor.get("room_id") if isinstance(predecessor, dict) else None
        return older if isinstance(older, str) else ""
