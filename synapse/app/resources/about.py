"""What the server tells about itself."""

from synapse.app.parts.users import Users
from synapse.config.homeserver import HomeserverConfig
from synapse.handlers.auth import Auth
from synapse.http.resource import Resource
from synapse.rest.admin.server_version import ServerVersion
from synapse.rest.client.capabilities import Capabilities
from synapse.rest.client.federation_whitelist import FederationWhitelist
from synapse.rest.client.retention import RetentionConfiguration
from synapse.rest.client.versions import Versions
from synapse.rest.web import Welcome
from synapse.rest.well_known import WellKnownClient, WellKnownServer, WellKnownSupport


def about_resources(config: HomeserverConfig, auth: Auth, users: Users) -> list[Resource]:
    max_event_delay_ms = config.rooms.max_event_delay_duration_ms
    return [
        Versions(delays_events=max_event_delay_ms is not None),
        Capabilities(
            auth,
            users.accounts,
            config.registration,
            config.rooms.default_room_version,
            forgets_rooms_on_leave=config.rooms.forget_rooms_on_leave,
            max_event_delay_ms=max_event_delay_ms,
        ),
        FederationWhitelist(auth, config.federation),
        RetentionConfiguration(auth, config.retention),
        ServerVersion(),
        WellKnownClient(config.server),
        WellKnownServer(config.server),
        WellKnownSupport(config.server),
        Welcome(config.server),
    ]
