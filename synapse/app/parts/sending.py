"""What users send to rooms: messages, state, and events that are to be sent later."""

from synapse.app.parts.entering import Entering
from synapse.app.parts.ground import Ground
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.handlers.delayed_events import DelayedEvents
from synapse.handlers.delayed_sending import DelayedSending
from synapse.handlers.guest_access import GuestAccess
from synapse.handlers.late_relatives import LateRelatives
from synapse.handlers.messages import Messages
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.related_events import RelatedEvents
from synapse.handlers.relation_rules import RelationRules
from synapse.handlers.state_events import StateEvents
from synapse.storage.stores.delayed_events import DelayedEventStore
from synapse.storage.stores.related_redactions import RelatedRedactionStore


class Sending:
    """One rate limit counts all that a user sends, at once or later."""

    def __init__(
        self, ground: Ground, stores: Stores, streams: Streams, rooms: Rooms, entering: Entering
    ) -> None:
        config, database, clock, background = (
            ground.config,
            ground.database,
            ground.clock,
            ground.background,
        )
        limits, server_name = config.rate_limits, ground.server_name
        messages_limit = RateLimiter(clock, limits.rc_message)
        redactions = limits.rc_admin_redaction
        related_redactions = RelatedRedactionStore(database)
        self.messages = Messages(
            rooms.cache,
            stores.events,
            rooms.writer,
            rooms.transactions,
            streams.presence,
            RelationRules(stores.relations, stores.events, rooms.cache),
            RelatedEvents(stores.relations, stores.events),
            related_redactions,
            messages_limit=messages_limit,
            moderation_limit=None if redactions is None else RateLimiter(clock, redactions),
            server_name=server_name,
        )
        late_relatives = LateRelatives(
            rooms.cache,
            stores.events,
            stores.names,
            related_redactions,
            self.messages,
            background,
            server_name=server_name,
        )
        rooms.announcer.listen(late_relatives.committed)
        self.state_events = StateEvents(
            rooms.cache,
            rooms.writer,
            entering.memberships,
            entering.aliases,
            GuestAccess(stores.members, rooms.writer, background),
            limit=messages_limit,
            server_name=server_name,
        )
        delayed_event_store = DelayedEventStore(database)
        self.delayed_sending = DelayedSending(
            delayed_event_store,
            rooms.cache,
            stores.users,
            self.messages,
            self.state_events,
            rooms.transactions,
            background,
            clock,
        )
        self.delayed_events = DelayedEvents(
            delayed_event_store,
            rooms.cache,
            self.delayed_sending,
            clock,
            max_delay_ms=config.rooms.max_event_delay_duration_ms,
            schedule_limit=messages_limit,
            manage_limit=RateLimiter(clock, limits.rc_delayed_event_mgmt),
        )
