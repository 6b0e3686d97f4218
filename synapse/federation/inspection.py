"""Inspecting the way to a homeserver, step by step, for whoever wonders why it can't be reached.

The steps are those of every request of ours (server-server API, "Resolving server names"): name,
`.well-known`, SRV, then for each address TCP, TLS and the certificate; then what the server
answers: its version, its keys, and whether it accepts a signature of ours. To do that it has to
fetch our keys, so the last step also shows that the way back is open.
"""

import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from socket import create_connection
from typing import Any

from synapse.api.identifiers import is_server_name
from synapse.crypto.server_keys import InvalidDocument, read_document
from synapse.federation.errors import RemoteError
from synapse.federation.transport import FederationTransport
from synapse.http.client.client import HttpClient
from synapse.http.client.deadline import bounded
from synapse.http.client.errors import Progress, RequestFailed
from synapse.http.client.message import Message
from synapse.http.discovery.addresses import ServerAddress, parse_server_name
from synapse.http.discovery.discovery import Discovery
from synapse.http.discovery.srv import SrvTargets
from synapse.http.discovery.well_known import WellKnown
from synapse.util import base64
from synapse.util.clock import Clock, ReactorTime

_TIMEOUT_S = 20.0
_MAX_BYTES = 256 * 1024


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
        await self._find(server)
        try:
            addresses = await self._discovery.addresses(server)
        except RequestFailed as failure:
            self._fault("address", str(failure))
            return
        for address in addresses:
            await self._inspect(server, address)

    async def ask_signed(self, server: str) -> None:
        """Whether the server accepts our signature."""
        step = "signature"
        path = "/_matrix/federation/v1/query/directory"
        query = {"room_alias": f"#synapse_federation_check:{server}"}
        try:
            await self._transport.request(server, "GET", path, query=query, timeout_s=_TIMEOUT_S)
        except RequestFailed as failure:
            self._fault(step, str(failure))
            return
        except RemoteError as error:
            if error.status != 404:
                self._fault(step, f"{error}: it could not or would not verify our signature")
                return
        self._note(step, f"{server} accepts requests that we sign, so it reached us for our keys")

    async def _find(self, server: str) -> None:
        name = parse_server_name(server)
        if name.is_literal or name.port is not None:
            self._note("name", f"{server} says its address itself: neither .well-known nor SRV")
            return
        delegate = await self._well_known.delegate_of(name.host)
        if delegate is None:
            self._note(".well-known", f"https://{name.host} delegates to nobody")
        else:
            self._note(".well-known", f"https://{name.host} delegates to {delegate}")
            name = parse_server_name(delegate)
            if name.is_literal or name.port is not None:
                return
        try:
            targets = await self._srv.targets(name.host)
        except RequestFailed as failure:
            self._fault("SRV", str(failure))
            return
        found = ", ".join(f"{target.host}:{target.port}" for target in targets)
        self._note("SRV", f"{name.host} points to {found}" if found else f"{name.host} has none")

    async def _inspect(self, server: str, address: ServerAddress) -> None:
        where = f"{address.host}:{address.port}"
        version = await self._get(server, address, "/_matrix/federation/v1/version")
        if version is None:
            return
        software = version.get("server") if isinstance(version, dict) else None
        if isinstance(software, dict):
            self._note("HTTP", f"{where} is {software.get('name')} {software.get('version')}")
        else:
            self._fault("HTTP", f"{where} doesn't tell its version")
        document = await self._get(server, address, "/_matrix/key/v2/server")
        if document is not None:
            self._judge_keys(server, document)
            self._judge_certificate(address, document)

    async def _get(self, server: str, address: ServerAddress, path: str) -> Any:
        """The JSON at a path, over the way that requests to the server take; None: a fault."""
        message = Message("GET", path, address.host_header, (), b"", _MAX_BYTES)
        progress = Progress()
        work = self._client.send(self._transport.route(server, address), message, progress)
        try:
            answer = await bounded(self._reactor, _TIMEOUT_S, progress, work)
            if not answer.is_success:
                self._fault("HTTP", f"{address.host}:{address.port} answers {answer.status}")
                return None
            return answer.json()
        except RequestFailed as failure:
            self._fault(failure.step.value, str(failure))
            return None

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
            self._fault("keys", f"{names}: they are no longer valid")
        else:
            self._note("keys", f"{names}, valid for {left_h:.0f} hours")

    def _judge_certificate(self, address: ServerAddress, document: Any) -> None:
        """The certificate's fingerprint, held against those that the server publishes."""
        fingerprint = certificate_fingerprint(address)
        if fingerprint is None:
            return
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


def certificate_fingerprint(address: ServerAddress) -> bytes | None:
    """SHA-256 of the certificate at an address; None if there is no contact. Blocks."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # whoever it is, this is about what is shown
    try:
        with (
            create_connection((address.host, address.port), timeout=_TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=address.tls_name) as secure,
        ):
            certificate = secure.getpeercert(binary_form=True)
    except OSError:
        return None
    return None if certificate is None else sha256(certificate).digest()


def _published_fingerprints(document: Any) -> Iterator[str]:
    fingerprints = document.get("tls_fingerprints") if isinstance(document, dict) else None
    if isinstance(fingerprints, Sequence):
        for entry in fingerprints:
            if isinstance(entry, dict) and isinstance(entry.get("sha256"), str):
                yield entry["sha256"]
