"""What there is to tell of rooms, made once for both kinds of sync."""

from synapse.app.parts.ground import Ground
from synapse.app.parts.reading import Reading
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.handlers.sync.deltas import RoomDeltas
from synapse.handlers.sync.elsewhere import RoomsElsewhere
from synapse.handlers.sync.ephemeral import Ephemeral
from synapse.handlers.sync.own_timelines import OwnTimelines
from synapse.handlers.sync.unread import Unread
from synapse.handlers.sync.whole_rooms import WholeRooms


class RoomNews:
    """What moved in a room, what all of it is, what only one reader gets, and what is unread."""

    def __init__(
        self, ground: Ground, stores: Stores, streams: Streams, rooms: Rooms, reading: Reading
    ) -> None:
        clock = ground.clock
        self.deltas = RoomDeltas(stores.events, stores.states, stores.flips, rooms.retention, clock)
        self.whole_rooms = WholeRooms(
            rooms.cache,
            stores.events,
            stores.states,
            stores.flips,
            stores.members,
            stores.names,
            self.deltas,
            rooms.visibility,
            rooms.own_memberships,
            rooms.retention,
            clock,
        )
        self.own_timelines = OwnTimelines(
            stores.events, reading.aggregations, streams.ignored_users, clock
        )
        self.ephemeral = Ephemeral(streams.receipt_store, streams.recent_receipts, streams.typing)
        self.unread = Unread(rooms.listeners, stores.unread)
        self.elsewhere = RoomsElsewhere(
            rooms.cache,
            rooms.doorstep,
            stores.events,
            stores.states,
            self.deltas,
            rooms.visibility,
            self.own_timelines,
            streams.ignored_users,
            rooms.own_memberships,
            ground.config.rooms.room_prejoin_state,
        )
