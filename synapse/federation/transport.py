"""`FederationTransport`: one signed request to another homeserver.

It finds the server, goes through its addresses until one can be talked to, signs, and parses. It
remembers nothing of how a destination fared: whoever backs off from destinations that fail wraps
`request`, and tells by its errors what happened (see `synapse.federation.errors`).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from synapse.crypto.signing import SigningKey
from synapse.federation.authentication import authorization
from synapse.federation.errors import RemoteError, error_of
from synapse.federation.partners import Partners
from synapse.http.client.answer import Answer
from synapse.http.client.client import HttpClient
from synapse.http.client.deadline import bounded
from synapse.http.client.errors import Progress, RequestFailed, Step
from synapse.http.client.message import Message
from synapse.http.client.route import Route
from synapse.http.discovery.addresses import ServerAddress, parse_server_name
from synapse.http.discovery.discovery import Discovery
from synapse.util import canonicaljson
from synapse.util.clock import ReactorTime

Query = Mapping[str, str | Sequence[str]]

MEBIBYTE = 1024 * 1024
_POLICY = "/_matrix/policy/"
# Of one server; the rest of a long list would only be time spent.
_MOST_ADDRESSES = 5
# The request had not been written yet when these failed: another address may be tried.
_BEFORE_WRITING = frozenset(
    {Step.DNS, Step.BLOCKED, Step.TCP, Step.PROXY, Step.TLS, Step.CERTIFICATE}
)


class FederationTransport:
    """Sends requests in this server's name."""

    def __init__(
        self,
        client: HttpClient,
        discovery: Discovery,
        partners: Partners,
        reactor: ReactorTime,
        *,
        server_name: str,
        key: SigningKey,
        timeout_s: float,
    ) -> None:
        """`timeout_s` is for requests that don't say how long they may take."""
        self._client = client
        self._discovery = discovery
        self._partners = partners
        self._reactor = reactor
        self._server_name = server_name
        self._key = key
        self._timeout_s = timeout_s
        # For the metrics: by method, and by what came of it.
        self.requests: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))

    async def request(
        self,
        destination: str,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        json: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        timeout_s: float | None = None,
        max_bytes: int = 10 * MEBIBYTE,
        decode: Callable[[bytes], Any] | None = None,
    ) -> Any:
        """The JSON that `destination` answers. `path` is percent-encoded: see `path_to`. `body` is
        sent instead of `json`, and is canonical JSON.

        `decode` reads the body in the place of the JSON parser.
        Raises `RequestFailed` if there is no answer that can be used, and `RemoteError` if the
        answer is an error. `timeout_s` is for all of it, finding the server too."""
        self.requests[method] += 1
        refusal = self._refusal(destination, path)
        if refusal is not None:
            self.outcomes[_outcome(Step.BLOCKED)] += 1
            raise RequestFailed(Step.BLOCKED, refusal)
        try:
            answer = await self._request(
                destination,
                method,
                f"{path}?{urlencode(query, doseq=True)}" if query else path,
                body if json is None else _canonical(json),
                self._timeout_s if timeout_s is None else timeout_s,
                max_bytes,
            )
            if not answer.is_success:
                raise error_of(destination, answer)
            value = answer.json() if decode is None else decode(answer.body)
        except RequestFailed as failure:
            self.outcomes["timeout" if failure.timed_out else _outcome(failure.step)] += 1
            failure.where = destination
            raise
        except RemoteError:
            self.outcomes["error"] += 1
            raise
        self.outcomes["success"] += 1
        return value

    def _refusal(self, destination: str, path: str) -> str | None:
        # A policy server may stand behind our own name.
        is_ours = destination == self._server_name and path.startswith(_POLICY)
        return None if is_ours else self._partners.refusal(destination)

    async def _request(
        self,
        destination: str,
        method: str,
        uri: str,
        body: bytes | None,
        timeout_s: float,
        max_bytes: int,
    ) -> Answer:
        progress = Progress()
        progress.now(Step.DNS, f"finding out where {destination} is")
        work = self._ask(destination, method, uri, body, max_bytes, progress)
        return await bounded(self._reactor, timeout_s, progress, work)

    async def _ask(
        self,
        destination: str,
        method: str,
        uri: str,
        body: bytes | None,
        max_bytes: int,
        progress: Progress,
    ) -> Answer:
        signature = authorization(
            self._key,
            method=method,
            uri=uri,
            origin=self._server_name,
            destination=destination,
            content=body,
        )
        headers = [("Authorization", signature)]
        if body is not None:
            headers.append(("Content-Type", "application/json"))
        addresses = (await self._discovery.addresses(destination))[:_MOST_ADDRESSES]
        for number, address in enumerate(addresses, start=1):
            try:
                message = Message(method, uri, address.host_header, headers, body or b"", max_bytes)
                return await self._client.send(self.route(destination, address), message, progress)
            except RequestFailed as failure:
                if failure.step not in _BEFORE_WRITING or number == len(addresses):
                    raise
        raise AssertionError("a server has at least one address")

    def route(self, destination: str, address: ServerAddress) -> Route:
        """The way to one of a server's addresses."""
        is_exempt = self._client.trust.is_exempt
        return Route(
            address.host,
            address.port,
            tls_name=address.tls_name,
            # Who is believed without proof is believed whom it delegates to.
            verify=not (
                is_exempt(address.tls_name) or is_exempt(parse_server_name(destination).host)
            ),
            proxy=self._client.proxies.for_("https", address.host, address.port),
        )


def _outcome(step: Step) -> str:
    return step.name.lower()


# What comes of requests: an answer, one that is an error, no answer in time; else the step at which
# they failed.
OUTCOMES = ("success", "error", "timeout", *map(_outcome, Step))


def path_to(prefix: str, *segments: str) -> str:
    """A path below `prefix`: `path_to("/_matrix/federation/v1/event", event_id)`."""
    return "/".join([prefix, *(quote(segment, safe="") for segment in segments)])


def _canonical(json: Mapping[str, Any]) -> bytes:
    try:
        # Lax, since the events of old rooms may hold what canonical JSON forbids today.
        return canonicaljson.encode_lax(json)
    except canonicaljson.NotCanonical as error:
        reason = f"the content has no canonical JSON: {error}"
        raise RequestFailed(Step.REQUEST, reason) from None
