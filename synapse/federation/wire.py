"""`Transport`: how other servers are asked, as those see it who ask."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from synapse.http.client.errors import RequestFailed, Step

MEBIBYTE = 1024 * 1024


class Transport(Protocol):
    """Signed requests: see `synapse.federation.transport.FederationTransport`."""

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
        """The JSON of the answer. Raises `RequestFailed` and `RemoteError`.

        `timeout_s` is for all of it; unless given, it is `client_timeout` of the configuration.
        `body` is what `json` says, as canonical JSON, for who has it at hand. `decode` reads the
        answer in the place of the JSON parser: for large ones.
        """
        ...


class Unconnected:
    """A `Transport` that reaches nobody, for a process that has no way out."""

    async def request(self, destination: str, method: str, path: str, **options: Any) -> Any:
        raise RequestFailed(Step.BLOCKED, f"this process doesn't connect to {destination}")
