"""Room aliases: this server's names for rooms, and what rooms say are theirs."""

from typing import Any, Protocol

from synapse.api.constants import EventTypes
from synapse.api.errors import Forbidden, InvalidParam, MatrixError, NotFound
from synapse.api.identifiers import domain_of, is_room_alias, is_room_id
from synapse.events.event import Event
from synapse.events.power_levels import PowerLevels
from synapse.handlers.auth import Requester
from synapse.handlers.directory_rules import DirectoryRules
from synapse.handlers.found_rooms import FoundRoom
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.room_access import not_in_room, room_of_member
from synapse.handlers.room_servers import RoomServers
from synapse.handlers.visibility import Visibility
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft, RoomWriter
from synapse.storage.stores.rooms import RoomStore

_CANONICAL = (EventTypes.CANONICAL_ALIAS, "")
# Who wants to join needs a few servers to try, not all of a large room's.
_MAX_SERVERS = 50


class RemoteAliases(Protocol):
    """Asks other servers."""

    async def room_of(self, alias: str) -> FoundRoom:
        """The room behind an alias. Raises `MatrixError`."""
        ...


class Aliases:
    """Makes, finds and removes aliases, and shows rooms in the directory."""

    def __init__(
        self,
        rooms: RoomCache,
        store: RoomStore,
        writer: RoomWriter,
        visibility: Visibility,
        rules: DirectoryRules,
        servers: RoomServers,
        remote: RemoteAliases,
        *,
        limit: RateLimiter,
        server_name: str,
        require_membership: bool,
    ) -> None:
        self._rooms = rooms
        self._store = store
        self._writer = writer
        self._visibility = visibility
        self._rules = rules
        self._servers = servers
        self._remote = remote
        self._limit = limit
        self._server_name = server_name
        self._require_membership = require_membership

    async def resolve(self, room_id_or_alias: str) -> FoundRoom:
        """The room behind what may be an alias. Raises what `find` raises.

        A room id doesn't say which servers are in the room.
        """
        if room_id_or_alias.startswith("#"):
            return await self.find(room_id_or_alias)
        if is_room_id(room_id_or_alias):
            return FoundRoom(room_id_or_alias, ())
        raise InvalidParam(f"Not a room id or alias: {room_id_or_alias[:255]}")

    async def find(self, alias: str) -> FoundRoom:
        """The room behind an alias, of this server or of another one.

        Raises `InvalidParam`, `NotFound`, and 502 if the alias' server doesn't answer.
        """
        check_alias(alias)
        if domain_of(alias) == self._server_name:
            return await self.find_ours(alias)
        return await self._remote.room_of(alias)

    async def find_ours(self, alias: str) -> FoundRoom:
        """The room behind an alias of this server. Raises `NotFound`."""
        found = await self._store.by_alias(alias)
        if found is None:
            raise NotFound(f"Room alias {alias} not found")
        servers = await self._servers.all(await self._rooms.get(found[0]))
        # One that everybody has left can be entered through us as well as through nobody.
        return FoundRoom(found[0], tuple(servers[:_MAX_SERVERS]) or (self._server_name,))

    async def of_room(self, requester: Requester, room_id: str) -> list[str]:
        """The local aliases, for members and, if everybody may read the room, for everybody."""
        room = await room_of_member(self._rooms, room_id)
        member = await self._rooms.current(room, EventTypes.MEMBER, requester.user_id)
        is_joined = member is not None and member.membership == "join"
        if not is_joined and not await self._visibility.is_world_readable(room):
            raise not_in_room(room_id)
        return await self._store.aliases(room.nid)

    async def add(self, requester: Requester, alias: str, room_id: str) -> None:
        """Raises 409 if the alias is taken."""
        self._check_local(alias)
        room = await self._room(room_id)
        if self._require_membership and not requester.is_admin:
            member = await self._rooms.current(room, EventTypes.MEMBER, requester.user_id)
            if member is None or member.membership != "join":
                raise not_in_room(room_id)
        self._rules.check_alias(requester, alias, room_id)
        self._limit.check(requester.user_id)
        if not await self._store.add_alias(alias, room.nid, requester.user_nid):
            raise MatrixError(409, "M_UNKNOWN", f"Room alias {alias} already exists")

    async def remove(self, requester: Requester, alias: str) -> None:
        """Raises `Forbidden` unless the requester made it, or speaks for the room or server."""
        check_alias(alias)
        found = await self._store.by_alias(alias)
        if found is None:
            raise NotFound(f"Room alias {alias} not found")
        room_id, creator = found
        room = await self._rooms.get(room_id)
        may_remove = requester.user_id == creator or requester.is_admin
        if not may_remove and not await self._speaks_for(room, requester.user_id):
            raise Forbidden("You may only remove aliases that you made")
        self._limit.check(requester.user_id)
        await self._store.remove_alias(alias)
        await self._forget_canonical(requester, room, alias)

    async def check_canonical(
        self, room_id: str, content: dict[str, Any], current: dict[str, Any]
    ) -> None:
        """Raises `InvalidParam` or 400 `M_BAD_ALIAS` for aliases that are new in the content."""
        known = set(aliases_in(current))
        for alias in dict.fromkeys(aliases_in(content)):
            if alias in known:
                continue
            check_alias(alias)
            if not await self._leads_to(alias, room_id):
                raise MatrixError(
                    400, "M_BAD_ALIAS", f"The alias {alias} does not point to this room"
                )

    async def _leads_to(self, alias: str, room_id: str) -> bool:
        try:
            return (await self.find(alias)).room_id == room_id
        except MatrixError:
            return False

    # The directory.

    async def is_published(self, room_id: str) -> bool:
        """Raises `NotFound`."""
        row = await self._store.get(room_id)
        if row is None:
            raise NotFound("Room not found")
        return bool(row.published)

    async def publish(self, requester: Requester, room_id: str, published: bool) -> None:
        """Show the room in the directory, or no longer. Raises `NotFound` and `Forbidden`."""
        room = await self._room(room_id)
        if not requester.is_admin and not await self._speaks_for(room, requester.user_id):
            raise Forbidden("You don't have permission to change the room's place in the directory")
        if published:
            canonical = await self._rooms.current(room, *_CANONICAL)
            named = [] if canonical is None else aliases_in(canonical.content)
            aliases = [*await self._store.aliases(room.nid), *named]
            self._rules.check_publication(requester, room_id, aliases)
        await self._store.publish(room.nid, published)

    async def _room(self, room_id: str) -> Room:
        if not is_room_id(room_id):
            raise InvalidParam(f"Not a room id: {room_id[:255]!r}")
        return await self._rooms.get(room_id)

    async def _speaks_for(self, room: Room, user_id: str) -> bool:
        """Whether the user is a member who may set the room's canonical alias."""
        member = (EventTypes.MEMBER, user_id)
        slots = [member, (EventTypes.CREATE, ""), (EventTypes.POWER_LEVELS, "")]
        state = await self._rooms.state(room, slots)
        if member not in state or state[member].membership != "join":
            return False
        levels = PowerLevels.of(state)
        required = levels.to_send(EventTypes.CANONICAL_ALIAS, is_state=True)
        return levels.of_user(user_id) >= required

    async def _forget_canonical(self, requester: Requester, room: Room, alias: str) -> None:
        """The room no longer says that the alias is its own, if the requester may say so."""
        event = await self._rooms.current(room, *_CANONICAL)
        if event is None or alias not in aliases_in(event.content):
            return
        draft = Draft(
            EventTypes.CANONICAL_ALIAS,
            requester.user_id,
            _without_alias(event, alias),
            state_key="",
        )
        try:
            await self._writer.send(room.room_id, draft)
        except Forbidden:
            return  # The alias is gone nevertheless, as the specification recommends.

    def _check_local(self, alias: str) -> None:
        check_alias(alias)
        if domain_of(alias) != self._server_name:
            raise InvalidParam(f"Aliases of this server end in :{self._server_name}")


def check_alias(alias: str) -> None:
    """Raises `InvalidParam` unless it is `#localpart:server`."""
    if not is_room_alias(alias) or any(character.isspace() for character in alias):
        raise InvalidParam(f"Room alias invalid: {alias[:255]!r}")


def aliases_in(content: dict[str, Any]) -> list[str]:
    """The aliases that an `m.room.canonical_alias` names."""
    listed = content.get("alt_aliases")
    named = [content.get("alias"), *(listed if isinstance(listed, list) else ())]
    return [alias for alias in named if isinstance(alias, str) and alias]


def _without_alias(event: Event, alias: str) -> dict[str, Any]:
    content = dict(event.content)
    if content.get("alias") == alias:
        del content["alias"]
    if isinstance(content.get("alt_aliases"), list):
        content["alt_aliases"] = [other for other in content["alt_aliases"] if other != alias]
    return content
