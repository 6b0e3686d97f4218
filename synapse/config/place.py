"""Where in the configuration we are: what errors and warnings say about it."""

import json
import re
from dataclasses import dataclass, field

from synapse.config.errors import ConfigError

_PLAIN_KEY = re.compile(r"[\w.:@-]{1,100}")
_LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Place:
    """A key's path (`listeners[0].port`), its file, and where warnings about it go."""

    path: str = ""
    file: str | None = None
    # One list for the whole configuration, in the order in which things were noticed.
    warnings: list[str] = field(default_factory=list)
    # The value below is a secret: never show it.
    is_secret: bool = False

    def key(self, name: object, *, secret: bool = False) -> "Place":
        shown = name if isinstance(name, str) and _PLAIN_KEY.fullmatch(name) else show(name)
        path = f"{self.path}.{shown}" if self.path else str(shown)
        return Place(path, self.file, self.warnings, self.is_secret or secret)

    def index(self, position: int) -> "Place":
        return Place(f"{self.path}[{position}]", self.file, self.warnings, self.is_secret)

    def wrong(self, value: object, allowed: str, example: str) -> ConfigError:
        """The error for a value that isn't what the key wants."""
        shown = "a value that is not shown" if self.is_secret else show(value)
        return self.error(f"is {shown}, but must be {allowed}; for example: {example}")

    def error(self, text: str) -> ConfigError:
        return ConfigError(f"{self._prefix}{self.path} {text}".strip())

    def warn(self, text: str) -> None:
        self.warnings.append(f"{self._prefix}{self.path} {text}".strip())

    @property
    def _prefix(self) -> str:
        return f"{self.file}: " if self.file else ""


def show(value: object) -> str:
    """The value on one line; only the kind of a container, since secrets may be inside."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None or isinstance(value, str | bool | float):
        text = json.dumps(value)
    elif isinstance(value, int):
        # Python refuses to print integers of more than 4,300 digits.
        text = str(value) if value.bit_length() < 256 else "a huge number"
    else:
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
