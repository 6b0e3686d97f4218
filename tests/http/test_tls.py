"""TLS: what a listener is made of."""

import contextlib
import ssl
import tempfile
from hashlib import sha256
from pathlib import Path

from OpenSSL import SSL, crypto

from synapse.http.tls import ReloadableTls, TlsError
from tests.case import TestCase

# 2048 bits: RFC 7919, ffdhe2048.
DH_PARAMS = """\
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""


def certify(certificate_path: Path, key_path: Path) -> None:
    """Write a self-signed certificate and its key."""
    key = crypto.PKey()
    key.generate_key(crypto.TYPE_RSA, 2048)
    certificate = crypto.X509()
    certificate.gmtime_adj_notBefore(0)
    certificate.gmtime_adj_notAfter(3600)
    certificate.set_pubkey(key)
    certificate.sign(key, "sha256")
    certificate_path.write_bytes(crypto.dump_certificate(crypto.FILETYPE_PEM, certificate))
    key_path.write_bytes(crypto.dump_privatekey(crypto.FILETYPE_PEM, key))


class DhParamsTests(TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.certificate, self.key, self.params = (
            Path(directory.name, name) for name in ("cert.pem", "key.pem", "dh.pem")
        )
        certify(self.certificate, self.key)
        self.params.write_text(DH_PARAMS)

    def tls(self) -> ReloadableTls:
        return ReloadableTls(str(self.certificate), str(self.key), str(self.params))

    def suite(self, tls: ReloadableTls) -> str | None:
        """What a client that knows only DHE agrees upon with the server, in memory."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        context.set_cipher_list(b"DHE+AESGCM")
        client, server = SSL.Connection(context, None), tls.serverConnectionForTLS(None)
        client.set_connect_state()
        server.set_accept_state()
        for _ in range(4):
            for here, there in ((client, server), (server, client)):
                with contextlib.suppress(SSL.WantReadError):
                    here.do_handshake()
                with contextlib.suppress(SSL.WantReadError):
                    there.bio_write(here.bio_read(100_000))
        return client.get_cipher_name()

    def test_a_client_that_knows_only_dhe_is_served(self) -> None:
        self.assertIn("DHE", self.suite(self.tls()) or "")

    def test_the_fingerprint_is_that_of_the_certificate_in_use(self) -> None:
        tls = self.tls()
        for _ in range(2):
            pem = self.certificate.read_text()
            self.assertEqual(tls.fingerprint, sha256(ssl.PEM_cert_to_DER_cert(pem)).digest())
            certify(self.certificate, self.key)
            self.assertTrue(tls.reload())
            self.assertNotEqual(pem, self.certificate.read_text())
        before = tls.fingerprint
        self.certificate.write_text("no certificate")
        self.assertFalse(tls.reload())
        self.assertEqual(tls.fingerprint, before)

    def test_bad_parameters_are_named(self) -> None:
        self.params.write_text("nothing")
        with self.assertRaises(TlsError) as raised:
            self.tls()
        self.assertIn(f"{self.params} holds no Diffie-Hellman", str(raised.exception))

    def test_a_missing_file_is_named(self) -> None:
        self.params.unlink()
        with self.assertRaises(TlsError) as raised:
            self.tls()
        self.assertIn(f"{self.params} can't be read", str(raised.exception))

    def test_bad_parameters_are_not_reloaded(self) -> None:
        tls = self.tls()
        self.params.write_text("nothing")
        with self.assertLogs("synapse.http.tls", "ERROR"):
            self.assertFalse(tls.reload())
        self.assertIn("DHE", self.suite(tls) or "")
