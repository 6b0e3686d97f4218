"""What users read of rooms: timelines, state, and events with what relates to them."""

from synapse.app.parts.asking import Asking
from synapse.app.parts.ground import Ground
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.handlers.aggregations import Aggregations
from synapse.handlers.client_events import ClientEvents
from synapse.handlers.event_by_time import EventByTime
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.relations import Relations
from synapse.handlers.reports import Reports
from synapse.handlers.room_state import RoomState
from synapse.handlers.thread_views import ThreadViews
from synapse.handlers.timelines import Timelines
from synapse.storage.stores.reports import ReportStore


class Reading:
    """Finds what the reader may see (and may report), and renders it (`client_events`)."""

    def __init__(
        self, ground: Ground, stores: Stores, streams: Streams, rooms: Rooms, asking: Asking
    ) -> None:
        clock = ground.clock
        self.timelines = Timelines(
            rooms.cache,
            stores.events,
            stores.relations,
            rooms.states,
            rooms.visibility,
            rooms.wholeness,
            streams.ignored_users,
            rooms.history,
            asking.past,
            clock,
        )
        self.event_by_time = EventByTime(
            rooms.cache, stores.events, rooms.visibility, rooms.history, asking.jumps, clock
        )
        self.room_state = RoomState(
            rooms.cache,
            stores.rooms,
            stores.members,
            rooms.states,
            self.timelines,
            rooms.visibility,
            rooms.wholeness,
            clock,
            server_name=ground.server_name,
        )
        thread_views = ThreadViews(stores.relations, stores.events, rooms.visibility)
        self.relations = Relations(
            self.timelines,
            stores.relations,
            stores.events,
            rooms.cache,
            rooms.visibility,
            thread_views,
            streams.ignored_users,
        )
        self.aggregations = Aggregations(
            stores.relations,
            stores.events,
            rooms.cache,
            rooms.visibility,
            thread_views,
            streams.ignored_users,
            clock,
        )
        self.client_events = ClientEvents(
            stores.events, self.aggregations, rooms.own_memberships, clock
        )
        self.reports = Reports(
            ReportStore(ground.database),
            rooms.cache,
            self.timelines,
            rooms.visibility,
            clock,
            limit=RateLimiter(clock, ground.config.rate_limits.rc_reports),
        )
