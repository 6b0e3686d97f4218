"""A real nginx, unprivileged, with the server blocks of docs/reverse_proxy.rst."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import textwrap
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import SkipTest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.interop.server import ROOT

_CONFIGURATION = """
pid nginx.pid;
daemon off;
master_process off;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    %s
}
"""


def installed_nginx() -> str:
    """Its path. Skips the test where it is not installed, which CI doesn't accept."""
    path = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if path is None:
        text = "nginx is not installed. On Debian: apt-get install nginx"
        if os.environ.get("CI") == "true":
            raise AssertionError(text)
        raise SkipTest(text)
    return path


class Nginx:
    """Answers on TLS ports of loopback as `localhost`, and passes on what it is asked."""

    def __init__(self, directory: str, ports: dict[int, int]) -> None:
        """`ports` are those of TLS, each with the port of the server behind it."""
        self._program = installed_nginx()
        self._directory = Path(directory)
        self._ports = ports
        self._process: subprocess.Popen[bytes] | None = None
        self.certificate = str(self._directory / "localhost.crt")
        _certify(Path(self.certificate), self._directory / "localhost.key")
        self.trust = ssl.create_default_context(cafile=self.certificate)

    def start(self) -> None:
        blocks = [self._block(port, behind) for port, behind in self._ports.items()]
        (self._directory / "nginx.conf").write_text(_CONFIGURATION % "\n".join(blocks))
        with open(self._directory / "nginx.log", "ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-p", str(self._directory), "-c", "nginx.conf", "-e", "stderr"],
                stderr=log,
            )
        deadline = time.monotonic() + 20
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                for port in self._ports:
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("nginx did not start:\n" + self.log())

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(20)

    def log(self) -> str:
        return (self._directory / "nginx.log").read_text(errors="replace")

    def _block(self, port: int, behind: int) -> str:
        """What the documentation says, with ports and paths of this test."""
        block = documented_block()
        for pattern, replacement in (
            (r"listen \[::\].*\n", ""),
            (r"listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            (r"listen 8448 ssl.*\n", ""),
            (r"server_name .*;", "server_name localhost;"),
            (r"ssl_certificate .*;", f"ssl_certificate {self.certificate};"),
            (r"ssl_certificate_key .*;", "ssl_certificate_key localhost.key;"),
            (r"127\.0\.0\.1:8008", f"127.0.0.1:{behind}"),
        ):
            block, count = re.subn(pattern, replacement, block)
            assert count, f"the documentation has no {pattern}"
        return block


def documented_block() -> str:
    """The server block in docs/reverse_proxy.rst."""
    text = (ROOT / "docs" / "reverse_proxy.rst").read_text(encoding="utf-8")
    found = re.search(r"^    server \{\n.*?^    \}\n", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return textwrap.dedent(found[0])


def _certify(certificate: Path, key_path: Path) -> None:
    """A self-signed certificate of localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    certificate.write_bytes(made.public_bytes(pem))
    key_path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
