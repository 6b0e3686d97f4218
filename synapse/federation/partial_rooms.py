"""What we can't answer other servers about a room of which we don't know the members yet."""

from synapse.api.errors import MatrixError
from synapse.rooms.room import Room

# How long another server's user waits for what we are about to learn.
PATIENCE_S = 20.0


class UnableDueToPartialState(MatrixError):
    """404 `M_UNABLE_DUE_TO_PARTIAL_STATE` (MSC3895): another server of the room knows better."""

    def __init__(self, room: Room) -> None:
        super().__init__(
            404,
            "M_UNABLE_DUE_TO_PARTIAL_STATE",
            f"This server doesn't know all members of {room.room_id} yet",
        )


def check_whole(room: Room) -> None:
    """Raises `UnableDueToPartialState`."""
    if room.is_partial:
        raise UnableDueToPartialState(room)
