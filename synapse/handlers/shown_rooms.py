"""Rooms as they are shown to those who are not in them, whoever told what is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from synapse.handlers.space_children import SpaceChild


@dataclass(frozen=True, slots=True)
class ShownRoom:
    """A room and, if it is a space, what it holds."""

    facts: dict[str, Any]  # the specification's `RoomSummary`
    children: tuple[SpaceChild, ...]


class RemoteRooms(Protocol):
    """Asks other servers: `synapse.federation.remote_spaces`."""

    async def room(self, room_id: str, via: Sequence[str]) -> ShownRoom | None:
        """A room, asked of some servers in turn; None: none of them tells."""
        ...


class RemoteDirectories(Protocol):
    """Reads other servers' room directories."""

    async def page(self, server: str, query: dict[str, Any]) -> dict[str, Any]:
        """The answer of `/publicRooms`. `query` is its body. Raises `MatrixError`."""
        ...
