"""Real reverse proxies, unprivileged, with the examples of docs/reverse_proxy.rst."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import textwrap
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import SkipTest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.interop.server import ROOT


class Proxy:
    """Answers on TLS ports of loopback as `localhost`, and passes on what it is asked."""

    name: str  # of the section in the documentation
    program: str
    package: str

    def __init__(self, directory: str, ports: dict[int, int]) -> None:
        """`ports` are those of TLS, each with the port of the server behind it."""
        self.path = installed(self.program, self.package)
        self.directory = Path(directory)
        self._ports = ports
        self._process: subprocess.Popen[bytes] | None = None
        self.certificate = str(self.directory / "localhost.crt")
        self.key = str(self.directory / "localhost.key")
        _certify(Path(self.certificate), Path(self.key))
        self.trust = ssl.create_default_context(cafile=self.certificate)

    def start(self) -> None:
        blocks = [self.block(port, behind) for port, behind in self._ports.items()]
        configuration = self.directory / "proxy.conf"
        configuration.write_text(self.configuration("\n".join(blocks)))
        with open(self.directory / "proxy.log", "ab") as log:
            self._process = subprocess.Popen(
                self.command(str(configuration)),
                cwd=self.directory,
                env={**os.environ, "HOME": str(self.directory)},
                stdout=log,
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
        raise AssertionError(f"{self.name} did not start:\n{self.log()}")

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(20)

    def log(self) -> str:
        return (self.directory / "proxy.log").read_text(errors="replace")

    # What differs.

    def command(self, configuration: str) -> Sequence[str]:
        """How to start it in the foreground."""
        raise NotImplementedError

    def configuration(self, blocks: str) -> str:
        """The whole configuration: what the documentation says, and what makes it unprivileged."""
        raise NotImplementedError

    def block(self, port: int, behind: int) -> str:
        """What the documentation says, with ports and paths of this test."""
        raise NotImplementedError

    def adapted(self, *replacements: tuple[str, str]) -> str:
        """The example in the documentation, with patterns replaced that must be there."""
        block = documented(self.name)
        for pattern, replacement in replacements:
            block, count = re.subn(pattern, replacement, block)
            assert count, f"the documentation has no {pattern}"
        return block


class Nginx(Proxy):
    name, program, package = "nginx", "nginx", "nginx"

    def command(self, configuration: str) -> Sequence[str]:
        return [self.path, "-p", str(self.directory), "-c", configuration, "-e", "stderr"]

    def configuration(self, blocks: str) -> str:
        paths = "".join(
            f"{name}_temp_path {name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return (
            "pid nginx.pid; daemon off; master_process off; events {}\n"
            f"http {{ access_log off; {paths}\n{blocks} }}\n"
        )

    def block(self, port: int, behind: int) -> str:
        return self.adapted(
            (r"listen \[::\].*\n", ""),
            (r"listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            (r"listen 8448 ssl.*\n", ""),
            (r"server_name .*;", "server_name localhost;"),
            (r"ssl_certificate .*;", f"ssl_certificate {self.certificate};"),
            (r"ssl_certificate_key .*;", f"ssl_certificate_key {self.key};"),
            (r"127\.0\.0\.1:8008", f"127.0.0.1:{behind}"),
        )


class Apache(Proxy):
    name, program, package = "Apache", "apache2", "apache2"

    def command(self, configuration: str) -> Sequence[str]:
        return [self.path, "-X", "-d", str(self.directory), "-f", configuration]

    def configuration(self, blocks: str) -> str:
        modules = ("mpm_event", "authz_core", "ssl", "proxy", "proxy_http", "headers")
        loaded = "".join(
            f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in modules
        )
        # It refuses to serve as root.
        user = "User nobody\nGroup nogroup\n" if os.geteuid() == 0 else ""
        listens = "".join(f"Listen 127.0.0.1:{port}\n" for port in self._ports)
        own = "PidFile apache.pid\nErrorLog /dev/stderr\nServerName localhost\n"
        return f"{loaded}{user}{own}{listens}{blocks}"

    def block(self, port: int, behind: int) -> str:
        return self.adapted(
            (r"<VirtualHost .*>", f"<VirtualHost 127.0.0.1:{port}>"),
            (r"ServerName .*", "ServerName localhost"),
            (r"SSLCertificateFile .*", f"SSLCertificateFile {self.certificate}"),
            (r"SSLCertificateKeyFile .*", f"SSLCertificateKeyFile {self.key}"),
            (r"127\.0\.0\.1:8008", f"127.0.0.1:{behind}"),
        )


class Haproxy(Proxy):
    name, program, package = "HAProxy", "haproxy", "haproxy"

    def command(self, configuration: str) -> Sequence[str]:
        return [self.path, "-db", "-f", configuration]

    def configuration(self, blocks: str) -> str:
        both = Path(self.certificate).read_text() + Path(self.key).read_text()
        (self.directory / "both.pem").write_text(both)
        return blocks

    def block(self, port: int, behind: int) -> str:
        return self.adapted(
            (r"bind \[::\].*\n", ""),
            (r"bind :443,:8448", f"bind 127.0.0.1:{port}"),
            (r"crt \S+", f"crt {self.directory}/both.pem"),
            (r"frontend matrix", f"frontend matrix{port}"),
            (r"(use_backend|backend) synapse", rf"\1 synapse{port}"),
            (r"127\.0\.0\.1:8008", f"127.0.0.1:{behind}"),
        )


class Caddy(Proxy):
    name, program, package = "Caddy", "caddy", "caddy"

    def command(self, configuration: str) -> Sequence[str]:
        return [self.path, "run", "--adapter", "caddyfile", "--config", configuration]

    def configuration(self, blocks: str) -> str:
        own = "admin off\nauto_https disable_redirects\n"
        return f"{{\n{own}storage file_system {self.directory}\n}}\n{blocks}"

    def block(self, port: int, behind: int) -> str:
        return self.adapted(
            (r"^matrix.* \{\n", f"localhost:{port} {{\ntls {self.certificate} {self.key}\n"),
            (r"127\.0\.0\.1:8008", f"127.0.0.1:{behind}"),
        )


def installed(program: str, package: str) -> str:
    """A program's path. Skips the test where it is not installed, which CI doesn't accept."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if path is None:
        text = f"{program} is not installed. On Debian: apt-get install {package}"
        if os.environ.get("CI") == "true":
            raise AssertionError(text)
        raise SkipTest(text)
    return path


def documented(name: str) -> str:
    """The first example in a section of docs/reverse_proxy.rst."""
    text = (ROOT / "docs" / "reverse_proxy.rst").read_text(encoding="utf-8")
    found = re.search(rf"^{name}\n=+\n(?:(?!    ).*\n)+?((?:    .*\n|\n)+)", text, re.MULTILINE)
    assert found is not None, f"the documentation has no section {name}"
    return textwrap.dedent(found[1]).strip() + "\n"


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
