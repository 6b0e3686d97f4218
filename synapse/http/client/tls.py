"""The client's side of TLS: what is agreed upon, and whose certificate we believe.

Imported with the first https request: OpenSSL takes time to load and memory that a server without
TLS need not pay for.
"""

from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from OpenSSL import SSL
from service_identity import VerificationError
from service_identity.pyopenssl import verify_hostname, verify_ip_address
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import (
    IAddress,
    IOpenSSLClientConnectionCreator,
    IProtocolFactory,
)
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from synapse.http.client.connection import Connection
from synapse.http.client.errors import RequestFailed, Step
from synapse.http.client.trust import Trust
from synapse.http.client.urls import is_ip

_VERSIONS = {
    "1": SSL.TLS1_VERSION,
    "1.1": SSL.TLS1_1_VERSION,
    "1.2": SSL.TLS1_2_VERSION,
    "1.3": SSL.TLS1_3_VERSION,
}
_ALPN = [b"http/1.1"]

# OpenSSL's reasons (X509_V_ERR_…) that administrators meet.
_REASONS = {
    7: "its signature is wrong",
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed",
    19: "its chain ends in a self-signed certificate that is not trusted",
    20: "it was issued by an authority that is not trusted, or its chain is incomplete",
    21: "its chain is incomplete",
    23: "it was revoked",
}


# Whom a session's verification is about. (Its "app data" is Twisted's.)
_PEERS: "WeakValueDictionary[SSL.Connection, _Peer]" = WeakValueDictionary()


class TlsClient:
    """Puts TLS on connections. Reading the authorities takes long, so that is done once."""

    def __init__(self, reactor: Any, trust: Trust) -> None:
        self._reactor = reactor
        self._trust = trust
        self._contexts: dict[bool, SSL.Context] = {}

    async def secure(self, lower: Connection, name: str, *, verify: bool) -> Connection:
        """A connection above `lower`, to the server that proves to be `name`.

        Raises `RequestFailed` (TLS, CERTIFICATE). Nothing was sent before the proof."""
        peer = _Peer(self._context(verify), name)
        upper = Connection()
        factory = TLSMemoryBIOFactory(peer, True, _Above(upper), self._reactor)  # type: ignore[arg-type]
        lower.carry(factory.buildProtocol(None))
        try:
            await upper.agreed()
            if verify:
                _verify_name(peer.session, name)
        except (RequestFailed, CancelledError):
            upper.abort()
            raise
        except Exception as error:
            upper.abort()
            raise peer.explain(error) from None
        return upper

    def _context(self, verify: bool) -> SSL.Context:
        context = self._contexts.get(verify)
        if context is None:
            context = self._contexts[verify] = _new_context(self._trust, verify)
        return context


def _new_context(trust: Trust, verify: bool) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(_VERSIONS[trust.minimum_version])
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_alpn_protos(_ALPN)
    if not verify:
        context.set_verify(SSL.VERIFY_NONE, lambda *_: True)
        return context
    context.set_verify(SSL.VERIFY_PEER, _note_reason)
    if not trust.authorities:
        context.set_default_verify_paths()
    for path in trust.authorities:
        try:
            context.load_verify_locations(path)
        except SSL.Error:
            text = f"{path} can't be read, or holds no certificate in PEM"
            raise RequestFailed(Step.TLS, text) from None
    return context


def _note_reason(session: SSL.Connection, _: Any, error: int, depth: int, ok: int) -> bool:
    peer = _PEERS.get(session)
    if not ok and peer is not None:
        peer.reason = _REASONS.get(error, f"OpenSSL's verification error {error}")
    return bool(ok)


@implementer(IOpenSSLClientConnectionCreator)
class _Peer:
    """The server at the other end of one session, as it has to prove itself."""

    def __init__(self, context: SSL.Context, name: str) -> None:
        self.session = SSL.Connection(context, None)
        self.session.set_connect_state()
        self.reason: str | None = None
        _PEERS[self.session] = self
        self._name = name
        if not is_ip(name):  # RFC 6066, section 3: no addresses in SNI
            self.session.set_tlsext_host_name(name.rstrip(".").encode("ascii"))

    def clientConnectionForTLS(self, protocol: object) -> SSL.Connection:
        return self.session

    def explain(self, error: Exception) -> RequestFailed:
        if self.reason is not None:
            text = f"of {self._name} is not accepted: {self.reason}"
            return RequestFailed(Step.CERTIFICATE, text)
        return RequestFailed(Step.TLS, f"no agreement with {self._name}: {_reason_of(error)}")


def _reason_of(error: Exception) -> str:
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list):
        # [(library, function, reason), …]
        return "; ".join(str(entry[-1]) for entry in error.args[0]) or "OpenSSL doesn't say why"
    return Failure(error).getErrorMessage().rstrip(".")


def _verify_name(session: SSL.Connection, name: str) -> None:
    check: Callable[[SSL.Connection, str], None]
    check = verify_ip_address if is_ip(name) else verify_hostname
    try:
        check(session, name.rstrip("."))
    except VerificationError:
        text = f"is valid, but not for {name}: {_names_of(session)}"
        raise RequestFailed(Step.CERTIFICATE, text) from None
    except Exception as error:  # what service_identity makes of a certificate it can't read
        text = f"of {name} can't be understood: {error}"
        raise RequestFailed(Step.CERTIFICATE, text) from None


def _names_of(session: SSL.Connection) -> str:
    from cryptography import x509

    certificate = session.get_peer_certificate()
    if certificate is None:
        return "there is none"
    try:
        extension = certificate.to_cryptography().extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except (x509.ExtensionNotFound, ValueError):
        return "it names nobody"
    names = [str(name.value) for name in extension.value]
    shown = ", ".join(names[:5])
    return f"it is for {shown}{' and others' if len(names) > 5 else ''}"


@implementer(IProtocolFactory)
class _Above(Factory):
    """Makes the one protocol that stands on a session."""

    noisy = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        return self._connection
