"""Kinds of single values: how YAML's value becomes ours, and how ours is shown in the sample.

A kind is as lenient as existing deployments need (`'true'`, `yes` and `1` are booleans) and no
more: what it can't read is a `ConfigError` that says what is allowed and shows a good value.
"""

import json
import math
import os
import re
from collections.abc import Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from synapse.api.identifiers import is_server_name
from synapse.config.place import Place

T_co = TypeVar("T_co", covariant=True)


class Kind(Generic[T_co]):
    """A kind of value. `allowed` ends the sentence "must be …", `example` is YAML."""

    allowed: str
    example: str

    def parse(self, value: object, place: Place) -> T_co:
        raise NotImplementedError

    def show(self, value: Any) -> str:
        """A parsed value as YAML, on one line."""
        return json.dumps(value, ensure_ascii=False)


class Boolean(Kind[bool]):
    allowed = "true or false"
    example = "true"

    _WORDS = {"true": True, "yes": True, "on": True, "1": True, "y": True} | {
        "false": False, "no": False, "off": False, "0": False, "n": False
    }  # fmt: skip

    def parse(self, value: object, place: Place) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, int) and value in (0, 1):
            return bool(value)
        if isinstance(value, str) and value.strip().lower() in self._WORDS:
            return self._WORDS[value.strip().lower()]
        raise place.wrong(value, self.allowed, self.example)


class Integer(Kind[int]):
    def __init__(self, minimum: int = 0, maximum: int = 2**53 - 1, *, example: int = 10) -> None:
        self._minimum, self._maximum = minimum, maximum
        upper = f" to {maximum}" if maximum < 2**53 - 1 else " up"
        self.allowed = f"a whole number from {minimum}{upper}"
        self.example = str(example)

    def parse(self, value: object, place: Place) -> int:
        number = _integer(value)
        if number is None or not self._minimum <= number <= self._maximum:
            raise place.wrong(value, self.allowed, self.example)
        return number


class Number(Kind[float]):
    allowed = "a number from 0 up"
    example = "0.5"

    def parse(self, value: object, place: Place) -> float:
        try:
            # A boolean is an int to Python, but nobody's rate.
            number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not 0 <= number < math.inf:
            raise place.wrong(value, self.allowed, self.example)
        return number


class Text(Kind[str]):
    def __init__(self, allowed: str = "a text (in quotes)", example: str = '"text"') -> None:
        self.allowed, self.example = allowed, example

    def parse(self, value: object, place: Place) -> str:
        if not isinstance(value, str) or not self._accepts(value):
            raise place.wrong(value, self.allowed, self.example)
        return value

    def _accepts(self, value: str) -> bool:
        # NUL reaches neither a file's name nor a database, lone surrogates no UTF-8.
        return bool(value) and "\0" not in value and not _SURROGATES.search(value)


class Pattern(Text):
    """A text that matches a regular expression as a whole."""

    def __init__(self, pattern: str, allowed: str, example: str) -> None:
        super().__init__(allowed, example)
        self._pattern = re.compile(pattern)

    def _accepts(self, value: str) -> bool:
        return super()._accepts(value) and self._pattern.fullmatch(value) is not None


class ServerName(Text):
    def __init__(self) -> None:
        super().__init__(
            "a server name: a domain or IP address, with :port if needed", '"matrix.example.com"'
        )

    def _accepts(self, value: str) -> bool:
        # Stricter than what we accept of others: this name can never be corrected.
        return is_server_name(value) and not _UNREACHABLE.search(value)


class Url(Text):
    def __init__(self, *, slash: bool = False) -> None:
        super().__init__("an http:// or https:// URL", '"https://matrix.example.com/"')
        self._slash = slash

    def parse(self, value: object, place: Place) -> str:
        url = super().parse(value, place)
        return url + "/" if self._slash and not url.endswith("/") else url

    def _accepts(self, value: str) -> bool:
        try:
            parts = urlsplit(value)
        except ValueError:
            return False
        printable = super()._accepts(value) and not re.search(r"[\s\x00-\x1f\x7f]", value)
        return printable and parts.scheme in ("http", "https") and bool(parts.netloc)


class Choice(Kind[str]):
    def __init__(self, choices: Sequence[str]) -> None:
        self._choices = choices
        self.allowed = f"one of {', '.join(choices)}"
        self.example = choices[0]

    def parse(self, value: object, place: Place) -> str:
        # YAML 1.1 reads an unquoted `off` as false.
        word = "off" if value is False else value
        if not isinstance(word, str) or word not in self._choices:
            raise place.wrong(value, self.allowed, self.example)
        return word


class FilePath(Text):
    """A path, made absolute at once: a daemon may change its directory later."""

    def __init__(self, example: str = '"/etc/matrix-synapse/file"') -> None:
        super().__init__("the path of a file", example)

    def parse(self, value: object, place: Place) -> str:
        return os.path.abspath(super().parse(value, place))


class Duration(Kind[int]):
    """`5m`, `1h`, `7d`, `2w`, `1y`, or milliseconds."""

    allowed = "a duration such as 30s, 5m, 1h, 7d, 2w, 1y, or a number of milliseconds"

    def __init__(self, example: str = "1h") -> None:
        self.example = example

    def parse(self, value: object, place: Place) -> int:
        milliseconds = _scaled(value, _DURATION, _MILLISECONDS)
        if milliseconds is None:
            raise place.wrong(value, self.allowed, self.example)
        return milliseconds

    def show(self, value: Any) -> str:
        for unit, length in reversed(_MILLISECONDS.items()):
            if unit and value and value % length == 0:
                return f"{value // length}{unit}"
        return str(value)


class Size(Kind[int]):
    """`50M`, `10K`, `500MiB`; a number of bytes, or of things (powers of 1024 all the same)."""

    allowed = "a size such as 512, 10K, 50M or 2G"

    def __init__(self, example: str = "50M") -> None:
        self.example = example

    def parse(self, value: object, place: Place) -> int:
        size = _scaled(value.upper() if isinstance(value, str) else value, _SIZE, _BYTES)
        if size is None:
            raise place.wrong(value, self.allowed, self.example)
        return size

    def show(self, value: Any) -> str:
        for unit, length in reversed(_BYTES.items()):
            if unit and value and value % length == 0:
                return f"{value // length}{unit}"
        return str(value)


# An empty label of the domain, or port 0.
_UNREACHABLE = re.compile(r"^\.|\.\.|\.(:[0-9]+)?$|:0+$")
_SURROGATES = re.compile("[\ud800-\udfff]")
_DURATION = re.compile(r"([0-9]{1,15})([smhdwy]?)", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,15})([KMGT]?)(?:IB|B)?", re.ASCII)
_SECOND_MS = 1000
_MILLISECONDS = {
    "": 1,
    "s": _SECOND_MS,
    "m": 60 * _SECOND_MS,
    "h": 3600 * _SECOND_MS,
    "d": 86400 * _SECOND_MS,
    "w": 7 * 86400 * _SECOND_MS,
    "y": 365 * 86400 * _SECOND_MS,
}
_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def _scaled(value: object, pattern: re.Pattern[str], units: dict[str, int]) -> int | None:
    if isinstance(value, str) and (match := pattern.fullmatch(value.strip())):
        scaled = int(match[1]) * units[match[2]]
    elif isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        scaled = value
    else:
        return None
    return scaled if scaled < 2**53 else None


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,17}", value.strip(), re.ASCII):
        return int(value)
    return None


BOOLEAN = Boolean()
NUMBER = Number()
TEXT = Text()
SECRET = Text("a secret text (in quotes, if it looks like a number)", '"a long random text"')
