"""Kinds of composed values: lists, mappings, and mappings with known keys."""

from typing import Any, TypeVar

from synapse.config.kinds import Kind
from synapse.config.place import Place

T = TypeVar("T")

# Deeper than any sane configuration; a YAML alias can make a list that contains itself.
_DEEPEST = 30


class ListOf(Kind[tuple[T, ...]]):
    """A list of one kind. With `or_one`, a single value stands for a list of one."""

    def __init__(self, kind: Kind[T], *, or_one: bool = False) -> None:
        self._kind, self._or_one = kind, or_one
        # Of a list of sections, for the sample.
        self.item_section: type | None = getattr(kind, "section", None)
        self.allowed = f"a list, each item {kind.allowed}"
        self.example = f"[{kind.example}]"

    def parse(self, value: object, place: Place) -> tuple[T, ...]:
        if self._or_one and not isinstance(value, list | dict):
            return (self._kind.parse(value, place),)
        if not isinstance(value, list):
            raise place.wrong(value, self.allowed, self.example)
        return tuple(self._kind.parse(item, place.index(i)) for i, item in enumerate(value))

    def show(self, value: Any) -> str:
        return "[" + ", ".join(self._kind.show(item) for item in value) + "]"


class MapOf(Kind[dict[str, T]]):
    """A mapping from any text to one kind."""

    def __init__(self, kind: Kind[T], example: str) -> None:
        self._kind = kind
        self.allowed = f"a mapping, each value {kind.allowed}"
        self.example = example

    def parse(self, value: object, place: Place) -> dict[str, T]:
        return {
            key: self._kind.parse(item, place.key(key))
            for key, item in mapping(value, place, self.allowed, self.example).items()
        }

    def show(self, value: Any) -> str:
        items = (f"{Kind.show(self, key)}: {self._kind.show(v)}" for key, v in value.items())
        return "{" + ", ".join(items) + "}"


class JsonValue(Kind[Any]):
    """Anything that JSON can say, as it is."""

    allowed = "a value that JSON can hold"
    example = '"text"'

    def parse(self, value: object, place: Place) -> Any:
        return self._parse(value, place, 0)

    def _parse(self, value: object, place: Place, depth: int) -> Any:
        if depth > _DEEPEST:
            raise place.error(f"is nested more than {_DEEPEST} levels deep")
        if isinstance(value, list):
            return [self._parse(v, place.index(i), depth + 1) for i, v in enumerate(value)]
        if isinstance(value, dict):
            items = mapping(value, place, self.allowed, self.example).items()
            return {key: self._parse(v, place.key(key), depth + 1) for key, v in items}
        if value is None or isinstance(value, str | bool | int):
            return value
        if isinstance(value, float) and abs(value) < float("inf"):
            return value
        raise place.wrong(value, self.allowed, self.example)


class JsonObject(Kind[dict[str, Any]]):
    """A mapping whose values JSON can hold."""

    allowed = "a mapping"

    def __init__(self, example: str) -> None:
        self.example = example

    def parse(self, value: object, place: Place) -> dict[str, Any]:
        items = mapping(value, place, self.allowed, self.example)
        parsed: dict[str, Any] = JSON_VALUE.parse(items, place)
        return parsed


JSON_VALUE = JsonValue()


def mapping(value: object, place: Place, allowed: str, example: str) -> dict[str, object]:
    """The value as a mapping whose keys are texts."""
    if not isinstance(value, dict):
        raise place.wrong(value, allowed, example)
    for key in value:
        if not isinstance(key, str):
            raise place.key(key).error("is a key that isn't a text: put it in quotes")
    return value
