"""Aliases of other servers: `synapse.handlers.aliases.RemoteAliases`."""

from synapse.api.identifiers import domain_of, is_room_id, is_server_name
from synapse.federation.answers import BadAnswer, Remembered, ask
from synapse.federation.wire import Transport
from synapse.handlers.found_rooms import FoundRoom
from synapse.util.clock import Clock

_LIFETIME_S = 30.0
_MAX_SERVERS = 50


class RemoteAliases:
    """Asks for them, and remembers them for half a minute."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._known: Remembered[str, FoundRoom] = Remembered(
            clock, size=1_000, lifetime_s=_LIFETIME_S
        )

    async def room_of(self, alias: str) -> FoundRoom:
        """The room behind an alias, and servers through which it may be joined.

        Raises `MatrixError`.
        """
        return await self._known.get(alias, lambda: self._ask(alias))

    async def _ask(self, alias: str) -> FoundRoom:
        server = domain_of(alias)
        answer = await ask(
            self._transport,
            server,
            "GET",
            "/_matrix/federation/v1/query/directory",
            query={"room_alias": alias},
        )
        room_id, servers = answer.get("room_id"), answer.get("servers")
        if not is_room_id(room_id) or not isinstance(servers, list):
            raise BadAnswer(server, "no room_id and servers")
        named = [name for name in servers[:_MAX_SERVERS] if is_server_name(name)]
        # Who has the name most likely has the room.
        return FoundRoom(room_id, tuple(dict.fromkeys([*named, server])))
