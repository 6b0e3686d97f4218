"""`ShortRetries`: what only one server can answer, and a client waits for, is asked again.

Not if the server was out of reach before: then one try shows whether it still is. Where another
server may help, that one is asked instead (`synapse.federation.attempts`), and what no client waits
for has the long pauses of the sender.
"""

from typing import Any

from synapse.config.federation import FederationRetries
from synapse.federation.backoff import Backoffs, is_out_of_reach
from synapse.federation.errors import RemoteError
from synapse.federation.wire import Transport
from synapse.http.client.errors import RequestFailed, Step
from synapse.util.clock import Clock

_FIRST_PAUSE_S = 0.5
# The same would come of it: what they found is no matter of moments.
_LASTING = frozenset({Step.DNS, Step.CERTIFICATE, Step.TOO_LARGE, Step.REDIRECT})


class ShortRetries:
    """A `Transport` that is as patient as the configuration says."""

    def __init__(
        self, transport: Transport, backoffs: Backoffs, clock: Clock, retries: FederationRetries
    ) -> None:
        self._transport = transport
        self._backoffs = backoffs
        self._clock = clock
        self._retries = retries

    async def request(
        self,
        destination: str,
        method: str,
        path: str,
        *,
        timeout_s: float | None = None,
        **options: Any,
    ) -> Any:
        """The JSON of the answer. Raises `RequestFailed` and `RemoteError`.

        `timeout_s` is for all tries.
        """
        was_away = self._backoffs.get(destination) is not None
        left = 0 if was_away else self._retries.max_short_retries
        if timeout_s is None:
            timeout_s = self._retries.client_timeout_ms / 1000
        end_s = self._clock.monotonic() + timeout_s
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return await self._transport.request(
                    destination,
                    method,
                    path,
                    timeout_s=end_s - self._clock.monotonic(),
                    **options,
                )
            except (RequestFailed, RemoteError) as error:
                pause_s = min(pause_s, self._retries.max_short_retry_delay_ms / 1000)
                has_time = self._clock.monotonic() + pause_s < end_s
                if not left or not has_time or not _may_pass(error):
                    raise
            await self._clock.sleep(pause_s)
            left -= 1
            pause_s *= 2


def _may_pass(error: RequestFailed | RemoteError) -> bool:
    if isinstance(error, RequestFailed) and (error.timed_out or error.step in _LASTING):
        return False
    return is_out_of_reach(error)
