"""Inspecting the way to a homeserver, step by step, for whoever wonders why it can't be reached.

The steps are those of every request of ours (server-server API, "Resolving server names"): name,
`.well-known`, SRV, then for each address TCP, TLS and the certificate; then what the server
answers: its version, its keys, and whether it accepts a signature of ours. To do that it has to
fetch our keys, so the last step also shows that the way back is open.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from synapse.api.identifiers import is_server_name
from synapse.crypto.server_keys import InvalidDocument, read_document
from synapse.federation.errors import RemoteError
from synapse.federation.transport import FederationTransport
from synapse.http.client.answer import Answer
from synapse.http.client.client import HttpClient
from synapse.http.client.deadline import bounded
from synapse.http.client.errors import Progress, RequestFailed
from synapse.http.client.message import Message
from synapse.http.client.route import Route
from synapse.http.discovery.addresses import parse_server_name
from synapse.http.discovery.discovery import Discovery
from synapse.http.discovery.srv import SrvTargets
from synapse.http.discovery.well_known import WellKnown
from synapse.util import base64
from synapse.util.clock import Clock, ReactorTime

_TIMEOUT_S = 20.0
_MAX_BYTES = 256 * 1024
_VERSION = "/_matrix/federation/v1/version"
_KEYS = "/_matrix/key/v2/server"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a step."""

    step: str
    text: str
    is_fault: bool = False


