"""Certificates of the listeners that speak TLS."""

from dataclasses import dataclass

from synapse.config.kinds import BOOLEAN, FilePath
from synapse.config.options import option


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """TLS"""

    tls_certificate_path: str | None = option(
        FilePath('"/etc/ssl/matrix.crt"'),
        None,
        "The certificate of listeners with tls: true, with its chain, in PEM. Replace the file and "
        "send SIGHUP to take up a new one.",
    )
    tls_private_key_path: str | None = option(
        FilePath('"/etc/ssl/matrix.key"'), None, "The certificate's private key, in PEM."
    )
    tls_dh_params_path: str | None = option(
        FilePath('"/etc/ssl/matrix.dh"'),
        None,
        "Diffie-Hellman parameters in PEM, for old clients that don't know elliptic curves.",
    )
    no_tls: bool = option(
        BOOLEAN, False, "Leave out all listeners with tls: true, for use behind a reverse proxy."
    )
