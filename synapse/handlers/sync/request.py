"""What a client asks `/sync` for."""

from dataclasses import dataclass

from synapse.handlers.auth import Requester
from synapse.handlers.sync.filters import SyncFilter
from synapse.streams.tokens import SyncToken


@dataclass(frozen=True, slots=True)
class SyncRequest:
    requester: Requester
    filter: SyncFilter
    since: SyncToken | None  # None: everything, from nothing
    timeout_ms: int
    full_state: bool
    set_presence: str  # "online", "offline", "unavailable" or "busy"
