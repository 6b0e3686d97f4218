"""Approvals: what is not said in a room unless the room's policy server recommends it.

An event of ours is built, shown to that server, and put into the room with its signature, wherever
the room has got to by then. One of another server that has no signature is shown to it as well, and
soft-failed if it gets none. Most rooms have no policy server, and pay a look into their state.
"""

from typing import Protocol

from synapse.events.event import Event
from synapse.events.policy import POLICY_SLOT, is_exempt, policy_of
from synapse.rooms.room import Room


class Approvals(Protocol):
    """Who asks policy servers: `synapse.federation.policy_servers.PolicyServers`."""

    async def approve(self, room: Room, event: Event) -> Event:
        """The event, signed by the room's policy server if it has one that concerns the event.

        Raises a `MatrixError`, for a client to see, if that server doesn't sign it.
        """
        ...


def is_asked(room: Room, type: str, state_key: str | None) -> bool:
    """Whether a room, whose policy is known, seems to want another server's word on an event."""
    return not is_exempt(type, state_key) and policy_of(room.current(POLICY_SLOT)) is not None
