"""A request of ours, and its bytes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from synapse.http.client.errors import RequestFailed, Step

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# No line ends, so that nobody's value can become a header of its own or another request.
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_TARGET = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Message:
    """What is asked for. `host` is the value of `Host`, `max_bytes` the bound of the answer."""

    method: str
    target: str
    host: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    max_bytes: int

    def rendered(self) -> bytes:
        """Head and body. Raises `RequestFailed` for what can't stand in a request."""
        if not _TOKEN.fullmatch(self.method):
            raise RequestFailed(Step.REQUEST, f"{self.method[:50]!r} is not a method")
        if not _TARGET.fullmatch(self.host):
            raise RequestFailed(Step.REQUEST, f"{self.host[:100]!r} is not a host's name")
        if not _TARGET.fullmatch(self.target):
            raise RequestFailed(Step.REQUEST, f"{self.target[:100]!r} can't be asked for")
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {self.host}"]
        for name, value in self.headers:
            if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
                # The value may be a secret.
                raise RequestFailed(Step.REQUEST, f"the header {name!r} can't have its value")
            lines.append(f"{name}: {value}")
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(self.body)}")
        lines.append("\r\n")
        return "\r\n".join(lines).encode("ascii") + self.body
