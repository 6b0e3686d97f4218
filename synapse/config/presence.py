"""Whether and how users see who is online."""

from dataclasses import dataclass

from synapse.config.errors import ConfigError
from synapse.config.kinds import BOOLEAN, Duration, Kind
from synapse.config.options import option
from synapse.config.place import Place

_UNTRACKED = "untracked"


class _Enabled(Kind[str]):
    """A boolean, or `untracked`."""

    allowed = "true, false or untracked"
    example = "true"

    def parse(self, value: object, place: Place) -> str:
        if value == _UNTRACKED:
            return _UNTRACKED
        try:
            return "true" if BOOLEAN.parse(value, place) else "false"
        except ConfigError:
            raise place.wrong(value, self.allowed, self.example) from None

    def show(self, value: object) -> str:
        return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceConfig:
    """Presence"""

    enabled: str = option(
        _Enabled(),
        "true",
        "Whether users see who is online. With untracked, what clients do and say changes nobody's "
        "presence any more, and what was known before is still shown.",
    )
    include_offline_users_on_sync: bool = option(
        BOOLEAN,
        False,
        "Tell a client's first sync also of users who are offline, up to 10,000 of them.",
    )
    last_active_granularity_ms: int = option(
        Duration("1m"),
        60 * 1000,
        "For how long after having done something a user is currently active.",
        key="last_active_granularity",
    )
    sync_online_timeout_ms: int = option(
        Duration("30s"),
        30 * 1000,
        "How long after its last sync a client is taken for gone.",
        key="sync_online_timeout",
    )
    idle_timeout_ms: int = option(
        Duration("5m"),
        5 * 60 * 1000,
        "After how long without doing anything an online user becomes unavailable.",
        key="idle_timeout",
    )

    @property
    def is_shown(self) -> bool:
        return self.enabled != "false"

    @property
    def is_tracked(self) -> bool:
        return self.enabled == "true"
