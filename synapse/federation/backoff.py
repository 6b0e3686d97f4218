"""Back-off: servers that can't be reached are left alone for a while, and longer each time.

How long is in the database, so that a restart doesn't begin anew. A server that we hear of is tried
again at once: it is there.
"""

import logging
from collections.abc import Callable

from synapse.config.federation import FederationRetries
from synapse.federation.errors import RemoteError
from synapse.http.client.errors import RequestFailed, Step
from synapse.storage.stores.destinations import Backoff, DestinationStore
from synapse.util.background import Background
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

# A server that talks to us and can't be reached by us is not tried at each of its requests.
_HEARD_PAUSE_MS = 30_000
_OURS = frozenset({Step.REQUEST, Step.BLOCKED, Step.POOL})
_UNREACHED = frozenset({502, 503, 504})


class Backoffs:
    """The servers that can't be reached."""

    def __init__(
        self,
        store: DestinationStore,
        clock: Clock,
        background: Background,
        retries: FederationRetries,
    ) -> None:
        self._store = store
        self._clock = clock
        self._background = background
        self._retries = retries
        self._failing: dict[str, Backoff] = {}
        self._listeners: list[Callable[[str], object]] = []

    def listen(self, callback: Callable[[str], object]) -> None:
        """Tell of servers that may be tried earlier than it was said."""
        self._listeners.append(callback)

    def restore(self, server: str, backoff: Backoff) -> None:
        """Take up what was known before a restart."""
        self._failing.setdefault(server, backoff)

    def get(self, server: str) -> Backoff | None:
        return self._failing.get(server)

    def wait_ms(self, server: str) -> int:
        """For how long a server is to be left alone yet; 0: not at all."""
        backoff = self._failing.get(server)
        if backoff is None:
            return 0
        due_ms = backoff.last_failure_ms + backoff.retry_interval_ms
        return max(0, due_ms - self._clock.now_ms())

    def failed(self, server: str) -> None:
        """The server could not be reached."""
        now_ms = self._clock.now_ms()
        before = self._failing.get(server)
        retries = self._retries
        if before is None:
            backoff = Backoff(now_ms, now_ms, retries.destination_min_retry_interval_ms)
            logger.info("%s can't be reached; it is left alone for a while", server)
        elif self.wait_ms(server):
            return  # of several requests at once, the first one counts
        else:
            longer_ms = before.retry_interval_ms * retries.destination_retry_multiplier
            interval_ms = max(
                retries.destination_min_retry_interval_ms,
                min(longer_ms, retries.destination_max_retry_interval_ms),
            )
            backoff = Backoff(before.failing_since_ms, now_ms, interval_ms)
        self._remember(server, backoff)

    def succeeded(self, server: str) -> None:
        """The server answered."""
        if server in self._failing:
            self.forget(server)
            logger.info("%s can be reached again", server)

    def heard_from(self, server: str) -> None:
        """The server has sent a request: it may be tried again."""
        backoff = self._failing.get(server)
        if backoff is None:
            self._tell(server)  # somebody may pause between two tries
        elif self.wait_ms(server) and (
            self._clock.now_ms() - backoff.last_failure_ms >= _HEARD_PAUSE_MS
        ):
            # The interval stays: if the server can't be reached now, it grows on.
            self._failing[server] = backoff._replace(
                last_failure_ms=self._clock.now_ms() - backoff.retry_interval_ms
            )
            self._tell(server)

    def forget(self, server: str) -> None:
        """Treat the server as one that was always reached."""
        self._failing.pop(server, None)
        self._remember(server, None)
        self._tell(server)

    def _tell(self, server: str) -> None:
        for listener in self._listeners:
            listener(server)

    def _remember(self, server: str, backoff: Backoff | None) -> None:
        if backoff is not None:
            self._failing[server] = backoff
        self._background.spawn("remember back-off", self._store.failed({server: backoff}))


def is_out_of_reach(error: RequestFailed | RemoteError) -> bool:
    """Whether an error says that a server can't be reached, for now."""
    if isinstance(error, RemoteError):
        return error.status in _UNREACHED
    return error.step not in _OURS
