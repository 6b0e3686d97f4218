"""Options: dataclass fields that know their key, kind, default and meaning.

A section is a frozen dataclass whose fields are made by `option`. The same declaration parses
`homeserver.yaml`, finds unknown keys and writes `homeserver.sample.yaml`:

    @dataclass(frozen=True, slots=True, kw_only=True)
    class MetricsConfig:
        enable_metrics: bool = option(BOOLEAN, False, "Collect metrics for Prometheus.")
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, TypeVar, overload

from synapse.config.composed import mapping
from synapse.config.kinds import SECRET, Kind
from synapse.config.known_keys import warn_about_unknown
from synapse.config.place import Place

T = TypeVar("T")
S = TypeVar("S")
_OPTION = "synapse.option"


@dataclass(frozen=True, slots=True)
class Option:
    """What a field's declaration says besides its default."""

    kind: Kind[Any]
    doc: str
    key: str | None  # None: the field's name
    example: str | None  # YAML for the sample, when the default would say nothing
    secret: bool = False  # never shown
    in_file: bool = False  # `<key>_path` may name a file that holds the value

    def key_of(self, owner: "Field[Any]") -> str:
        return self.key or owner.name


@overload
def option(
    kind: Kind[T],
    default: None,
    doc: str,
    *,
    key: str | None = None,
    example: str | None = None,
    has_secrets: bool = False,
) -> T | None: ...
@overload
def option(
    kind: Kind[T],
    default: T,
    doc: str,
    *,
    key: str | None = None,
    example: str | None = None,
    has_secrets: bool = False,
) -> T: ...
def option(
    kind: Kind[Any],
    default: Any,
    doc: str,
    *,
    key: str | None = None,
    example: str | None = None,
    has_secrets: bool = False,
) -> Any:
    """A key that may be left out. Its value `null` means the same as leaving it out."""
    metadata = {_OPTION: Option(kind, doc, key, example, secret=has_secrets)}
    shown = not has_secrets
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), repr=shown, metadata=metadata)
    return field(default=default, repr=shown, metadata=metadata)


def required(kind: Kind[T], doc: str, *, example: str | None = None) -> T:
    """A key that must be given."""
    metadata = {_OPTION: Option(kind, doc, None, example)}
    made: T = field(metadata=metadata)
    return made


def secret(doc: str, *, example: str | None = None, in_file: bool = True) -> str | None:
    """A secret: `<key>` holds it, or (with `in_file`) `<key>_path` names the file that does."""
    declaration = Option(SECRET, doc, None, example, secret=True, in_file=in_file)
    made: str | None = field(default=None, repr=False, metadata={_OPTION: declaration})
    return made


def section(kind: type[T]) -> T:
    """A field of the whole configuration that holds one section."""
    return field(default_factory=kind)


def find_option(declared: "Field[Any]") -> Option | None:
    """The declaration of a field, if it is one key's and not a whole section's."""
    found: Option | None = declared.metadata.get(_OPTION)
    return found


def options(section: Any) -> Iterator[tuple["Field[Any]", Option]]:
    """The fields of a section that are options."""
    for declared in fields(section):
        found = find_option(declared)
        if found is not None:
            yield declared, found


def keys_of(section: Any) -> Iterator[str]:
    """The keys that a section reads."""
    for declared, declaration in options(section):
        yield declaration.key_of(declared)
        if declaration.in_file:
            yield f"{declaration.key_of(declared)}_path"


def parse_section(section: type[S], values: Mapping[str, object], place: Place) -> S:
    """The section, with its class's defaults for what isn't given."""
    return section(**parse_fields(section, values, lambda _: place))


def parse_fields(
    section: Any, values: Mapping[str, object], place_of: Callable[[str], Place]
) -> dict[str, Any]:
    """The fields whose keys are given. `place_of` tells for a key where it stands."""
    found: dict[str, Any] = {}
    for declared, declaration in options(section):
        key = declaration.key_of(declared)
        value = values.get(key)
        here = place_of(key).key(key, secret=declaration.secret)
        if declaration.in_file and values.get(f"{key}_path") is not None:
            if value is not None:
                raise here.error(f"and {key}_path are both given: keep only one")
            path_key = f"{key}_path"
            found[declared.name] = _secret_in_file(
                values[path_key], place_of(path_key).key(path_key)
            )
        elif value is not None:
            found[declared.name] = declaration.kind.parse(value, here)
        elif declared.default is MISSING and declared.default_factory is MISSING:
            raise here.error(
                f"is missing: it must be {declaration.kind.allowed}; "
                f"for example: {declaration.example or declaration.kind.example}"
            )
    return found


class Section(Kind[S]):
    """A mapping with known keys. What isn't given is as in `base`, or the class's default.

    With `one_line` the sample shows it as `{key: value}`, since the keys explain themselves.
    """

    allowed = "a mapping"

    def __init__(self, section: type[S], base: S | None = None, *, one_line: bool = False) -> None:
        self.section = section
        self.base = base
        self.one_line = one_line
        self.example = "{" + ", ".join(f"{k}: …" for k in keys_of(section)) + "}"

    def show(self, value: Any) -> str:
        pairs = ((d.key_of(f), d.kind.show(getattr(value, f.name))) for f, d in options(value))
        return "{" + ", ".join(f"{key}: {shown}" for key, shown in pairs) + "}"

    def parse(self, value: object, place: Place) -> S:
        values = mapping(value, place, self.allowed, self.example)
        warn_about_unknown(values, list(keys_of(self.section)), place)
        given = parse_fields(self.section, values, lambda _: place)
        if self.base is None:
            return self.section(**given)
        old = {declared.name: getattr(self.base, declared.name) for declared in fields(self.base)}  # type: ignore[arg-type]
        return self.section(**{**old, **given})


def _secret_in_file(value: object, place: Place) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise place.wrong(value, "the path of a file that holds the secret", '"/run/secrets/key"')
    try:
        with open(value, encoding="utf-8") as file:
            content = file.read().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't UTF-8"
        raise place.error(f"names the file {value!r}, which can't be read: {reason}") from None
    if not content:
        raise place.error(f"names the file {value!r}, which is empty")
    return content
