"""The ground that all parts stand on."""

from dataclasses import dataclass

from synapse.config.homeserver import HomeserverConfig
from synapse.crypto.signing import SigningKey
from synapse.storage.database import Database
from synapse.util.background import Background
from synapse.util.clock import Clock


@dataclass(frozen=True, slots=True)
class Ground:
    """What a part needs besides earlier parts."""

    config: HomeserverConfig
    database: Database
    clock: Clock
    background: Background
    key: SigningKey  # signs in this server's name

    @property
    def server_name(self) -> str:
        return self.config.server.server_name
