"""How clients keep up: `/sync`, and what was there before it."""

from synapse.app.parts.device_keys import DeviceKeys
from synapse.app.parts.entering import Entering
from synapse.app.parts.ground import Ground
from synapse.app.parts.reading import Reading
from synapse.app.parts.room_news import RoomNews
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.settings import Settings
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.handlers.event_stream import EventStream
from synapse.handlers.snapshots import Snapshots
from synapse.handlers.sync.handler import Sync
from synapse.handlers.sync.joined import JoinedRooms
from synapse.handlers.sync.lazy_members import LazyMembers
from synapse.handlers.sync.presence import PresenceInSync


class Syncing:
    """Sliding sync has a part of its own (`synapse.app.parts.sliding_sync`)."""

    def __init__(
        self,
        ground: Ground,
        stores: Stores,
        streams: Streams,
        rooms: Rooms,
        entering: Entering,
        reading: Reading,
        settings: Settings,
        news: RoomNews,
        device_keys: DeviceKeys,
    ) -> None:
        config, database, clock = ground.config, ground.database, ground.clock
        joined = JoinedRooms(
            rooms.cache,
            stores.rooms,
            stores.members,
            news.deltas,
            news.whole_rooms,
            news.own_timelines,
            news.ephemeral,
            news.unread,
            LazyMembers(),
            rooms.own_memberships,
            clock,
        )
        presence = PresenceInSync(
            streams.presence_changes,
            stores.presence,
            streams.followers,
            streams.serials,
            clock,
            config.presence,
        )
        self.sync = Sync(
            database,
            rooms.cache,
            stores.rooms,
            stores.members,
            streams.account_data_store,
            settings.push_rules,
            entering.invite_permission,
            streams.followers,
            streams.typing,
            joined,
            news.elsewhere,
            presence,
            device_keys.in_sync,
            streams.to_device,
            rooms.partial_store,
            clock,
            excluded_rooms=config.rooms.exclude_rooms_from_sync,
        )
        self.snapshots = Snapshots(
            database,
            rooms.cache,
            stores.rooms,
            stores.members,
            stores.events,
            stores.states,
            reading.timelines,
            reading.room_state,
            rooms.visibility,
            streams.account_data_store,
            settings.push_rules,
            streams.typing,
            rooms.partial_store,
        )
        self.event_stream = EventStream(
            database,
            rooms.cache,
            stores.rooms,
            stores.members,
            stores.events,
            reading.timelines,
            streams.followers,
            streams.typing,
            clock,
        )
