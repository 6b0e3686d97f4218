"""`Authorization: X-Matrix`: who sends a request, and that nobody changed it on its way.

Server-server API, "Request Authentication". The header has the form of RFC 9110, section 11.4;
older servers leave out `destination`, and quotes around values with colons. What is signed always
holds the destination.

Nothing here does I/O: `authenticate` is told how to find keys.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from synapse.api.errors import MatrixError
from synapse.api.identifiers import is_server_name
from synapse.crypto.signing import ALGORITHM, SigningKey, VerifyKey
from synapse.util import canonicaljson

# Finds a server's key by its id: (server name, key id). `None`: there is no such key.
FindKey = Callable[[str, str], Awaitable[VerifyKey | None]]

# Four names, at most 255 characters each, and what stands around them.
_LONGEST = 4096
_SCHEME = re.compile(r"X-Matrix +", re.IGNORECASE)
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(
    rf"(?P<name>{_TOKEN})[ \t]*=[ \t]*"
    # A token, in which older servers have colons as well …
    r"(?:(?P<plain>[!#$%&'*+.^_`|~0-9A-Za-z:-]+)"
    # … or a quoted string.
    r'|"(?P<quoted>(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*)")'
)
_COMMAS = re.compile(r"[ \t]*(?:,[ \t]*)+")
_ESCAPE = re.compile(r"\\(.)")
_KEY_ID = re.compile(rf"{ALGORITHM}:[0-9A-Za-z_]{{1,100}}")


class NotAuthenticated(MatrixError):
    """401 `M_UNAUTHORIZED`: the request is not signed by the server that it claims to be from."""

    def __init__(self, message: str) -> None:
        super().__init__(401, "M_UNAUTHORIZED", message)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an `Authorization` header says. Nothing of it is proven."""

    origin: str
    destination: str | None
    key_id: str
    signature: str


def authorization(
    key: SigningKey, *, method: str, uri: str, origin: str, destination: str, content: bytes | None
) -> str:
    """The header's value for a request of ours; `content` is its body in canonical JSON."""
    message = _signed_bytes(method, uri, origin, destination, content)
    signature = key.sign(message).decode()
    return (
        f'X-Matrix origin="{origin}",destination="{destination}",'
        f'key="{key.key_id}",sig="{signature}"'
    )


async def authenticate(
    header: str | None,
    find_key: FindKey,
    *,
    method: str,
    uri: str,
    content: Any,
    server_name: str,
) -> str:
    """The server that sent a request to us. Raises `NotAuthenticated`, and what `find_key` does.

    `uri` is the request's target as it stood in the request; `content` its parsed body, or `None`
    if it had none."""
    credentials = parse_authorization(header)
    if credentials.destination not in (None, server_name):
        raise NotAuthenticated(f"The request is for {credentials.destination}, not {server_name}")
    try:
        body = None if content is None else canonicaljson.encode_lax(content)
    except canonicaljson.NotCanonical as error:
        raise NotAuthenticated(f"The body has no canonical JSON: {error}") from None
    origin = credentials.origin
    key = await find_key(origin, credentials.key_id)
    if key is None:
        raise NotAuthenticated(f"{origin} has no key {credentials.key_id}")
    message = _signed_bytes(method, uri, origin, server_name, body)
    if not key.verifies(message, credentials.signature):
        raise NotAuthenticated(f"The signature by {origin} with {key.key_id} is wrong")
    return origin


def parse_authorization(header: str | None) -> Credentials:
    """The parts of the header. Raises `NotAuthenticated`."""
    if header is None:
        raise NotAuthenticated("The request has no Authorization header")
    parameters = _parameters(header)
    for name in ("origin", "key", "sig"):
        if not parameters.get(name):
            raise NotAuthenticated(f"The Authorization header has no {name}")
    origin, destination = parameters["origin"], parameters.get("destination")
    for name, value in (("origin", origin), ("destination", destination)):
        if value is not None and not is_server_name(value):
            raise NotAuthenticated(f"The Authorization header's {name} is not a server's name")
    if not _KEY_ID.fullmatch(parameters["key"]):
        raise NotAuthenticated(f"The Authorization header's key is not of the form {ALGORITHM}:…")
    return Credentials(origin, destination, parameters["key"], parameters["sig"])


def _parameters(header: str) -> dict[str, str]:
    """Names, in lower case, and values. A second header was joined to the first: that is refused
    like anything else that isn't a parameter."""
    scheme = _SCHEME.match(header)
    if scheme is None or len(header) > _LONGEST:
        raise NotAuthenticated("The Authorization header is not X-Matrix")
    found: dict[str, str] = {}
    text = header.rstrip(" \t")
    place = scheme.end()
    while place < len(text):
        separator = _COMMAS.match(text, place)
        if separator is not None:
            place = separator.end()
        elif found:
            raise NotAuthenticated("The Authorization header lacks a comma between parameters")
        parameter = _PARAMETER.match(text, place)
        if parameter is None:
            if place == len(text):
                break
            raise NotAuthenticated("The Authorization header is malformed")
        name = parameter["name"].lower()
        if name in found:
            raise NotAuthenticated(f"The Authorization header has {name[:50]} twice")
        quoted = parameter["quoted"]
        found[name] = parameter["plain"] if quoted is None else _ESCAPE.sub(r"\1", quoted)
        place = parameter.end()
    return found


def _signed_bytes(
    method: str, uri: str, origin: str, destination: str, content: bytes | None
) -> bytes:
    """The canonical JSON of the object that is signed. Its keys are in their order here."""
    rest = orjson.dumps(
        {"destination": destination, "method": method, "origin": origin, "uri": uri}
    )
    return rest if content is None else b'{"content":' + content + b"," + rest[1:]
