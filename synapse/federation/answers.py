"""What becomes of other servers' answers when a client waits for them.

An error that another server gives for a reason that concerns the client (there is no such thing, it
doesn't tell) is the client's error, too. All else is 502 `M_UNKNOWN`, or 504 if it took too long:
what is wrong is not the client's request, nor this server. The log says which step failed.
"""

import logging
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from synapse.api.errors import Forbidden, LimitExceeded, MatrixError, NotFound
from synapse.federation.errors import RemoteError
from synapse.federation.wire import Transport
from synapse.http.client.errors import RequestFailed, Step
from synapse.util.caches import Cache
from synapse.util.clock import Clock
from synapse.util.shared import Shared

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# Clients don't wait much longer.
_TIMEOUT_S = 10.0
_MAX_BYTES = 1024 * 1024
_MAX_WAIT_MS = 60_000
# Errors are forgotten sooner.
_ERROR_LIFETIME_S = 10.0


class BadAnswer(MatrixError):
    """502 `M_UNKNOWN`: another server's answer is not one."""

    def __init__(self, server: str, what: str) -> None:
        logger.info("The answer of %s makes no sense: %s", server, what)
        super().__init__(
            502, "M_UNKNOWN", f"The server {server} gave an answer that makes no sense"
        )


async def ask(
    transport: Transport,
    server: str,
    method: str,
    path: str,
    *,
    max_bytes: int = _MAX_BYTES,
    **options: Any,
) -> dict[str, Any]:
    """The JSON object that a server answers for a client. Raises `MatrixError`."""
    try:
        answer = await transport.request(
            server, method, path, timeout_s=_TIMEOUT_S, max_bytes=max_bytes, **options
        )
    except (RequestFailed, RemoteError) as error:
        logger.info("%s %s: %s", method, path, error)
        raise error_for_client(server, error) from None
    if not isinstance(answer, dict):
        raise BadAnswer(server, "not an object")
    return answer


def error_for_client(server: str, error: RequestFailed | RemoteError) -> MatrixError:
    """What a client is told of a request to a server that failed."""
    if isinstance(error, RequestFailed):
        if error.step is Step.BLOCKED:
            return Forbidden(f"This server does not talk with {server}")
        if error.timed_out:
            return MatrixError(504, "M_UNKNOWN", f"The server {server} took too long to answer")
        return MatrixError(502, "M_UNKNOWN", f"The server {server} can't be reached")
    if error.status == 404:
        return NotFound(error.error)
    if error.status == 403:
        return Forbidden(error.error)
    if error.status == 429:
        return LimitExceeded(min(error.retry_after_ms or 1000, _MAX_WAIT_MS))
    return MatrixError(502, "M_UNKNOWN", f"The server {server} answered with an error")


class Remembered(Generic[K, V]):
    """What others said lately: asked for once by all who want it, and again when it is old."""

    def __init__(self, clock: Clock, *, size: int, lifetime_s: float) -> None:
        self._clock = clock
        self._lifetime_s = lifetime_s
        self._shared: Shared[K, V] = Shared()
        self._known: Cache[K, tuple[float, V | MatrixError]] = Cache(size)

    async def get(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """What `work` returns or, if it is a `MatrixError`, raises; or did not long ago."""
        known = self._known.get(key)
        if known is None or known[0] < self._clock.monotonic():
            return await self._shared.get(key, lambda: self._ask(key, work))
        if isinstance(known[1], MatrixError):
            error = known[1]
            raise MatrixError(error.status, error.errcode, error.message, **error.extra)
        return known[1]

    async def _ask(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        try:
            value = await work()
        except MatrixError as error:
            self._known[key] = (self._clock.monotonic() + _ERROR_LIFETIME_S, error)
            raise
        self._known[key] = (self._clock.monotonic() + self._lifetime_s, value)
        return value
