"""URLs: what to connect to, and what to ask for there."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote, urljoin, urlsplit

from synapse.http.client.errors import RequestFailed, Step

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST = 8000
# Underscores are no part of a host's name, but of some that exist.
_LABEL = r"[a-z0-9_][a-z0-9_-]{0,62}"
_HOST_NAME = re.compile(rf"(?=.{{1,254}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
# Everything that may stand in a path or a query as it is (RFC 3986, section 3.3).
_PATH = "/%:@!$&'()*+,;=~-._"
_QUERY = _PATH + "?"


@dataclass(frozen=True, slots=True)
class Url:
    """A URL in parts that can be written into a request."""

    scheme: str
    host: str  # a name in ASCII, or an IP address without brackets
    port: int
    target: str  # path and query

    @property
    def authority(self) -> str:
        """The value of `Host`: the port only if it is not the scheme's own."""
        return authority(self.host, None if self.port == _DEFAULT_PORTS[self.scheme] else self.port)

    @property
    def origin(self) -> str:
        """The URL without what is asked for, as errors show it: no secret is in it."""
        return f"{self.scheme}://{self.authority}"

    def joined(self, location: str) -> "Url":
        """Where a `Location` header of this URL's answer leads. Raises `RequestFailed`."""
        try:
            return parse_url(urljoin(f"{self.origin}{self.target}", location))
        except (RequestFailed, ValueError) as error:
            reason = error.reason if isinstance(error, RequestFailed) else str(error)
            raise RequestFailed(Step.REDIRECT, f"leads to a faulty URL: {reason}") from None


def parse_url(text: str) -> Url:
    """The URL's parts. Raises `RequestFailed` for what is no HTTP URL."""
    if len(text) > _LONGEST:
        raise RequestFailed(Step.REQUEST, f"the URL is longer than {_LONGEST} characters")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _faulty(text, str(error)) from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise _faulty(text, "it begins neither with http:// nor with https://")
    if parts.username is not None or parts.password is not None:
        raise RequestFailed(Step.REQUEST, "the URL holds a user name, which is not supported")
    if not parts.hostname:
        raise _faulty(text, "it names no host")
    if port == 0:
        raise _faulty(text, "there is no port 0")
    host = host_in_ascii(parts.hostname)
    try:
        target = quote(parts.path or "/", safe=_PATH)
        if parts.query:
            target += "?" + quote(parts.query, safe=_QUERY)
    except UnicodeEncodeError:
        raise _faulty(text, "it is not Unicode") from None
    return Url(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], target)


def host_in_ascii(host: str) -> str:
    """A host's name as DNS knows it, or an IP address. Raises `RequestFailed`."""
    host = host.lower()
    if is_ip(host):
        return host
    if not host.isascii():
        import idna  # its tables are large, and hardly ever needed

        try:
            host = idna.encode(host, uts46=True).decode()
        except (idna.IDNAError, ValueError):
            raise _faulty(host, "it is not a host's name") from None
    if not is_host_name(host):
        raise _faulty(host, "it is not a host's name")
    return host


def is_host_name(host: str) -> bool:
    """Whether DNS could know it. `host` is in lower case."""
    return _HOST_NAME.fullmatch(host) is not None


def is_ip(host: str) -> bool:
    """Whether it is a literal address (without brackets, and without a zone)."""
    # Parsing a name as an address costs more than all else that is done to it.
    if ":" not in host and not host[-1:].isdecimal():
        return False
    if "%" in host:
        return False
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def authority(host: str, port: int | None) -> str:
    """`host`, `host:port`, `[v6]` or `[v6]:port`."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def _faulty(text: str, reason: str) -> RequestFailed:
    shown = text if len(text) <= 100 else f"{text[:100]}…"
    return RequestFailed(Step.REQUEST, f"{shown!r} can't be asked: {reason}")
