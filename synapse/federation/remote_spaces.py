"""Rooms on other servers: what spaces hold, and which rooms they publish.

`synapse.handlers.shown_rooms.RemoteRooms` and `RemoteDirectories`.
"""

from collections.abc import Sequence
from typing import Any

from synapse.api.errors import MatrixError
from synapse.federation.answers import BadAnswer, Remembered, ask
from synapse.federation.room_facts import facts_in, room_in
from synapse.federation.transport import path_to
from synapse.federation.wire import Transport
from synapse.handlers.shown_rooms import ShownRoom
from synapse.util.caches import Cache
from synapse.util.clock import Clock

_LIFETIME_S = 300.0
_REST_S = 60.0
_MAX_SERVERS = 3
_MAX_BYTES = 5 * 1024 * 1024
_MAX_CHILDREN = 500
_MAX_ROOMS = 500
_LONGEST_TOKEN = 1_000


class RemoteRooms:
    """Asks for rooms of spaces, and remembers them for some minutes.

    Who tells a space tells its rooms as well: those that are no spaces themselves need not be asked
    for again.
    """

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._known: Remembered[tuple[str, str], ShownRoom] = Remembered(
            clock, size=500, lifetime_s=_LIFETIME_S
        )
        # Until when (monotonic), and who told it.
        self._children: Cache[str, tuple[float, str, ShownRoom | None]] = Cache(2_000)
        # Servers that didn't answer, and until when (monotonic) they are not asked again.
        self._silent: Cache[str, float] = Cache(1_000)

    async def room(self, room_id: str, via: Sequence[str]) -> ShownRoom | None:
        """A room, asked of some servers in turn; None: none of them tells."""
        now = self._clock.monotonic()
        servers = list(dict.fromkeys(via))[:_MAX_SERVERS]
        told = self._children.get(room_id)
        # Only whom the asker would ask is believed about the room.
        if told is not None and told[0] > now and told[1] in servers:
            return told[2]
        for server in servers:
            if (self._silent.get(server) or now) > now:
                continue
            try:
                return await self._known.get(
                    (server, room_id),
                    lambda server=server: self._ask(server, room_id),  # type: ignore[misc]
                )
            except MatrixError as error:  # it is in the log
                if error.status >= 500:
                    self._silent[server] = self._clock.monotonic() + _REST_S
        return None

    async def _ask(self, server: str, room_id: str) -> ShownRoom:
        path = path_to("/_matrix/federation/v1/hierarchy", room_id)
        query = {"suggested_only": "false"}
        answer = await ask(self._transport, server, "GET", path, query=query, max_bytes=_MAX_BYTES)
        room = room_in(answer.get("room"))
        if room is None or room.facts["room_id"] != room_id:
            raise BadAnswer(server, f"it doesn't describe {room_id}")
        self._remember_children(server, room, answer)
        return room

    def _remember_children(self, server: str, room: ShownRoom, answer: dict[str, Any]) -> None:
        until = self._clock.monotonic() + _LIFETIME_S
        named = {child.room_id for child in room.children}
        children = answer.get("children")
        for value in children[:_MAX_CHILDREN] if isinstance(children, list) else ():
            child = room_in(value)
            if child is None or child.facts.get("room_type") == "m.space":
                continue
            if child.facts["room_id"] in named:
                self._children[child.facts["room_id"]] = (until, server, child)
        hidden = answer.get("inaccessible_children")
        for child_id in hidden[:_MAX_CHILDREN] if isinstance(hidden, list) else ():
            if isinstance(child_id, str) and child_id in named:
                self._children[child_id] = (until, server, None)


class RemoteDirectories:
    """Reads other servers' room directories."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def page(self, server: str, query: dict[str, Any]) -> dict[str, Any]:
        """The answer of `/publicRooms`. `query` is its body. Raises `MatrixError`."""
        path = "/_matrix/federation/v1/publicRooms"
        options: dict[str, Any] = {"json": query}
        method = "POST"
        if set(query) <= {"limit", "since"}:
            # Older servers know no other way.
            method = "GET"
            options = {"query": {name: str(value) for name, value in query.items()}}
        answer = await ask(self._transport, server, method, path, max_bytes=_MAX_BYTES, **options)
        chunk = answer.get("chunk")
        if not isinstance(chunk, list):
            raise BadAnswer(server, "no chunk")
        rooms = [facts for value in chunk[:_MAX_ROOMS] if (facts := facts_in(value)) is not None]
        page: dict[str, Any] = {"chunk": rooms}
        for name in ("next_batch", "prev_batch"):
            token = answer.get(name)
            if isinstance(token, str) and len(token) <= _LONGEST_TOKEN:
                page[name] = token
        count = answer.get("total_room_count_estimate")
        if type(count) is int and 0 <= count < 2**53:
            page["total_room_count_estimate"] = count
        return page
