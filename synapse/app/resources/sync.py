"""Keeping up: both kinds of sync, and what was there before them."""

from synapse.app.parts.reading import Reading
from synapse.app.parts.settings import Settings
from synapse.app.parts.streams import Streams
from synapse.app.parts.syncing import Syncing
from synapse.config.homeserver import HomeserverConfig
from synapse.handlers.auth import Auth
from synapse.handlers.sliding_sync.handler import SlidingSync
from synapse.http.resource import Resource
from synapse.rest.client.sliding_sync import SlidingSyncResource
from synapse.rest.client.snapshots import EventAnywhere, Events, InitialSync, RoomInitialSync
from synapse.rest.client.sync import SyncResource


def sync_resources(
    config: HomeserverConfig,
    auth: Auth,
    streams: Streams,
    reading: Reading,
    settings: Settings,
    syncing: Syncing,
    sliding_sync: SlidingSync,
) -> list[Resource]:
    max_timeline_limit = config.server.filter_timeline_limit
    events = reading.client_events
    return [
        SyncResource(
            auth,
            settings.filters,
            syncing.sync,
            streams.presence,
            max_timeline_limit=max_timeline_limit,
        ),
        SlidingSyncResource(
            auth, sliding_sync, streams.presence, max_timeline_limit=max_timeline_limit
        ),
        InitialSync(auth, syncing.snapshots, events),
        RoomInitialSync(auth, syncing.snapshots, events),
        Events(auth, syncing.event_stream, events),
        EventAnywhere(auth, reading.timelines, events),
    ]
