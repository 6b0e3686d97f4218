"""What the server itself tells its users."""

from synapse.app.parts.access import Access
from synapse.app.parts.entering import Entering
from synapse.app.parts.ground import Ground
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.handlers.notices_rooms import NoticesRooms
from synapse.handlers.server_notices import ServerNotices


def server_notices(
    ground: Ground,
    stores: Stores,
    streams: Streams,
    rooms: Rooms,
    access: Access,
    entering: Entering,
) -> ServerNotices:
    config = ground.config
    server_name = ground.server_name
    notices_rooms = None
    if config.server_notices is not None:
        notices_rooms = NoticesRooms(
            stores.server_notices,
            stores.users,
            stores.profiles,
            streams.account_data_store,
            entering.memberships,
            rooms.cache,
            rooms.writer,
            ground.clock,
            config.server_notices,
            room_version=config.rooms.default_room_version,
            server_name=server_name,
        )
    return ServerNotices(
        access.notices_user,
        notices_rooms,
        stores.users,
        rooms.writer,
        rooms.transactions,
        server_name=server_name,
    )
