"""COMPAT: keys of earlier days, said anew in today's keys before anything is parsed.

Where both the old and the new key are given, the new one wins. The values are checked here only
as far as they are computed with; the rest is checked, under its new name, like any other.
"""

from collections.abc import Callable

from synapse.config.composed import mapping
from synapse.config.files import Settings
from synapse.config.kinds import BOOLEAN, NUMBER, TEXT, Integer
from synapse.config.listeners import ANY_ADDRESS

_WHOLE = Integer()
_PORT = Integer(0, 65535, example=8448)

# For the warnings about unknown keys, and for docs/configuration.rst.
OLD_KEYS = (
    "allow_underscore_prefixed_localpart",
    "bind_host",
    "bind_port",
    "database_path",
    "databases",
    "disable_registration",
    "federation_rc_concurrent",
    "federation_rc_reject_limit",
    "federation_rc_sleep_delay",
    "federation_rc_sleep_limit",
    "federation_rc_window_size",
    "gzip_responses",
    "metrics_bind_host",
    "metrics_port",
    "perspectives",
    "rc_message_burst_count",
    "rc_messages_per_second",
    "room_invite_state_types",
    "unsecure_port",
    "use_presence",
)


def modernise(settings: Settings) -> None:
    """Add the new keys; the old ones stay, and nobody reads them."""
    for convert in _CONVERSIONS:
        convert(settings)


def _registration(settings: Settings) -> None:
    value = settings.values.get("disable_registration")
    if value is not None and settings.values.get("enable_registration") is None:
        key = "disable_registration"
        disabled = BOOLEAN.parse(value, settings.place(key).key(key))
        settings.put("enable_registration", not disabled, like=key)


def _renamed(settings: Settings) -> None:
    old, new = "allow_underscore_prefixed_localpart", "allow_underscore_prefixed_registration"
    if settings.values.get(old) is not None and settings.values.get(new) is None:
        settings.put(new, settings.values[old], like=old)


def _rate_of_messages(settings: Settings) -> None:
    if settings.values.get("rc_message") is not None:
        return
    for old, new in (
        ("rc_messages_per_second", "per_second"),
        ("rc_message_burst_count", "burst_count"),
    ):
        if (value := settings.values.get(old)) is not None:
            number = NUMBER.parse(value, settings.place(old).key(old))
            limit = settings.values.get("rc_message")
            settings.put("rc_message", {**(limit or {}), new: number}, like=old)  # type: ignore[dict-item]


def _federation_limits(settings: Settings) -> None:
    if settings.values.get("rc_federation") is not None:
        return
    for name in ("window_size", "sleep_limit", "sleep_delay", "reject_limit", "concurrent"):
        old = f"federation_rc_{name}"
        if (value := settings.values.get(old)) is not None:
            number = _WHOLE.parse(value, settings.place(old).key(old))
            limits = settings.values.get("rc_federation")
            settings.put("rc_federation", {**(limits or {}), name: number}, like=old)  # type: ignore[dict-item]


def _database(settings: Settings) -> None:
    if settings.values.get("database") is not None:
        return
    if (path := settings.values.get("database_path")) is not None:
        database = {"name": "sqlite3", "args": {"database": path}}
        settings.put("database", database, like="database_path")
    several = settings.values.get("databases")
    if several:
        place = settings.place("databases").key("databases")
        if not isinstance(several, dict) or len(several) != 1:
            raise place.error(
                "splits the data over several databases, which is not supported: give one database"
            )
        (only,) = several.values()
        if isinstance(only, dict):
            only = {key: value for key, value in only.items() if key != "data_stores"}
        settings.put("database", only, like="databases")


def _listeners(settings: Settings) -> None:
    port = _number(settings, "bind_port")
    if not port:
        return
    addresses = _addresses(settings, "bind_host", list(ANY_ADDRESS))
    listener = {"type": "http", "bind_addresses": addresses, "resources": _resources(settings)}
    plain = _number(settings, "unsecure_port")
    ports: list[object] = [{**listener, "port": port, "tls": True}]
    if plain is None:
        plain = port - 400
    if plain > 0:
        ports.append({**listener, "port": plain})
    if settings.values.get("listeners") is None:
        settings.put("listeners", ports, like="bind_port")


def _metrics_listener(settings: Settings) -> None:
    port = _number(settings, "metrics_port")
    if not port:
        return
    addresses = _addresses(settings, "metrics_bind_host", ["127.0.0.1"])
    listener = {"type": "metrics", "port": port, "bind_addresses": addresses}
    listeners = settings.values.get("listeners")
    if listeners is None or isinstance(listeners, list):
        settings.put("listeners", [*(listeners or []), listener], like="metrics_port")


def _prejoin_state(settings: Settings) -> None:
    types = settings.values.get("room_invite_state_types")
    if types is not None and settings.values.get("room_prejoin_state") is None:
        prejoin = {"disable_default_event_types": True, "additional_event_types": types}
        settings.put("room_prejoin_state", prejoin, like="room_invite_state_types")


def _presence(settings: Settings) -> None:
    value = settings.values.get("use_presence")
    if value is None:
        return
    enabled = BOOLEAN.parse(value, settings.place("use_presence").key("use_presence"))
    presence = settings.values.get("presence") or {}
    if isinstance(presence, dict) and presence.get("enabled") is None:
        settings.put("presence", {**presence, "enabled": enabled}, like="use_presence")


def _key_servers(settings: Settings) -> None:
    old = settings.values.get("perspectives")
    if old is None or settings.values.get("trusted_key_servers") is not None:
        return
    place = settings.place("perspectives").key("perspectives")
    example = '{servers: {"matrix.org": {verify_keys: {"ed25519:auto": {key: "…"}}}}}'
    servers = mapping(old, place, "a mapping with servers", example).get("servers") or {}
    place = place.key("servers")
    trusted: list[object] = []
    for name, facts in mapping(servers, place, "a mapping of servers", example).items():
        inside = place.key(name)
        keys = (
            mapping(facts, inside, "a mapping with verify_keys", example).get("verify_keys") or {}
        )
        inside = inside.key("verify_keys")
        verify_keys = {
            key_id: mapping(value, inside.key(key_id), "a mapping with key", example).get("key")
            for key_id, value in mapping(keys, inside, "a mapping of keys", example).items()
        }
        trusted.append({"server_name": name, "verify_keys": verify_keys})
    settings.put("trusted_key_servers", trusted, like="perspectives")


def _number(settings: Settings, key: str) -> int | None:
    value = settings.values.get(key)
    return None if value is None else _PORT.parse(value, settings.place(key).key(key))


def _addresses(settings: Settings, key: str, default: list[str]) -> list[str]:
    value = settings.values.get(key)
    if value is None or value == "":
        return default
    return [TEXT.parse(value, settings.place(key).key(key))]


def _resources(settings: Settings) -> list[object]:
    compress = settings.values.get("gzip_responses")
    key = "gzip_responses"
    compressed = compress is None or BOOLEAN.parse(compress, settings.place(key).key(key))
    return [{"names": ["client"], "compress": compressed}, {"names": ["federation"]}]


_CONVERSIONS: tuple[Callable[[Settings], None], ...] = (
    _registration,
    _renamed,
    _rate_of_messages,
    _federation_limits,
    _database,
    _listeners,
    _metrics_listener,
    _prejoin_state,
    _presence,
    _key_servers,
)