class Inspection:
    """Walks the way to servers. `findings` is all that was found, in order."""

    def __init__(
        self,
        client: HttpClient,
        well_known: WellKnown,
        srv: SrvTargets,
        discovery: Discovery,
        transport: FederationTransport,
        clock: Clock,
        reactor: ReactorTime,
    ) -> None:
        self._reactor = reactor
        self._client = client
        self._well_known = well_known
        self._srv = srv
        self._discovery = discovery
        self._transport = transport
        self._clock = clock
        self.findings: list[Finding] = []

    async def walk_to(self, server: str) -> None:
        """Everything up to the server's keys; for a server of any name, ours too."""
        if not is_server_name(server):
            self._fault("name", f"{server[:255]!r} is not a server's name")
            return
        try:
            await self._tell_how_it_is_found(server)
            addresses = await self._discovery.addresses(server)
        except RequestFailed as failure:
            self._fault("SRV", failure.reason)
            return
        for address in addresses:
            await self._inspect(self._transport.route(server, address), server, address.host_header)

    async def ask_signed(self, server: str) -> None:
        """Whether the server accepts our signature."""
        path = "/_matrix/federation/v1/query/directory"
        query = {"room_alias": f"#synapse_federation_check:{server}"}
        try:
            await self._transport.request(server, "GET", path, query=query, timeout_s=_TIMEOUT_S)
        except RequestFailed as failure:
            self._failed(failure, server)
            return
        except RemoteError as error:
            if error.status in (401, 403):
                reason = "it could not or would not verify our signature"
                self._fault("signature", f"{error}: {reason}")
                return
            # Otherwise there is no such alias, as expected.
            if (error.status, error.errcode) != (404, "M_NOT_FOUND"):
                self._fault("HTTP", f"{error} (asked with our signature)")
                return
        text = f"{server} accepts requests that we sign: it reached us for our keys, now or earlier"
        self._note("signature", text)

    async def _tell_how_it_is_found(self, server: str) -> None:
        """Note what `Discovery` goes by. Raises `RequestFailed` (an SRV record's fault)."""
        name = parse_server_name(server)
        if name.is_literal or name.port is not None:
            self._note("name", f"{server} says its address itself: neither .well-known nor SRV")
            return
        told = await self._well_known.delegation_of(name.host)
        whom = told.delegate or "nobody"
        why = f" ({told.problem})" if told.problem else ""
        self._note(".well-known", f"https://{name.host} delegates to {whom}{why}")
        if told.delegate is not None:
            name = parse_server_name(told.delegate)
            if name.is_literal or name.port is not None:
                return
        targets = await self._srv.targets(name.host)
        found = ", ".join(f"{target.host}:{target.port}" for target in targets)
        self._note("SRV", f"{name.host} points to {found}" if found else f"{name.host} has none")

    async def _inspect(self, route: Route, server: str, host_header: str) -> None:
        """One of the server's addresses."""
        try:
            self._judge_version(route, await self._get(route, _VERSION, host_header))
            answer = await self._get(route, _KEYS, host_header)
            fingerprint = await self._fingerprint(route)
        except RequestFailed as failure:
            self._failed(failure, route.label)
            return
        document = self._judge_answer(route, _KEYS, answer)
        if document is not None:
            self._judge_keys(server, document)
            self._judge_certificate(fingerprint, document)

    async def _get(self, route: Route, path: str, host_header: str) -> Answer:
        message = Message("GET", path, host_header, (), b"", _MAX_BYTES)
        progress = Progress()
        work = self._client.send(route, message, progress)
        return await bounded(self._reactor, _TIMEOUT_S, progress, work)

    async def _fingerprint(self, route: Route) -> bytes:
        progress = Progress()
        work = self._client.certificate(route, progress)
        return sha256(await bounded(self._reactor, _TIMEOUT_S, progress, work)).digest()

    def _judge_answer(self, route: Route, path: str, answer: Answer) -> Any:
        """The JSON of an answer; None: a fault."""
        if not answer.is_success:
            self._fault("HTTP", f"{route.label} answers {answer.status} to {path}")
            return None
        try:
            return answer.json()
        except RequestFailed as failure:
            self._fault("HTTP", f"{route.label} answers {path} with {failure.reason}")
            return None

    def _judge_version(self, route: Route, answer: Answer) -> None:
        version = self._judge_answer(route, _VERSION, answer)
        if version is None:
            return
        software = version.get("server") if isinstance(version, dict) else None
        if not isinstance(software, dict):
            self._fault("HTTP", f"{route.label} doesn't tell its version")
            return
        name, number = _shown(software.get("name")), _shown(software.get("version"))
        self._note("HTTP", f"{route.label} is {name} {number}")

    def _judge_keys(self, server: str, document: Any) -> None:
        try:
            now_ms = self._clock.now_ms()
            keys = read_document(document, server, fetched_ms=now_ms, is_direct=True)
        except InvalidDocument as error:
            self._fault("keys", f"What it publishes is not valid: {error}")
            return
        current = [key_id for key_id, key in keys.keys.items() if key.expired_ms is None]
        left_h = (keys.valid_until_ms - now_ms) / 3_600_000
        names = ", ".join(sorted(current))
        if left_h <= 0:
            self._fault("keys", f"{names}: no longer valid")
        else:
            self._note("keys", f"{names}, valid for {left_h:.0f} hours")

    def _judge_certificate(self, fingerprint: bytes, document: Any) -> None:
        """The certificate's fingerprint, held against those that the server publishes."""
        shown = fingerprint.hex(":").upper()
        published = list(_published_fingerprints(document))
        if not published:
            self._note("certificate", f"SHA256 {shown}; no tls_fingerprints are published")
        elif base64.encode(fingerprint).decode() in published:
            self._note("certificate", f"SHA256 {shown}, as published in tls_fingerprints")
        else:
            # Usual behind a reverse proxy; only very old servers mind.
            self._note("certificate", f"SHA256 {shown}; tls_fingerprints name other ones")

    def _note(self, step: str, text: str) -> None:
        self.findings.append(Finding(step, text))

    def _fault(self, step: str, text: str) -> None:
        self.findings.append(Finding(step, text, is_fault=True))

    def _failed(self, failure: RequestFailed, where: str) -> None:
        self._fault(failure.step.value, f"{failure.reason} (at {where})")


def _shown(text: Any) -> str:
    """What another server says, fit for a terminal."""
    return "".join(c if c.isprintable() else "?" for c in str(text)[:100])


def _published_fingerprints(document: Any) -> Iterator[str]:
    fingerprints = document.get("tls_fingerprints") if isinstance(document, dict) else None
    if isinstance(fingerprints, list):
        for entry in fingerprints:
            if isinstance(entry, dict) and isinstance(entry.get("sha256"), str):
                yield entry["sha256"]
