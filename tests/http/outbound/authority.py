"""A certificate authority of the tests' own."""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from synapse.http.client.urls import is_ip


@implementer(IOpenSSLServerConnectionCreator)
@dataclass
class Identity:
    """A server's side of TLS. `names_asked` are what clients wanted to talk to (SNI), `fingerprint`
    is the certificate's SHA-256."""

    context: SSL.Context
    fingerprint: bytes
    names_asked: list[bytes | None]

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        return SSL.Connection(self.context, None)


class Authority:
    """Issues certificates. `path` is its own, for those who trust it."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self.path = str(Path(self._directory.name, "authority.pem"))
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = f"Tests {x509.random_serial_number()}"
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = self._certificate(self._name, self._key.public_key(), 0, 1, is_authority=True)
        Path(self.path).write_bytes(
            crypto.dump_certificate(crypto.FILETYPE_PEM, crypto.X509.from_cryptography(certificate))
        )

    def close(self) -> None:
        self._directory.cleanup()

    def issue(
        self,
        *names: str,
        from_days: int = -1,
        to_days: int = 1,
        newest_tls: int = SSL.TLS1_3_VERSION,
    ) -> Identity:
        """An identity of these names or addresses, valid between two times."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a server")])
        certificate = self._certificate(subject, key.public_key(), from_days, to_days, names=names)
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate(crypto.X509.from_cryptography(certificate))
        context.use_privatekey(crypto.PKey.from_cryptography_key(key))
        context.set_max_proto_version(newest_tls)
        identity = Identity(context, certificate.fingerprint(hashes.SHA256()), [])
        context.set_tlsext_servername_callback(
            lambda connection: identity.names_asked.append(connection.get_servername())
        )
        return identity

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        from_days: int,
        to_days: int,
        *,
        names: tuple[str, ...] = (),
        is_authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=from_days, minutes=-1))
            .not_valid_after(now + timedelta(days=to_days))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        )
        if names:
            general = [
                x509.IPAddress(ip_address(name)) if is_ip(name) else x509.DNSName(name)
                for name in names
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
        return builder.sign(self._key, hashes.SHA256())
