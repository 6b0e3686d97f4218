"""Sliding sync: windows on the same news of rooms."""

from synapse.app.parts.device_keys import DeviceKeys
from synapse.app.parts.entering import Entering
from synapse.app.parts.ground import Ground
from synapse.app.parts.room_news import RoomNews
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.settings import Settings
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.handlers.sliding_sync.connections import Connections
from synapse.handlers.sliding_sync.drafts import Drafts
from synapse.handlers.sliding_sync.extensions import Extensions
from synapse.handlers.sliding_sync.handler import SlidingSync
from synapse.handlers.sliding_sync.joined import JoinedViews
from synapse.handlers.sliding_sync.outside import OutsideViews
from synapse.handlers.sliding_sync.room_list import RoomLists
from synapse.handlers.sliding_sync.room_state import RequiredStates
from synapse.handlers.sliding_sync.windows import WindowFinder


def sliding_sync(
    ground: Ground,
    stores: Stores,
    streams: Streams,
    rooms: Rooms,
    entering: Entering,
    settings: Settings,
    news: RoomNews,
    device_keys: DeviceKeys,
) -> SlidingSync:
    clock = ground.clock
    states = RequiredStates(rooms.cache, stores.states)
    joined = JoinedViews(
        rooms.cache,
        stores.members,
        states,
        news.deltas,
        news.whole_rooms,
        news.unread,
        rooms.own_memberships,
        clock,
    )
    outside = OutsideViews(
        rooms.cache,
        stores.events,
        states,
        news.deltas,
        news.elsewhere,
        rooms.visibility,
        rooms.retention,
        joined,
    )
    room_lists = RoomLists(
        rooms.cache,
        stores.members,
        streams.account_data_store,
        entering.invite_permission,
        excluded_rooms=ground.config.rooms.exclude_rooms_from_sync,
    )
    extensions = Extensions(
        streams.account_data_store,
        settings.push_rules,
        streams.receipt_store,
        news.ephemeral,
        settings.thread_subscriptions,
        device_keys.in_sync,
        streams.to_device,
    )
    return SlidingSync(
        ground.database,
        streams.followers,
        streams.typing,
        Connections(),
        room_lists,
        WindowFinder(stores.states),
        joined,
        outside,
        Drafts(news.own_timelines),
        news.ephemeral,
        extensions,
        device_keys.in_sync,
        clock,
    )
