"""Searching messages: the results with what a client shows around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synapse.api.constants import EventTypes
from synapse.api.errors import MatrixError
from synapse.events.event import Event
from synapse.events.searchable import text_of
from synapse.handlers.auth import Requester
from synapse.handlers.room_state import RoomState
from synapse.handlers.search_pages import Hit, SearchPages, group_of
from synapse.handlers.search_scope import SearchWish
from synapse.handlers.states import States
from synapse.handlers.timelines import Surroundings, Timelines
from synapse.rooms.cache import RoomCache
from synapse.util.words import found_words, searched_terms

_MAX_HIGHLIGHTS = 50


@dataclass(frozen=True, slots=True)
class ContextWish:
    """How much is wanted around each result."""

    before: int
    after: int
    with_profiles: bool


@dataclass(frozen=True, slots=True)
class Context:
    """What is around a result."""

    around: Surroundings
    profiles: dict[str, dict[str, Any]] | None  # as they were then; None: weren't asked for


@dataclass(frozen=True, slots=True)
class Result:
    """An event that was found."""

    event: Event
    rank: float
    context: Context | None


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a search."""

    results: list[Result]
    count: int
    highlights: list[str]
    next_batch: str | None
    groups: dict[str, dict[str, dict[str, Any]]]
    state: dict[str, list[Event]] | None  # None: wasn't asked for


class Search:
    """Answers `/search`."""

    def __init__(
        self,
        pages: SearchPages,
        rooms: RoomCache,
        timelines: Timelines,
        states: States,
        room_state: RoomState,
        *,
        enabled: bool,
    ) -> None:
        self._pages = pages
        self._rooms = rooms
        self._timelines = timelines
        self._states = states
        self._room_state = room_state
        self._enabled = enabled

    async def find(
        self,
        requester: Requester,
        wish: SearchWish,
        context: ContextWish | None,
        *,
        include_state: bool,
    ) -> Found:
        """Raises 400 `M_UNKNOWN` if search is disabled, `InvalidParam` for a wrong token."""
        if not self._enabled:
            raise MatrixError(400, "M_UNKNOWN", "Search is disabled on this homeserver")
        hits = await self._pages.page(requester, wish)
        results = []
        for hit in hits.found:
            around = None if context is None else await self._context(requester, hit, context)
            results.append(Result(hit.event, hit.match.rank, around))
        state = None
        if include_state:
            room_ids = dict.fromkeys(hit.event.room_id for hit in hits.found)
            state = {room: await self._room_state.all(requester, room) for room in room_ids}
        return Found(
            results,
            hits.count,
            _highlights(wish.term, [hit.event for hit in hits.found]),
            hits.next_batch,
            {key: _groups(key, hits.found, hits.next_of_group) for key in wish.group_by},
            state,
        )

    async def _context(self, requester: Requester, hit: Hit, wish: ContextWish) -> Context:
        around = await self._timelines.neighbours(requester, hit.event, wish.before, wish.after)
        if not wish.with_profiles:
            return Context(around, None)
        room = await self._rooms.get(hit.event.room_id)
        senders = {event.sender for event in (*around.before, hit.event, *around.after)}
        slots = [(EventTypes.MEMBER, sender) for sender in senders]
        members = await self._states.slots_at_event(room, hit.event, slots)
        return Context(around, {sender: _profile(event) for (_, sender), event in members.items()})


def _profile(member: Event) -> dict[str, Any]:
    content = member.content
    return {
        key: value
        for key in ("displayname", "avatar_url")
        if isinstance(value := content.get(key), str)
    }


def _groups(
    key: str, hits: Sequence[Hit], next_of_group: dict[tuple[str, int], str]
) -> dict[str, dict[str, Any]]:
    """The results of each group, and the groups in the order of their first result."""
    groups: dict[str, dict[str, Any]] = {}
    for hit in hits:
        name = hit.event.room_id if key == "room_id" else hit.event.sender
        if name not in groups:
            groups[name] = {"order": len(groups), "results": []}
            token = next_of_group.get((key, group_of(hit.match, key)))
            if token is not None:
                groups[name]["next_batch"] = token
        groups[name]["results"].append(hit.event.event_id)
    return groups


def _highlights(term: str, events: Sequence[Event]) -> list[str]:
    """The words of the events for which they were found."""
    searched = searched_terms(term)
    texts = (text_of(event.parsed()) for event in events)
    found = dict.fromkeys(word for text in texts for word in found_words(text, searched))
    return list(found)[:_MAX_HIGHLIGHTS]
