"""Single sections of homeserver.yaml, for commands that need no more of it.

Debian's packages split the configuration: `conf.d/registration_shared_secret.yaml` is a file for
`register_new_matrix_user`, but not for a server, which asks for a `server_name` too.
"""

from collections.abc import Iterable
from typing import TypeVar

from synapse.config.files import Settings, read_settings
from synapse.config.listeners import ListenerConfig, Listeners
from synapse.config.old_forms import modernise
from synapse.config.options import Section, parse_fields
from synapse.config.passwords import PasswordConfig

S = TypeVar("S")


def read_config(paths: Iterable[str]) -> Settings:
    """What the files say, not yet checked. Raises `ConfigError`, as do the functions below."""
    settings = read_settings(paths)
    modernise(settings)
    return settings


def flat_section(section: type[S], settings: Settings) -> S:
    """A section whose keys stand at the top of the file."""
    return section(**parse_fields(section, settings.values, settings.place))


def password_config(settings: Settings) -> PasswordConfig:
    value = settings.values.get("password_config") or {}
    place = settings.place("password_config").key("password_config")
    return Section(PasswordConfig).parse(value, place)


def listeners(settings: Settings) -> tuple[ListenerConfig, ...]:
    value = settings.values.get("listeners") or []
    return Listeners().parse(value, settings.place("listeners").key("listeners"))
