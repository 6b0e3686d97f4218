"""The room directory: the rooms that this server publishes, the largest first; and others' ones.

Pages are cut by (members, number of the room), so they hold together while rooms grow and shrink.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from synapse.api.errors import InvalidParam
from synapse.api.identifiers import is_server_name
from synapse.handlers.room_summaries import RoomSummaries
from synapse.handlers.shown_rooms import RemoteDirectories
from synapse.storage.stores.rooms import PublishedRoom, RoomStore
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock

MAX_ROOMS = 500
_READ_AT_ONCE = 100
# A search term that few rooms match makes us read on; a reader is not made to wait for ever.
_MAX_READ = 5_000
# The estimate of all rooms ends there: counting reads them.
_MAX_COUNTED = 10_000
_TOKEN = re.compile(r"([fb])([0-9]{1,18})_([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wish:
    """What of the directory is asked for."""

    limit: int
    since: str | None = None
    term: str | None = None
    # Types of rooms (None: rooms without a type); no set: all.
    room_types: frozenset[str | None] | None = None

    def to_json(self) -> dict[str, Any]:
        """The body of a request for it."""
        body: dict[str, Any] = {"limit": self.limit}
        if self.since is not None:
            body["since"] = self.since
        wanted: dict[str, Any] = {}
        if self.term:
            wanted["generic_search_term"] = self.term
        if self.room_types is not None:
            wanted["room_types"] = sorted(self.room_types, key=str)
        return {**body, "filter": wanted} if wanted else body


@dataclass(frozen=True, slots=True)
class _Place:
    """Between two rooms of the directory, and in which direction to read on."""

    backwards: bool
    joined: int
    room_nid: int

    @classmethod
    def parse(cls, token: str) -> "_Place":
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise InvalidParam(f"Not a token of this server: {token[:100]!r}")
        return cls(match[1] == "b", int(match[2]), int(match[3]))


class PublicRooms:
    """Lists published rooms."""

    def __init__(
        self,
        rooms: RoomStore,
        summaries: RoomSummaries,
        remote: RemoteDirectories,
        clock: Clock,
        *,
        enabled: bool,
        server_name: str,
    ) -> None:
        """`enabled=False`: the list is always empty (`enable_room_list_search`)."""
        self._rooms = rooms
        self._summaries = summaries
        self._clock = clock
        self._remote = remote
        self._enabled = enabled
        self._server_name = server_name

    async def page_of(self, server: str | None, wish: Wish) -> dict[str, Any]:
        """The answer of `/publicRooms` for another server's directory, or for ours.

        Raises `InvalidParam`, and 502 if the server doesn't answer.
        """
        if server is None or server == self._server_name:
            return await self.page(wish)
        if not is_server_name(server):
            raise InvalidParam(f"Not a server's name: {server[:255]!r}")
        if not self._enabled or wish.limit == 0:
            return {"chunk": []}
        return await self._remote.page(server, wish.to_json())

    async def page(self, wish: Wish) -> dict[str, Any]:
        """The answer of `/publicRooms`. Raises `InvalidParam`."""
        place = None if wish.since is None else _Place.parse(wish.since)
        if not self._enabled or wish.limit == 0:
            return {"chunk": [], "total_room_count_estimate": 0}
        backwards = place is not None and place.backwards
        found, has_more = await self._find(wish, place)
        count = await self._rooms.count_published(_MAX_COUNTED)
        answer: dict[str, Any] = {"total_room_count_estimate": count}
        if backwards:
            found.reverse()
        answer["chunk"] = [shown for _, shown in found]
        if found and (has_more or backwards):
            answer["next_batch"] = _token("f", found[-1][0])
        if found and place is not None and (has_more or not backwards):
            answer["prev_batch"] = _token("b", found[0][0])
        return answer

    async def _find(
        self, wish: Wish, place: _Place | None
    ) -> tuple[list[tuple[PublishedRoom, dict[str, Any]]], bool]:
        """The rooms of a page in the order of reading, and whether there are more."""
        found: list[tuple[PublishedRoom, dict[str, Any]]] = []
        matches = _matcher(wish)
        breaks = Breaks(self._clock)
        for _ in range(_MAX_READ // _READ_AT_ONCE):
            await breaks.take()
            rooms = await self._read(place)
            shown = await self._show(rooms)
            for room in rooms:
                if not matches(shown[room.room_nid]):
                    continue
                if len(found) == wish.limit:
                    return found, True
                found.append((room, shown[room.room_nid]))
            if len(rooms) < _READ_AT_ONCE:
                return found, False
            backwards = place is not None and place.backwards
            place = _Place(backwards, rooms[-1].joined, rooms[-1].room_nid)
        return found, bool(found)

    async def _read(self, place: _Place | None) -> list[PublishedRoom]:
        if place is None:
            return await self._rooms.published_after(None, _READ_AT_ONCE)
        key = (place.joined, place.room_nid)
        if place.backwards:
            return await self._rooms.published_before(key, _READ_AT_ONCE)
        return await self._rooms.published_after(key, _READ_AT_ONCE)

    async def _show(self, rooms: list[PublishedRoom]) -> dict[int, dict[str, Any]]:
        """What the rooms show, by room_nid."""
        summaries = await self._summaries.of(rooms)
        return {
            room.room_nid: {
                **summaries[room.room_nid].facts,
                "num_joined_members": room.joined,
            }
            for room in rooms
        }


def _token(direction: str, room: PublishedRoom) -> str:
    return f"{direction}{room.joined}_{room.room_nid}"


def _matcher(wish: Wish) -> Callable[[dict[str, Any]], bool]:
    term = (wish.term or "").casefold()
    types = wish.room_types

    def matches(facts: dict[str, Any]) -> bool:
        if types is not None and facts.get("room_type") not in types:
            return False
        return not term or any(
            term in str(facts.get(name, "")).casefold()
            for name in ("name", "topic", "canonical_alias", "room_id")
        )

    return matches
