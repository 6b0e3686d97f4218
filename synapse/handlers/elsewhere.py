"""Rooms of other servers, as the handlers see them who need help with these."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from synapse.events.event import Event
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft


class Elsewhere(Protocol):
    """Asks other servers: see `synapse.federation.remote_rooms.RemoteRooms`.

    If none of them helps, the most telling of their errors is raised as a `MatrixError`, or 502
    `M_UNKNOWN` if none could be reached.
    """

    async def join(
        self,
        user_id: str,
        room_id: str,
        content: Mapping[str, Any],
        servers: Sequence[str],
        *,
        from_within: bool = False,
    ) -> str | None:
        """Join a room; the event's id. None: this server is in the room by now.

        `from_within`: this server is in the room, but only others may let the user in.
        """
        ...

    async def knock(
        self, user_id: str, room_id: str, content: Mapping[str, Any], servers: Sequence[str]
    ) -> str:
        """Ask to be let in; the event's id."""
        ...

    async def leave(
        self, user_id: str, room: Room, current: Event, content: Mapping[str, Any]
    ) -> None:
        """Refuse an invite, or take back a knock: `current`. That always works, at least here."""
        ...

    async def invite(self, room_id: str, draft: Draft) -> Event:
        """Add an invite of another server's user to a room that this server is in."""
        ...

    async def exchange(
        self, user_id: str, room_id: str, sender: Any, signed: Mapping[str, Any]
    ) -> None:
        """Let the server of `sender` invite a user who has shown `third_party_signed`."""
        ...


def is_here(room: Room) -> bool:
    """Whether this server takes part in a room, and so can say something in it by itself.

    One that all have left is ours as well as anybody's.
    """
    return room.local_joined > 0 or (bool(room.tips) and room.joined == 0)
