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
        shown = "has a value that isn't shown" if self.is_secret else f"is {show(value)}"
        return self.error(f"{shown}, but must be {allowed}; for example: {example}")

    def error(self, text: str) -> ConfigError:
        return ConfigError(self._sentence(text))

    def warn(self, text: str) -> None:
        self.warnings.append(self._sentence(text))

    def _sentence(self, text: str) -> str:
        sentence = f"{self.path} {text}" if self.path else text
        return f"{self.file}: {sentence}" if self.file else sentence


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
