"""Finding the room that a request is about."""

from synapse.api.errors import Forbidden, NotFound
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room


async def room_of_member(rooms: RoomCache, room_id: str) -> Room:
    """The room, for what only its members may do. Raises `Forbidden` if there is none.

    Who isn't in a room doesn't learn whether it exists.
    """
    try:
        return await rooms.get(room_id)
    except NotFound:
        raise not_in_room(room_id) from None


def not_in_room(room_id: str) -> Forbidden:
    return Forbidden(f"You are not in the room {room_id[:255]}")
