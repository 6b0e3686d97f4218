"""A self-signed certificate, so that TLS works from the start."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEARS = 10
# Clocks of clients may be behind ours.
_BACKDATED = datetime.timedelta(days=1)
_LONGEST_COMMON_NAME = 64
_LOCAL_ADDRESSES = ("127.0.0.1", "::1")


def new_private_key() -> str:
    """A private key in PEM."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def self_signed(host: str, private_key: str) -> str:
    """A certificate in PEM for `host`, and for this machine by its local names.

    Raises `ValueError` if the key isn't one of RSA or elliptic curves, unencrypted and in PEM.
    """
    try:
        key = serialization.load_pem_private_key(private_key.encode(), password=None)
    except (TypeError, UnsupportedAlgorithm) as error:  # encrypted; of an unknown kind
        raise ValueError(str(error)) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("it is neither an RSA nor an elliptic curve key")
    name = _subject(host)
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _BACKDATED,
        not_valid_after=_years_later(now),
    )
    for extension in _extensions(host, key.public_key()):
        is_critical = isinstance(extension, x509.BasicConstraints)
        builder = builder.add_extension(extension, critical=is_critical)
    certificate = builder.sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _subject(host: str) -> x509.Name:
    common_name = host if len(host) <= _LONGEST_COMMON_NAME else "Matrix homeserver"
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _years_later(now: datetime.datetime) -> datetime.datetime:
    try:
        return now.replace(year=now.year + _YEARS)
    except ValueError:  # 29 February
        return now.replace(year=now.year + _YEARS, day=28)


def _extensions(
    host: str, public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
) -> list[x509.ExtensionType]:
    names: list[x509.GeneralName] = []
    for name in (host, "localhost", *_LOCAL_ADDRESSES):
        general = _general_name(name)
        if general not in names:
            names.append(general)
    return [
        x509.SubjectAlternativeName(names),
        x509.BasicConstraints(ca=False, path_length=None),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        x509.SubjectKeyIdentifier.from_public_key(public_key),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key),
    ]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
