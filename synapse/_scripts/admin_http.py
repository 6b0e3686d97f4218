"""A small HTTP client for commands that talk to a running server, with the standard library only.

Over https a server is trusted when its certificate is signed by an authority that the system trusts
and has the right name, or when it is byte for byte the one that the configuration names. The second
is how the self-signed certificate of a fresh installation is accepted on https://localhost:8448,
although it is for another name, while anybody else's is refused.
"""

import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

TIMEOUT_S = 60


class Unreachable(Exception):
    """No answer from the server, or not one to be trusted. The text is for the administrator."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    reason: str
    json: dict[str, Any]  # empty when the body is no JSON object


def request_json(
    method: str,
    server_url: str,
    path: str,
    body: dict[str, Any] | None = None,
    *,
    trusted_certificate: str | None = None,
) -> Answer:
    """Send one request below `server_url`; redirects are not followed. Raises `Unreachable`."""
    url = _parse(server_url)
    try:
        connection = _connect(url, trusted_certificate)
        try:
            content = None if body is None else json.dumps(body).encode()
            headers = {"Content-Type": "application/json"} if content else {}
            connection.request(method, url.path.rstrip("/") + path, content, headers)
            response = connection.getresponse()
            return Answer(response.status, response.reason, _json_object(response.read()))
        finally:
            connection.close()
    except ssl.SSLError as error:
        raise Unreachable(f"{server_url}: {error.reason or error}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unreachable(
            f"No answer from {server_url}: {reason}. Is the server running?"
        ) from None


def _parse(server_url: str) -> SplitResult:
    try:
        url = urlsplit(server_url)
        valid = url.scheme in ("http", "https") and url.hostname and (url.port or 1)
    except ValueError:
        valid = False
    if not valid:
        raise Unreachable(f"{server_url!r} is no URL such as https://localhost:8448")
    return url


def _connect(url: SplitResult, trusted_certificate: str | None) -> http.client.HTTPConnection:
    assert url.hostname is not None, "_parse refuses URLs without a host"
    if url.scheme == "http":
        return http.client.HTTPConnection(url.hostname, url.port or 80, timeout=TIMEOUT_S)
    address = (url.hostname, url.port or 443)
    try:
        tls = _tls_socket(address, ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        tls = _pinned_socket(address, trusted_certificate, why_not_trusted=error.verify_message)
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_S)
    connection.sock = tls
    return connection


def _pinned_socket(
    address: tuple[str, int], trusted_certificate: str | None, why_not_trusted: str
) -> ssl.SSLSocket:
    """A connection to whoever holds the key of exactly this certificate."""
    problem = f"The certificate of {address[0]}:{address[1]} is not trusted: {why_not_trusted}"
    if trusted_certificate is None:
        raise Unreachable(
            f"{problem}. With -c, the certificate that the file names is trusted too."
        )
    trusted = _first_certificate(trusted_certificate)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    tls = _tls_socket(address, context)
    if tls.getpeercert(binary_form=True) != trusted:
        tls.close()
        raise Unreachable(f"{problem}, and it is not the one in {trusted_certificate}.")
    return tls


def _tls_socket(address: tuple[str, int], context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(address, timeout=TIMEOUT_S)
    try:
        return context.wrap_socket(plain, server_hostname=address[0])
    except BaseException:
        plain.close()
        raise


def _first_certificate(path: str) -> bytes:
    """The server's own certificate, first in the file; those of authorities may follow."""
    end = ssl.PEM_FOOTER
    try:
        text = Path(path).read_text(encoding="ascii", errors="replace")
        start = text.index(ssl.PEM_HEADER)
        return ssl.PEM_cert_to_DER_cert(text[start : text.index(end, start) + len(end)])
    except OSError as error:
        raise Unreachable(f"Cannot read tls_certificate_path {path}: {error.strerror}") from None
    except ValueError:
        raise Unreachable(f"tls_certificate_path {path} holds no certificate") from None


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
