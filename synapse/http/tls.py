"""TLS for listeners, with a certificate that can be replaced while the server runs."""

import logging
import os
from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

logger = logging.getLogger(__name__)

# What Mozilla's "intermediate" list leaves of TLS 1.2: forward secrecy and authenticated
# encryption. The suites of TLS 1.3 are all good.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL:!PSK:!DSS"


class TlsError(Exception):
    """The certificate or its key can't be used; the text says why."""


@implementer(IOpenSSLServerConnectionCreator)
class ReloadableTls:
    """Makes the server's side of TLS connections from a certificate chain and key in PEM files."""

    def __init__(
        self, certificate_path: str, key_path: str, dh_params_path: str | None = None
    ) -> None:
        """Without Diffie-Hellman parameters the DHE suites are not used. Raises `TlsError`."""
        self._certificate_path = certificate_path
        self._key_path = key_path
        self._dh_params_path = dh_params_path
        self._context = self._load()

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        return SSL.Connection(self._context, None)

    @property
    def fingerprint(self) -> bytes:
        """The SHA-256 hash of the certificate, without its chain, that connections show now."""
        certificate = SSL.Connection(self._context, None).get_certificate()
        assert certificate is not None, "a context without one isn't taken"
        return bytes.fromhex(certificate.digest("sha256").decode().replace(":", ""))

    def reload(self) -> bool:
        """Use the files as they are now for new connections; keep the old ones if they are bad."""
        try:
            self._context = self._load()
        except TlsError as error:
            logger.error("Still using the previous TLS certificate: %s", error)
            return False
        logger.info("Loaded the TLS certificate %s", self._certificate_path)
        return True

    def _load(self) -> SSL.Context:
        for path in (self._certificate_path, self._key_path):
            if not os.access(path, os.R_OK):
                raise TlsError(f"{path} can't be read")
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(
            SSL.OP_NO_COMPRESSION
            | SSL.OP_CIPHER_SERVER_PREFERENCE
            | SSL.OP_NO_RENEGOTIATION
            | SSL.OP_SINGLE_ECDH_USE
        )
        context.set_cipher_list(_CIPHERS)
        context.set_alpn_select_callback(_choose_protocol)
        try:
            context.use_certificate_chain_file(self._certificate_path)
        except SSL.Error:
            raise TlsError(f"{self._certificate_path} holds no certificate in PEM") from None
        try:
            context.use_privatekey_file(self._key_path)
            context.check_privatekey()
        except SSL.Error:
            raise TlsError(
                f"{self._key_path} is not the private key of {self._certificate_path}"
            ) from None
        if self._dh_params_path is not None:
            _load_dh_params(context, self._dh_params_path)
        return context


def _load_dh_params(context: SSL.Context, path: str) -> None:
    if not os.access(path, os.R_OK):
        raise TlsError(f"{path} can't be read")
    try:
        context.load_tmp_dh(path)
    except SSL.Error:
        raise TlsError(f"{path} holds no Diffie-Hellman parameters in PEM") from None


def _choose_protocol(connection: SSL.Connection, offered: list[bytes]) -> Any:
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS
