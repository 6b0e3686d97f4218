"""The whole configuration of a homeserver."""

from dataclasses import dataclass

from synapse.config.caches import CachesConfig
from synapse.config.database import DatabaseConfig
from synapse.config.federation import FederationConfig
from synapse.config.keys import KeysConfig
from synapse.config.listeners import ListenerConfig, Listeners
from synapse.config.logs import LoggingConfig
from synapse.config.metrics import MetricsConfig
from synapse.config.options import Section, option, section
from synapse.config.outbound import OutboundConfig
from synapse.config.passwords import PasswordConfig, UiAuthConfig
from synapse.config.presence import PresenceConfig
from synapse.config.ratelimiting import RateLimitsConfig
from synapse.config.registration import RegistrationConfig
from synapse.config.retention import RetentionConfig, RetentionSection
from synapse.config.rooms import RoomsConfig
from synapse.config.search import SearchConfig
from synapse.config.server import ServerConfig
from synapse.config.server_notices import ServerNoticesConfig
from synapse.config.tls import TlsConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeserverConfig:
    """All of `homeserver.yaml`, section by section."""

    server: ServerConfig
    listeners: tuple[ListenerConfig, ...] = option(
        Listeners(), (), "The ports and sockets that the server listens on."
    )
    tls: TlsConfig = section(TlsConfig)
    database: DatabaseConfig = option(
        Section(DatabaseConfig), DatabaseConfig(), "Where everything is kept."
    )
    logging: LoggingConfig = section(LoggingConfig)
    caches: CachesConfig = section(CachesConfig)
    registration: RegistrationConfig = section(RegistrationConfig)
    passwords: PasswordConfig = option(
        Section(PasswordConfig), PasswordConfig(), "Passwords.", key="password_config"
    )
    ui_auth: UiAuthConfig = option(
        Section(UiAuthConfig), UiAuthConfig(), "Confirming dangerous actions."
    )
    rate_limits: RateLimitsConfig = section(RateLimitsConfig)
    rooms: RoomsConfig = section(RoomsConfig)
    search: SearchConfig = section(SearchConfig)
    presence: PresenceConfig = option(Section(PresenceConfig), PresenceConfig(), "Who is online.")
    retention: RetentionConfig = option(
        RetentionSection(RetentionConfig), RetentionConfig(), "Deleting old messages."
    )
    server_notices: ServerNoticesConfig | None = option(
        Section(ServerNoticesConfig), None, "Messages of the server itself to its users."
    )
    keys: KeysConfig = section(KeysConfig)
    outbound: OutboundConfig = section(OutboundConfig)
    federation: FederationConfig = section(FederationConfig)
    metrics: MetricsConfig = section(MetricsConfig)
