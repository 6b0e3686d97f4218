"""Walking the tree of a space, page by page (`GET /rooms/{roomId}/hierarchy`).

The walk goes depth first: a space, then its first child with all that is below it, then the next.

    space             the path at #beer: [space, drinks, #beer]
    ├── drinks        still to come:     at depth 3 nothing; at depth 2 #wine; at depth 1 #food
    │   ├── #beer
    │   └── #wine
    └── #food

So the path to the last room is all that a page's successor needs to know, and it *is* the token:
the server remembers nothing between pages. Each step of a token is looked up and held against the
requester's rights like those of the walk itself, so a forged one leads nowhere else.

Rooms that this server is not in are asked of the servers that their parents name (`via`).
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from synapse.api.errors import Forbidden, InvalidParam
from synapse.api.identifiers import is_room_id
from synapse.handlers.auth import Requester
from synapse.handlers.room_previews import RoomPreviews
from synapse.handlers.shown_rooms import ShownRoom
from synapse.handlers.space_children import SpaceChild
from synapse.util.clock import Clock

MAX_ROOMS = 50
MAX_DEPTH = 10
# Children that nobody may see cost as much as others, but fill no page.
_MAX_LOOKED_AT = 500
# Others are asked about so many rooms for a page, one after the other.
_MAX_ASKED = 20
# A page ends with what it has by then.
_PATIENCE_S = 10.0
_LOOK_AHEAD = 50
# A page ends early when the events in it have as many bytes as this.
_ENOUGH_BYTES = 1024 * 1024
# Spaces that link one another make trees far larger than their number; nobody needs all of it.
_MAX_ROOMS_IN_ALL = 10_000
_MAX_TOKEN_LENGTH = 6_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What of the tree is asked for."""

    limit: int
    max_depth: int
    suggested_only: bool
    token: str | None


@dataclass(frozen=True, slots=True)
class _Token:
    """Where a page ended; says itself what it is the token of."""

    shown: int  # rooms on all pages so far
    max_depth: int
    suggested_only: bool
    path: list[str]  # from the space to the last room that was looked at

    def __str__(self) -> str:
        members = [self.shown, self.max_depth, self.suggested_only, self.path]
        return urlsafe_b64encode(orjson.dumps(members)).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "_Token":
        """Raises `InvalidParam`."""
        try:
            if len(text) > _MAX_TOKEN_LENGTH:
                raise ValueError
            shown, max_depth, suggested_only, path = orjson.loads(
                urlsafe_b64decode(text + "=" * (-len(text) % 4))
            )
        except (ValueError, TypeError):
            raise _unknown_token() from None
        is_path = isinstance(path, list) and 0 < len(path) <= MAX_DEPTH + 1
        if type(shown) is not int or not is_path or not all(map(is_room_id, path)):
            raise _unknown_token()
        return cls(shown, max_depth, suggested_only, path)


class SpaceHierarchy:
    """Shows what is in spaces."""

    def __init__(self, previews: RoomPreviews, clock: Clock) -> None:
        self._previews = previews
        self._clock = clock

    async def page(
        self, requester: Requester, room_id: str, wish: Wish, via: Sequence[str] = ()
    ) -> dict[str, Any]:
        """`via` are servers that know the space, if ours doesn't.

        Raises `Forbidden` if the space can't be seen, `InvalidParam` for a wrong token."""
        walk = _Walk(self._previews, self._clock, requester, wish)
        root = await walk.start(room_id, via)
        rooms = []
        shown = 0
        if wish.token is None:
            rooms.append(walk.to_json(root))
        else:
            token = _Token.parse(wish.token)
            if token.path[0] != room_id:
                raise _unknown_token()
            if (token.max_depth, token.suggested_only) != (wish.max_depth, wish.suggested_only):
                raise InvalidParam("suggested_only and max_depth can't change between pages")
            await walk.resume(token.path[1:])
            shown = token.shown
        while len(rooms) < wish.limit and not walk.is_long_enough:
            room = await walk.next()
            if room is not None:
                rooms.append(walk.to_json(room))
            elif walk.is_over:
                break
        answer: dict[str, Any] = {"rooms": rooms}
        shown += len(rooms)
        if walk.has_more and shown < _MAX_ROOMS_IN_ALL:
            answer["next_batch"] = str(
                _Token(shown, wish.max_depth, wish.suggested_only, walk.path)
            )
        return answer


