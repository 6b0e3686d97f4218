"""Rooms as they are found by name, here or on other servers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FoundRoom:
    """A room, and servers that are likely to be in it: through them it can be joined."""

    room_id: str
    servers: tuple[str, ...]
