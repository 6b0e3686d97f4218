"""Searching messages: which events match, in which order, and how pages of them hold together.

The index knows nothing of who may see what. So matches are looked through in their order until
enough are found that the requester may see; and nothing else of the answer, neither the number of
results nor whether there are more, depends on a match that they may not see. (Only that hundreds of
hidden ones follow one another can be told: the page ends among them.)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from synapse.events.event import Event
from synapse.handlers.auth import Requester
from synapse.handlers.search_scope import Scope, SearchPlace, SearchScope, SearchWish
from synapse.handlers.visibility import Visibility
from synapse.storage.stores.events import LIVE, EventStore
from synapse.storage.stores.members import Membership
from synapse.storage.stores.search_index import Match, Query, SearchIndex
from synapse.util.words import searched_terms

# The newest matches are ranked. Beyond them, `recent` goes on and `rank` ends.
_MAX_MATCHES = 2_000
# If a filter or the history's visibility lets little through, a page is short rather than slow.
_MAX_EXAMINED = 500
_EXAMINED_AT_ONCE = 50
_MAX_EXAMINED_OF_GROUP = 20


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


class SearchPages:
    """Finds events by words, as far as the requester may see them."""

    def __init__(
        self, index: SearchIndex, scope: SearchScope, events: EventStore, visibility: Visibility
    ) -> None:
        self._index = index
        self._scope = scope
        self._events = events
        self._visibility = visibility

    async def page(self, requester: Requester, wish: SearchWish) -> Hits:
        """Raises `InvalidParam` for what isn't a token of such a search."""
        place = SearchPlace(wish.by_rank)
        if wish.token is not None:
            place = SearchPlace.parse(wish.token, by_rank=wish.by_rank)
        scope = await self._scope.of(requester, wish, place)
        query = Query(
            searched_terms(wish.term),
            scope.room_nids,
            scope.type_nids,
            scope.sender_nids,
            place.below,
            _MAX_MATCHES if scope.filter.limit else 0,
            ranked=place.by_rank,
        )
        matches = await self._index.matches(query)
        was_cut = len(matches) == _MAX_MATCHES and not place.by_rank
        if place.by_rank:
            matches.sort(key=lambda match: (-match.rank, -match.event_nid))
            if place.is_first and matches:
                # What is sent from now on comes into no later page.
                place = replace(place, below=max(match.event_nid for match in matches) + 1)
        search = _Search(requester.user_id, scope, matches, place, was_cut=was_cut)
        return await self._look_through(search, wish.group_by)

    async def _look_through(self, search: "_Search", group_by: Sequence[str]) -> Hits:
        place, matches = search.place, search.matches
        limit = search.scope.filter.limit
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
            if event is not None and search.scope.filter.matches(event):
                by_room.setdefault(match.room_nid, []).append(event)
        seen: set[int] = set()
        for room_nid, some in by_room.items():
            row = search.scope.memberships[room_nid]
            visible = await self._visibility.visible(search.user_id, row, some)
            seen.update(event.nid for event in visible)
        return [Hit(events[match.event_nid], match) for match in matches if match.event_nid in seen]

    async def _next_of_groups(
        self,
        search: "_Search",
        place: SearchPlace,
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
    scope: Scope
    matches: list[Match]
    place: SearchPlace
    was_cut: bool  # there may be older matches than these

    def is_surely_visible(self, match: Match) -> bool:
        """Whether the user has been in the room since before the event."""
        row = self.scope.memberships[match.room_nid]
        is_joined = row.membership == Membership.JOIN
        return is_joined and bool(match.flags & LIVE) and match.event_nid >= row.since

    def after(self, place: SearchPlace, examined: int) -> SearchPlace:
        """The place behind that many matches."""
        if place.by_rank:
            return replace(place, skip=examined)
        return replace(place, below=self.matches[examined - 1].event_nid)


def group_of(match: Match, key: str) -> int:
    """The number of the room or the sender, whichever is grouped by."""
    return match.room_nid if key == "room_id" else match.sender_nid