@dataclass(slots=True)
class _Level:
    """The children of one space that the walk has not come to yet."""

    waiting: deque[str]
    # Servers that know each of them.
    via: dict[str, list[str]]
    # Those that were looked up ahead and may be seen.
    known: dict[str, ShownRoom] = field(default_factory=dict)
    # Those about which nobody else need be asked.
    settled: set[str] = field(default_factory=set)
    looked_up: set[str] = field(default_factory=set)


class _Walk:
    """A walk through a tree, as far as one page goes."""

    def __init__(
        self, previews: RoomPreviews, clock: Clock, requester: Requester, wish: Wish
    ) -> None:
        self._previews = previews
        self._clock = clock
        self._until = clock.monotonic() + _PATIENCE_S
        self._requester = requester
        self._wish = wish
        # From the space to where the walk is, and for each room on the way its children to come.
        self.path: list[str] = []
        self._levels: list[_Level] = []
        self._looked_at = 0
        self._asked = 0
        self._bytes = 0

    @property
    def is_long_enough(self) -> bool:
        return (
            self._looked_at >= _MAX_LOOKED_AT
            or self._asked >= _MAX_ASKED
            or self._clock.monotonic() > self._until
            or self._bytes >= _ENOUGH_BYTES
        )

    @property
    def is_over(self) -> bool:
        return not self._levels

    @property
    def has_more(self) -> bool:
        return any(level.waiting for level in self._levels)

    async def start(self, room_id: str, via: Sequence[str]) -> ShownRoom:
        """Raises `Forbidden`, alike for rooms that don't exist and those that can't be seen."""
        root = await self._previews.anywhere(self._requester, room_id, via)
        if root is None:
            raise Forbidden("You are not allowed to view this room")
        self._enter(room_id, root)
        return root

    async def resume(self, steps: Sequence[str]) -> None:
        """Go down to where a page ended. Raises `InvalidParam` if that place is gone."""
        for step in steps:
            level = self._levels[-1]
            if step not in level.waiting:
                raise _unknown_token()
            while level.waiting[0] != step:
                level.waiting.popleft()
            await self._descend(level)

    async def next(self) -> ShownRoom | None:
        """Go on to the next room; None if it can't be seen, or if there is none (`is_over`)."""
        while self._levels and not self._levels[-1].waiting:
            self._levels.pop()
            self.path.pop()
        if not self._levels:
            return None
        self._looked_at += 1
        return await self._descend(self._levels[-1])

    async def _descend(self, level: _Level) -> ShownRoom | None:
        """To the level's next room, behind which its own children wait."""
        if level.waiting[0] not in level.looked_up:
            ahead = list(level.waiting)[:_LOOK_AHEAD]
            previews = await self._previews.of(self._requester, ahead)
            level.known, level.settled = previews.shown, previews.settled
            level.looked_up = set(ahead)
        room_id = level.waiting.popleft()
        shown = level.known.get(room_id)
        if room_id not in level.settled:
            via = self._previews.others_in(level.via[room_id])
            self._asked += bool(via)
            shown = await self._previews.elsewhere(self._requester, room_id, via) or shown
        self._enter(room_id, shown)
        return shown

    def _enter(self, room_id: str, shown: ShownRoom | None) -> None:
        self.path.append(room_id)
        children: dict[str, list[str]] = {}
        if shown is not None and len(self.path) <= self._wish.max_depth:
            # A space may hold itself: the walk doesn't enter what it is in.
            children = {
                child.room_id: child.via
                for child in self._children(shown)
                if child.room_id not in self.path
            }
        self._levels.append(_Level(deque(children), children))

    def _children(self, room: ShownRoom) -> Sequence[SpaceChild]:
        if not self._wish.suggested_only:
            return room.children
        return [child for child in room.children if child.is_suggested]

    def to_json(self, room: ShownRoom) -> dict[str, Any]:
        """The room as the page shows it."""
        children = [child.to_json() for child in self._children(room)]
        self._bytes += len(orjson.dumps(children))
        return {**room.facts, "children_state": children}


def _unknown_token() -> InvalidParam:
    return InvalidParam("Not a token of this space's pages, or the space has changed: start anew")
