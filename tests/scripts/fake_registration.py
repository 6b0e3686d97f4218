"""A server with nothing but `/_synapse/admin/v1/register`, over http or https."""

import hashlib
import hmac
import json
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SECRET = "a shared secret"
NONCE = "a nonce"


class FakeRegistration:
    """Serves until `close`. `accounts` are the bodies of the registrations that it accepted."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.accounts: list[dict[str, Any]] = []
        self._server = HTTPServer(("127.0.0.1", 0), self._handler())
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        register = self._register

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(200, {"nonce": NONCE})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(*register(body))

            def _answer(self, status: int, content: dict[str, Any]) -> None:
                if self.path != "/_synapse/admin/v1/register":
                    status, content = 404, {"errcode": "M_UNRECOGNIZED"}
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def log_message(self, *arguments: object) -> None: ...

        return Handler

    def _register(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        signed = [NONCE, body["username"], body["password"]]
        signed += ["admin" if body["admin"] else "notadmin"]
        signed += [body["user_type"]] if "user_type" in body else []
        mac = hmac.new(SECRET.encode(), "\0".join(signed).encode(), hashlib.sha1).hexdigest()
        if mac != body["mac"]:
            return 403, {"errcode": "M_FORBIDDEN", "error": "HMAC incorrect"}
        if any(account["username"] == body["username"] for account in self.accounts):
            return 400, {"errcode": "M_USER_IN_USE", "error": "User ID already taken."}
        self.accounts.append(body)
        return 200, {"user_id": f"@{body['username']}:example.com"}


def write_self_signed_certificate(path: Path, name: str) -> None:
    """A certificate for `name` and its key, both in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
