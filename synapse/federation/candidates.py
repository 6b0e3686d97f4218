"""Which servers may help a user of ours with a room that they aren't in.

Those that the client names; the server of who invited the user; those whose users the room is said
to be run by; and the one in the room's id, which until version 11 is the creator's.
"""

from collections.abc import Sequence
from typing import Any

from synapse.api.constants import EventTypes
from synapse.api.errors import NotFound
from synapse.api.identifiers import domain_of
from synapse.events.event import Event
from synapse.federation.attempts import without_doubles
from synapse.rooms.cache import RoomCache
from synapse.rooms.doorstep import Doorstep
from synapse.rooms.room import Room
from synapse.storage.stores.names import Names

# Of those who have a power level of their own.
_MOST_NAMED = 20


class Candidates:
    """Collects servers."""

    def __init__(
        self, rooms: RoomCache, doorstep: Doorstep, names: Names, *, server_name: str
    ) -> None:
        self._rooms = rooms
        self._doorstep = doorstep
        self._names = names
        self._server_name = server_name

    async def of(self, room_id: str, user_id: str, named: Sequence[str] = ()) -> list[str]:
        """Servers to be asked, the most promising first. `named` are those of the client."""
        servers = list(named)
        try:
            room = await self._rooms.get(room_id)
        except NotFound:
            pass
        else:
            servers += await self._of_known(room, user_id)
        servers.append(domain_of(room_id))
        return without_doubles(servers, self._server_name)

    async def _of_known(self, room: Room, user_id: str) -> list[str]:
        slots = [
            (EventTypes.MEMBER, user_id),
            (EventTypes.POWER_LEVELS, ""),
            (EventTypes.CREATE, ""),
        ]
        state = await self._rooms.state(room, slots)
        member, levels, create = (state.get(slot) for slot in slots)
        servers = [] if member is None else [domain_of(member.sender)]
        user_nid = await self._names.nid(user_id)
        if user_nid is not None:
            shown = await self._doorstep.shown(room.nid, user_nid)
            servers += [domain_of(_sender(event)) for event in shown]
        servers += [domain_of(name) for name in _named_in(levels)]
        if create is not None:
            servers.append(domain_of(create.sender))
        return servers


def _sender(event: Any) -> str:
    sender = event.get("sender") if isinstance(event, dict) else None
    return sender if isinstance(sender, str) else ""


def _named_in(levels: Event | None) -> list[str]:
    users = None if levels is None else levels.content.get("users")
    return list(users)[:_MOST_NAMED] if isinstance(users, dict) else []
