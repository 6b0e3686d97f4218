"""From what the files say to a checked `HomeserverConfig`."""

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from synapse.config import caches, outbound
from synapse.config.database import DEFAULT_SQLITE_FILE, DatabaseConfig
from synapse.config.files import Settings
from synapse.config.homeserver import HomeserverConfig
from synapse.config.keys import DEFAULT_KEY_SERVER, KeysConfig
from synapse.config.kinds import BOOLEAN, FilePath, Integer
from synapse.config.known_keys import warn_about_unknown
from synapse.config.old_forms import OLD_KEYS, modernise
from synapse.config.options import find_option, keys_of, options, parse_fields
from synapse.config.place import Place
from synapse.config.registration import RegistrationConfig

S = TypeVar("S")

# Each of these asks newcomers for something that this version can't ask for.
_VERIFICATIONS = (
    "enable_registration_captcha",
    "registration_requires_token",
    "registrations_require_3pid",
)


def parse_values(values: Mapping[str, object]) -> HomeserverConfig:
    """The configuration that one mapping says, as if it were a file."""
    return parse(Settings(values=dict(values)))


def parse(
    settings: Settings,
    *,
    environ: Mapping[str, str] | None = None,
    config_directory: str = ".",
) -> HomeserverConfig:
    """Raises `ConfigError`; adds to `settings.warnings` what is accepted but not meant so."""
    modernise(settings)
    config = HomeserverConfig(**_sections(settings))
    _warn_about_unread(settings)
    _check_tls(config, settings)
    _check_process(config, settings)
    _warn_of_blind_trust(config, settings)
    _check_key_servers(config.keys, settings)
    if not config.listeners:
        settings.place("listeners").key("listeners").warn(
            "has no listener: nobody can connect to this server"
        )
    keys = config.keys
    if not keys.signing_key_path:
        name = f"{config.server.server_name}.signing.key"
        keys = replace(keys, signing_key_path=os.path.abspath(os.path.join(config_directory, name)))
    listeners = config.listeners
    if config.tls.no_tls:
        listeners = tuple(listener for listener in listeners if not listener.tls)
    return replace(
        config,
        keys=keys,
        listeners=listeners,
        database=_database(config.database, settings),
        registration=_registration(config.registration, settings),
        caches=caches.with_environment(config.caches, environ or {}),
        outbound=outbound.with_environment(config.outbound, environ or {}),
    )


def _sections(settings: Settings) -> dict[str, Any]:
    """Every field of `HomeserverConfig`: flat sections, and those below a key of their own."""
    found: dict[str, Any] = {}
    for declared in fields(HomeserverConfig):
        declaration = find_option(declared)
        if declaration is None:
            assert isinstance(declared.type, type), "sections are declared by their class"
            found[declared.name] = _flat_section(declared.type, settings)
            continue
        key = declaration.key_of(declared)
        value = settings.values.get(key)
        if value is not None:
            found[declared.name] = declaration.kind.parse(value, settings.place(key).key(key))
    return found


def _flat_section(section: type[S], settings: Settings) -> S:
    """A section whose keys stand at the top, each maybe in another file."""
    return section(**parse_fields(section, settings.values, settings.place))


def top_level_keys() -> list[str]:
    """Every key that may stand at the top and is read."""
    keys: list[str] = []
    for declared in fields(HomeserverConfig):
        declaration = find_option(declared)
        keys += keys_of(declared.type) if declaration is None else [declaration.key_of(declared)]
    return keys


def check_no_secrets(settings: Settings) -> None:
    """Raises `ConfigError` for a secret that stands in the configuration itself."""
    for section in (RegistrationConfig, KeysConfig):
        for declared, declaration in options(section):
            key = declaration.key_of(declared)
            if declaration.secret and settings.values.get(key) is not None:
                raise (
                    settings.place(key)
                    .key(key)
                    .error(
                        "is a secret in the configuration itself, which --no-secrets-in-config "
                        f"forbids: give {key}_path, the path of a file that holds it"
                    )
                )


def _warn_about_unread(settings: Settings) -> None:
    known = [*top_level_keys(), *OLD_KEYS]
    by_file: dict[str | None, list[str]] = {}
    for key in settings.values:
        by_file.setdefault(settings.files.get(key), []).append(key)
    for file, keys in by_file.items():
        warn_about_unknown(keys, known, Place(file=file, warnings=settings.warnings))


