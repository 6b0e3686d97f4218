"""`LimitedTransport`: requests to servers that can't be reached fail at once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from synapse.federation.backoff import Backoffs, is_out_of_reach
from synapse.federation.errors import RemoteError
from synapse.federation.wire import MEBIBYTE, Transport
from synapse.http.client.errors import RequestFailed, Step


class LimitedTransport:
    """A `Transport` that knows which servers are to be left alone, and learns it."""

    def __init__(
        self, transport: Transport, backoffs: Backoffs, *, is_urgent: bool = False
    ) -> None:
        """`is_urgent`: try also those; somebody waits for just this server."""
        self._transport = transport
        self._backoffs = backoffs
        self._is_urgent = is_urgent

    async def request(
        self,
        destination: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | Sequence[str]] | None = None,
        json: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        timeout_s: float | None = None,
        max_bytes: int = 10 * MEBIBYTE,
        decode: Callable[[bytes], Any] | None = None,
    ) -> Any:
        """The JSON of the answer. Raises `RequestFailed` and `RemoteError`."""
        wait_ms = 0 if self._is_urgent else self._backoffs.wait_ms(destination)
        if wait_ms:
            failure = RequestFailed(
                Step.BLOCKED, f"it could not be reached lately; tried again in {wait_ms // 1000} s"
            )
            failure.where = destination
            raise failure
        try:
            answer = await self._transport.request(
                destination,
                method,
                path,
                query=query,
                json=json,
                body=body,
                timeout_s=timeout_s,
                max_bytes=max_bytes,
                decode=decode,
            )
        except (RequestFailed, RemoteError) as error:
            if is_out_of_reach(error):
                self._backoffs.failed(destination)
            elif isinstance(error, RemoteError) and error.status < 500:
                self._backoffs.succeeded(destination)
            raise
        self._backoffs.succeeded(destination)
        return answer
