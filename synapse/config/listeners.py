"""The sockets that the server listens on."""

from dataclasses import dataclass
from typing import Any

from synapse.config.composed import ListOf, mapping
from synapse.config.kinds import BOOLEAN, TEXT, Choice, FilePath, Integer, Kind, Pattern
from synapse.config.known_keys import warn_about_unknown
from synapse.config.options import Section, keys_of, option, parse_section
from synapse.config.place import Place

ANY_ADDRESS = ("::", "0.0.0.0")
LOOPBACK = ("127.0.0.1", "::1")

# What a listener may carry. The right half is Synapse's, and not served by this version.
SERVED_RESOURCES = ("client", "federation", "health", "keys", "metrics", "openid", "static")
UNSERVED_RESOURCES = ("consent", "media", "replication", "webclient")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerResource:
    """A group of paths that a listener serves."""

    names: tuple[str, ...] = option(
        ListOf(TEXT, or_one=True),
        (),
        "client: the client and admin API, and /.well-known. federation: the API for other "
        "servers. keys and openid: only the part of it that tells servers' keys, or whose an "
        "OpenID token is. metrics: "
        "/_synapse/metrics. health: /health, which is on every listener anyway.",
        example="[client, federation]",
    )
    compress: bool = option(BOOLEAN, False, "Compress answers for clients that can take it.")


class _FileMode(Kind[int]):
    """`"666"` and YAML's `0666` are the same permissions; other numbers are read as written."""

    allowed = 'the permissions of a file, three octal digits in quotes, such as "660"'
    example = '"660"'

    def parse(self, value: object, place: Place) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0o777:
            return value
        text = value.removeprefix("0o") if isinstance(value, str) else ""
        if len(text) not in (3, 4) or not set(text) <= set("01234567") or int(text, 8) > 0o777:
            raise place.wrong(value, self.allowed, self.example)
        return int(text, 8)

    def show(self, value: Any) -> str:
        return f'"{value:03o}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerConfig:
    """One socket: a TCP port on some addresses, or a Unix socket."""

    port: int | None = option(
        Integer(1, 65535, example=8008), None, "The TCP port; or give path.", example="8008"
    )
    bind_addresses: tuple[str, ...] = option(
        ListOf(TEXT, or_one=True),
        ANY_ADDRESS,
        "The addresses to listen on. bind_address, a single one, is accepted too.",
        example='["127.0.0.1", "::1"]',
    )
    path: str | None = option(
        FilePath('"/run/matrix-synapse.sock"'), None, "A Unix socket, instead of a port."
    )
    mode: int = option(_FileMode(), 0o666, "The permissions of the Unix socket.")
    type: str = option(
        Choice(("http", "metrics")),
        "http",
        "http, or metrics for a port that serves nothing but /_synapse/metrics.",
    )
    tls: bool = option(BOOLEAN, False, "Speak TLS with the certificate in tls_certificate_path.")
    x_forwarded: bool = option(
        BOOLEAN,
        False,
        "Believe the X-Forwarded-For header about the client's address. Only for a port that "
        "nobody but your reverse proxy can reach.",
    )
    request_id_header: str | None = option(
        Pattern(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", "the name of an HTTP header", '"cf-ray"'),
        None,
        "A request header whose value becomes the request's id in the log.",
        example='"x-request-id"',
    )
    tag: str | None = option(
        TEXT, None, "The listener's name in the access log; unless given, its port or path."
    )
    resources: tuple[ListenerResource, ...] = option(
        ListOf(Section(ListenerResource)),
        (),
        "What is served.",
    )

    def names(self) -> tuple[str, ...]:
        """All resource names, each once."""
        return tuple(dict.fromkeys(n for resource in self.resources for n in resource.names))

    @property
    def site_tag(self) -> str:
        """The listener's name in the access log."""
        return self.tag or str(self.port or self.path)


class Listeners(Kind[tuple[ListenerConfig, ...]]):
    allowed = "a list of listeners"
    example = "[{port: 8008, resources: [{names: [client, federation]}]}]"
    item_section = ListenerConfig

    def parse(self, value: object, place: Place) -> tuple[ListenerConfig, ...]:
        if not isinstance(value, list):
            raise place.wrong(value, self.allowed, self.example)
        parsed = [_listener(item, place.index(i)) for i, item in enumerate(value)]
        listeners = tuple(listener for listener in parsed if listener)
        _warn_about_resources(listeners, place)
        return listeners


def _listener(value: object, place: Place) -> ListenerConfig | None:
    values = dict(mapping(value, place, "a mapping", "{port: 8008, type: http}"))
    # COMPAT: the debug console exists only in Synapse.
    if values.get("type") == "manhole":
        place.warn("is of type manhole, which is not supported: no such port is opened")
        return None
    # COMPAT: the singular form, as in the README of 2017.
    if (address := values.pop("bind_address", None)) is not None:
        if values.get("bind_addresses") is not None:
            raise place.error("has bind_address and bind_addresses: keep only one")
        # Then, the empty address was the way to say "all".
        values["bind_addresses"] = [address] if address != "" else list(ANY_ADDRESS)
    warn_about_unknown(values, list(keys_of(ListenerConfig)), place)
    listener = parse_section(ListenerConfig, values, place)
    _check(listener, place)
    return listener


def _check(listener: ListenerConfig, place: Place) -> None:
    if (listener.port is None) == (listener.path is None):
        raise place.error("must have either port or path; for example: port: 8008")
    if listener.path is not None and listener.tls:
        raise place.error("has a path and tls: true, but a Unix socket has no TLS; set tls: false")
    if listener.port is not None and not listener.bind_addresses:
        raise place.error('has no bind_addresses; for example: bind_addresses: ["127.0.0.1"]')
    if listener.type == "http" and not listener.names():
        place.warn(
            "has no resources, so it only answers /health; "
            "for example: resources: [{names: [client, federation]}]"
        )


def _warn_about_resources(listeners: tuple[ListenerConfig, ...], place: Place) -> None:
    names = dict.fromkeys(name for listener in listeners for name in listener.names())
    unserved = [name for name in names if name in UNSERVED_RESOURCES]
    if unserved:
        place.warn(f"name resources that this version doesn't serve: {', '.join(unserved)}")
    unknown = [n for n in names if n not in UNSERVED_RESOURCES and n not in SERVED_RESOURCES]
    if unknown:
        place.warn(
            f"name unknown resources: {', '.join(unknown)}; "
            f"known are {', '.join(sorted(SERVED_RESOURCES + UNSERVED_RESOURCES))}"
        )