def _check_tls(config: HomeserverConfig, settings: Settings) -> None:
    tls = config.tls
    speaking = [i for i, listener in enumerate(config.listeners) if listener.tls]
    if not speaking or tls.no_tls:
        return
    for key in ("tls_certificate_path", "tls_private_key_path"):
        if getattr(tls, key) is None:
            place = settings.place("listeners").key("listeners").index(speaking[0])
            raise place.key("tls").error(
                f"is true, but {key} is not given; for example: "
                f'{key}: "/etc/matrix-synapse/{config.server.server_name}.tls.'
                f'{"crt" if "certificate" in key else "key"}", or set tls: false'
            )


def _check_key_servers(keys: KeysConfig, settings: Settings) -> None:
    place = settings.place("trusted_key_servers").key("trusted_key_servers")
    certificates = settings.values.get("federation_verify_certificates")
    for i, trusted in enumerate(keys.trusted_key_servers):
        believed = trusted.verify_keys or trusted.accept_keys_insecurely
        if not believed and certificates is not None:
            verified = BOOLEAN.parse(
                certificates,
                settings.place("federation_verify_certificates").key(
                    "federation_verify_certificates"
                ),
            )
            if not verified:
                raise place.index(i).error(
                    "has no verify_keys, and federation_verify_certificates is false, so anybody "
                    "could pretend to be it: give its verify_keys, or, if the network is safe, "
                    "accept_keys_insecurely: true"
                )
    names = {trusted.server_name for trusted in keys.trusted_key_servers}
    if DEFAULT_KEY_SERVER in names and not keys.suppress_key_server_warning:
        place.warn(
            f"holds {DEFAULT_KEY_SERVER}, as it does unless given: what that server says about the "
            "keys of others is believed. If this is meant, add suppress_key_server_warning: true"
        )


def _warn_of_blind_trust(config: HomeserverConfig, settings: Settings) -> None:
    key = "use_insecure_ssl_client_just_for_testing_do_not_use"
    if config.outbound.use_insecure_ssl_client_just_for_testing_do_not_use:
        settings.place(key).key(key).warn(
            "is true: any certificate is believed, so identity servers and push gateways may be "
            "impostors"
        )


def _check_process(config: HomeserverConfig, settings: Settings) -> None:
    if config.server.daemonize and not config.server.pid_file:
        raise (
            settings.place("daemonize")
            .key("daemonize")
            .error(
                'is true, but pid_file is not given; for example: pid_file: "/run/homeserver.pid"'
            )
        )


def _registration(registration: RegistrationConfig, settings: Settings) -> RegistrationConfig:
    """Registration stays closed where it would be more open than the administrator meant it."""
    if not registration.enable_registration:
        return registration
    place = settings.place("enable_registration").key("enable_registration")
    wanted = [key for key in _VERIFICATIONS if _is_wanted(settings, key)]
    if wanted:
        place.warn(
            f"is true, but registration stays closed: {wanted[0]} is set, "
            "and this version can't ask newcomers for that"
        )
        return replace(registration, enable_registration=False)
    if not registration.enable_registration_without_verification:
        raise place.error(
            "is true, which lets anybody register, spammers too. If that is meant, add: "
            "enable_registration_without_verification: true"
        )
    return registration


def _is_wanted(settings: Settings, key: str) -> bool:
    value = settings.values.get(key)
    if value is None or isinstance(value, list):
        return bool(value)
    return BOOLEAN.parse(value, settings.place(key).key(key))


def _database(database: DatabaseConfig, settings: Settings) -> DatabaseConfig:
    """Checks `args`, and takes the connection pool's part out of them."""
    place = settings.place("database").key("database").key("args")
    args = {key: value for key, value in database.args.items() if not key.startswith("cp_")}
    if database.name == "sqlite3":
        path = args.get("database", DEFAULT_SQLITE_FILE)
        FilePath('"/var/lib/matrix-synapse/homeserver.db"').parse(path, place.key("database"))
        return replace(database, args={"database": path})
    pool = {
        key: _CONNECTIONS.parse(database.args[key], place.key(key))
        for key in ("cp_min", "cp_max")
        if database.args.get(key) is not None
    }
    parsed = replace(
        database,
        args=args,
        cp_min=pool.get("cp_min", database.cp_min),
        cp_max=pool.get("cp_max", database.cp_max),
    )
    if parsed.cp_min > parsed.cp_max:
        raise place.key("cp_min").error(f"is {parsed.cp_min}, more than cp_max: {parsed.cp_max}")
    return parsed


_CONNECTIONS = Integer(1, 1000, example=5)
