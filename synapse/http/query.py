"""The query string: decoded when asked, with accessors that check."""

from collections.abc import Sequence
from typing import overload
from urllib.parse import unquote_to_bytes

from synapse.api.errors import InvalidParam, MissingParam

# What fits a BIGINT, so that no parameter can overflow a column.
_MAX_INTEGER = 2**63 - 1


# The specification's words, and Python's, which matrix-nio writes.
_BOOLEANS = {"true": True, "false": False, "True": True, "False": False}


class Query:
    """A request's query parameters. A parameter given twice has the value of its first mention.

    Raises 400 `M_INVALID_PARAM` for what is not UTF-8 or not of the right kind, and
    `M_MISSING_PARAM` for a required parameter that is missing.
    """

    __slots__ = ("_values",)

    def __init__(self, text: str) -> None:
        self._values: dict[str, list[str]] = {}
        if text:
            self._parse(text)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    @overload
    def string(self, name: str) -> str | None: ...
    @overload
    def string(self, name: str, default: str) -> str: ...
    def string(self, name: str, default: str | None = None) -> str | None:
        values = self._values.get(name)
        return default if values is None else values[0]

    def required_string(self, name: str) -> str:
        values = self._values.get(name)
        if values is None:
            raise MissingParam(name)
        return values[0]

    def strings(self, name: str) -> list[str]:
        """Every value of a parameter that may be repeated, in order."""
        return list(self._values.get(name, ()))

    @overload
    def integer(
        self, name: str, *, minimum: int | None = None, maximum: int | None = None
    ) -> int | None: ...
    @overload
    def integer(
        self, name: str, default: int, *, minimum: int | None = None, maximum: int | None = None
    ) -> int: ...
    def integer(
        self,
        name: str,
        default: int | None = None,
        *,
        minimum: int | None = None,
        maximum: int | None = None,
    ) -> int | None:
        """A decimal integer. A value outside the bounds is refused, not clamped."""
        values = self._values.get(name)
        if values is None:
            return default
        text = values[0]
        digits = text.removeprefix("-")
        # int() alone would take "1_000", " 1 " and digits of other scripts.
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
            raise InvalidParam(f"Query parameter '{name}' must be an integer")
        value = int(text)
        if not -_MAX_INTEGER <= value <= _MAX_INTEGER:
            raise InvalidParam(f"Query parameter '{name}' is out of range")
        if minimum is not None and value < minimum:
            raise InvalidParam(f"Query parameter '{name}' must be at least {minimum}")
        if maximum is not None and value > maximum:
            raise InvalidParam(f"Query parameter '{name}' must be at most {maximum}")
        return value

    def boolean(self, name: str, default: bool = False) -> bool:
        values = self._values.get(name)
        if values is None:
            return default
        if values[0] in _BOOLEANS:
            return _BOOLEANS[values[0]]
        raise InvalidParam(f"Query parameter '{name}' must be 'true' or 'false'")

    @overload
    def choice(self, name: str, choices: Sequence[str]) -> str | None: ...
    @overload
    def choice(self, name: str, choices: Sequence[str], default: str) -> str: ...
    def choice(self, name: str, choices: Sequence[str], default: str | None = None) -> str | None:
        """One of `choices`."""
        values = self._values.get(name)
        if values is None:
            return default
        if values[0] not in choices:
            raise InvalidParam(f"Query parameter '{name}' must be one of: {', '.join(choices)}")
        return values[0]

    def _parse(self, text: str) -> None:
        for part in text.split("&"):
            if part:
                name, _, value = part.partition("=")
                self._values.setdefault(_decoded(name), []).append(_decoded(value))


def _decoded(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    try:
        text = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise InvalidParam("The query string is not UTF-8") from None
    if "\0" in text:
        # As in a path: no name has one, and PostgreSQL's text can't hold it.
        raise InvalidParam("The query string holds a NUL")
    return text
