"""Searching messages: which events match, in which order, and how pages of them hold together.

The index knows nothing of who may see what. So matches are looked through in their order until
enough are found that the requester may see; and nothing else of the answer, neither the number of
results nor whether there are more, depends on a match that they may not see.

A token names the place in the results: `n40_0_7` goes on below event 40, the newest first;
`r40_10_7` skips the ten closest of the events below 40. Seven is the number of results that the
first page told. `_r3` or `_s3` behind it: only in room 3, only from sender 3.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from synapse.api.constants import EventTypes
from synapse.api.errors import InvalidParam, NotFound
from synapse.events.event import Event
from synapse.events.filtering import EventFilter
from synapse.handlers.auth import Requester
from synapse.handlers.visibility import Visibility
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.events import LIVE, EventStore
from synapse.storage.stores.members import MemberRow, Membership, MemberStore
from synapse.storage.stores.names import Names
from synapse.storage.stores.rooms import RoomStore
from synapse.storage.stores.search_index import Match, Query, SearchIndex
from synapse.storage.stores.slots import Slots
from synapse.util.words import searched_words

_DEFAULT_LIMIT = 10
_MAX_LIMIT = 100
# The newest matches are ranked. Beyond them, `recent` goes on and `rank` ends.
_MAX_MATCHES = 2_000
# If a filter or the history's visibility lets little through, a page is short rather than slow.
_MAX_EXAMINED = 500
_EXAMINED_AT_ONCE = 50
_MAX_EXAMINED_OF_GROUP = 20
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
class Hit:
    """An event that was found."""

    event: Event
    match: Match


@dataclass(frozen=True, slots=True)
class Hits:
    """A page of results, in their order."""

    found: list[Hit]
    count: int
    next_batch: str | None
    # (group key, number of the room or sender) → where the group goes on
    next_of_group: dict[tuple[str, int], str]


@dataclass(frozen=True, slots=True)
class _Place:
    by_rank: bool
    below: int = _NOWHERE
    skip: int = 0
    total: int | None = None
    room_nid: int | None = None
    sender_nid: int | None = None

    @classmethod
    def parse(cls, token: str, *, by_rank: bool) -> "_Place":
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


class SearchPages:
    """Finds events by words, as far as the requester may see them."""

    def __init__(
        self,
        index: SearchIndex,
        rooms: RoomCache,
        room_store: RoomStore,
        members: MemberStore,
        events: EventStore,
        names: Names,
        slots: Slots,
        visibility: Visibility,
    ) -> None:
        self._index = index
        self._rooms = rooms
        self._room_store = room_store
        self._members = members
        self._events = events
        self._names = names
        self._slots = slots
        self._visibility = visibility

    async def page(self, requester: Requester, wish: SearchWish) -> Hits:
        """Raises `InvalidParam` for what isn't a token of such a search."""
        place = _Place(wish.by_rank)
        if wish.token is not None:
            place = _Place.parse(wish.token, by_rank=wish.by_rank)
        rows = {
            row.room_nid: row
            for row in await self._members.rooms_of(requester.user_nid)
            if not row.forgotten
        }
        definition = await self._with_predecessors(wish.filter, rows)
        event_filter = EventFilter.compile(definition, _DEFAULT_LIMIT, _MAX_LIMIT)
        query = await self._query(wish, place, rows, event_filter)
        matches = await self._index.matches(query)
        was_cut = len(matches) == _MAX_MATCHES and not place.by_rank
        if place.by_rank:
            matches.sort(key=lambda match: (-match.rank, -match.event_nid))
            if place.below == _NOWHERE and matches:
                # What is sent from now on comes into no later page.
                place = replace(place, below=max(match.event_nid for match in matches) + 1)
        search = _Search(requester.user_id, rows, event_filter, matches, place, was_cut=was_cut)
        return await self._look_through(search, wish.group_by)

    async def _query(
        self, wish: SearchWish, place: _Place, rows: dict[int, MemberRow], wanted: EventFilter
    ) -> Query:
        types = await self._names.nids(wish.types)
        senders = wish.filter.get("senders")
        sender_nids = None
        if senders is not None:
            known = await self._names.nids([sender for sender in senders if "\0" not in sender])
            sender_nids = list(known.values())
        if place.sender_nid is not None:
            allowed = sender_nids is None or place.sender_nid in sender_nids
            sender_nids = [place.sender_nid] if allowed else []
        ids = await self._room_store.ids(rows)
        room_nids = [nid for nid, room_id in ids.items() if wanted.matches_room(room_id)]
        if place.room_nid is not None:
            room_nids = [nid for nid in room_nids if nid == place.room_nid]
        slot = (EventTypes.ENCRYPTION, "")
        encryption = (await self._slots.nids([slot])).get(slot)
        if encryption is not None:
            encrypted = await self._index.encrypted_rooms(room_nids, encryption)
            room_nids = [nid for nid in room_nids if nid not in encrypted]
        return Query(
            searched_words(wish.term),
            room_nids,
            list(types.values()),
            sender_nids,
            place.below,
            _MAX_MATCHES if wanted.limit else 0,
        )

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

    async def _look_through(self, search: "_Search", group_by: Sequence[str]) -> Hits:
        place, matches = search.place, search.matches
        limit = search.filter.limit
        hits: list[Hit] = []
        examined = min(place.skip, len(matches))
        end = min(len(matches), examined + _MAX_EXAMINED)
        # One more than is needed tells whether there are more.
        while examined < end and len(hits) <= limit:
            some = matches[examined : min(end, examined + _EXAMINED_AT_ONCE)]
            hits += await self._visible(search, some)
            examined += len(some)
        total = place.total
        if total is None:
            total = len(hits) + sum(map(search.is_surely_visible, matches[examined:]))
        has_more = len(hits) > limit
        if has_more:
            examined = matches.index(hits[limit - 1].match) + 1
        elif examined == end and end == len(matches) and not search.was_cut:
            return Hits(hits, total, None, {})
        found = hits[:limit]
        there = replace(place, total=total)
        following = search.after(there, examined)
        groups = await self._next_of_groups(search, there, found, examined, group_by)
        return Hits(found, total, str(following), groups)

    async def _visible(self, search: "_Search", matches: Sequence[Match]) -> list[Hit]:
        """Those of the matches that pass the filter and that the user may see."""
        events = await self._events.by_nids([match.event_nid for match in matches])
        by_room: dict[int, list[Event]] = {}
        for match in matches:
            event = events.get(match.event_nid)
            if event is not None and search.filter.matches(event):
                by_room.setdefault(match.room_nid, []).append(event)
        seen: set[int] = set()
        for room_nid, some in by_room.items():
            row = search.rows[room_nid]
            visible = await self._visibility.visible(search.user_id, row, some)
            seen.update(event.nid for event in visible)
        return [Hit(events[match.event_nid], match) for match in matches if match.event_nid in seen]

    async def _next_of_groups(
        self,
        search: "_Search",
        place: _Place,
        found: Sequence[Hit],
        examined: int,
        group_by: Sequence[str],
    ) -> dict[tuple[str, int], str]:
        tokens: dict[tuple[str, int], str] = {}
        for key in group_by:
            for nid in dict.fromkeys(group_of(hit.match, key) for hit in found):
                later = (m for m in search.matches[examined:] if group_of(m, key) == nid)
                if not await self._visible(search, list(islice(later, _MAX_EXAMINED_OF_GROUP))):
                    continue
                before = sum(group_of(m, key) == nid for m in search.matches[:examined])
                there = search.after(place, examined)
                if place.by_rank:
                    there = replace(there, skip=before)
                if key == "room_id":
                    there = replace(there, room_nid=nid)
                else:
                    there = replace(there, sender_nid=nid)
                tokens[key, nid] = str(there)
        return tokens


@dataclass(frozen=True, slots=True)
class _Search:
    """What was found, before it is clear who may see it."""

    user_id: str
    rows: dict[int, MemberRow]
    filter: EventFilter
    matches: list[Match]
    place: _Place
    was_cut: bool  # there may be older matches than these

    def is_surely_visible(self, match: Match) -> bool:
        """Whether the user has been in the room since before the event."""
        row = self.rows[match.room_nid]
        is_joined = row.membership == Membership.JOIN
        return is_joined and bool(match.flags & LIVE) and match.event_nid >= row.since

    def after(self, place: _Place, examined: int) -> _Place:
        """The place behind that many matches."""
        if place.by_rank:
            return replace(place, skip=examined)
        return replace(place, below=self.matches[examined - 1].event_nid)


def group_of(match: Match, key: str) -> int:
    """The number of the room or the sender, whichever is grouped by."""
    return match.room_nid if key == "room_id" else match.sender_nid
