"""homeserver.sample.yaml, written from the declarations of the options.

Prose begins with `# `; every other line is a setting, with `#` in front. Comments of keys inside a
mapping are indented like them (`#  # Meaning.`) and stay comments when the `#` is taken away.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any

from synapse.config.homeserver import HomeserverConfig
from synapse.config.options import Option, Section, find_option, options

_WIDTH = 98

_HEAD = """\
# Every setting of homeserver.yaml, with its meaning and its default value.
#
# This is not a configuration to start from: --generate-config makes that. Take from here what you
# want to change, without the "#" at the beginning of the line and of the lines indented below it.
#
# Durations: 30s, 5m, 1h, 7d, 2w, 1y, or a number of milliseconds. Sizes: 10K, 50M, 2G, or a number.
# A key left out, or with the value null, has its default value: the one shown here, except where
# the comment says "Not set by default" or "Unless given": there, it is an example.
#
# This file is made by: python -m synapse.config sample
"""


def sample() -> str:
    """The whole file."""
    parts = [_HEAD]
    for declared in fields(HomeserverConfig):
        declaration = find_option(declared)
        if declaration is None:
            assert isinstance(declared.type, type), "sections are declared by their class"
            parts.append(_heading(declared.type.__doc__ or ""))
            parts += ["\n".join(lines) + "\n" for lines in _entries(declared.type)]
        else:
            parts.append(_heading(_title(declared, declaration)))
            lines = _entry(declaration.key_of(declared), declaration, _default(declared), 0)
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _heading(title: str) -> str:
    return f"\n## {title} ##\n"


def _title(declared: "Field[Any]", declaration: Option) -> str:
    if isinstance(declaration.kind, Section):
        return str(declaration.kind.section.__doc__)
    return declared.name.capitalize()


def _entries(section: Any, values: Any = None, indent: int = 0) -> Iterator[list[str]]:
    """The lines of each key, with the defaults of the class or those of an instance, `values`."""
    for declared, declaration in options(section):
        default = _default(declared) if values is None else getattr(values, declared.name)
        yield list(_entry(declaration.key_of(declared), declaration, default, indent))


def _entry(key: str, declaration: Option, default: Any, indent: int) -> Iterator[str]:
    """One key's comment and its line, or the keys inside it."""
    kind = declaration.kind
    yield from _comment(_meaning(key, declaration, default), indent)
    if isinstance(kind, Section) and not kind.one_line:
        yield _setting(f"{key}:", indent)
        for lines in _entries(kind.section, default, indent + 2):
            yield from lines
    elif (item := getattr(kind, "item_section", None)) is not None:
        yield _setting(f"{key}:", indent)
        yield from _list_item(item, indent + 4)
    elif default is MISSING or _says_nothing(default):
        yield _setting(f"{key}: {declaration.example or kind.example}", indent)
    else:
        yield _setting(f"{key}: {kind.show(default)}", indent)


def _meaning(key: str, declaration: Option, default: Any) -> str:
    meaning = declaration.doc
    if declaration.in_file:
        meaning += f" {key}_path may name a file that holds it instead."
    if default is MISSING:
        meaning += " Must be given."
    elif _says_nothing(default) and "nless given" not in meaning:
        meaning += " Not set by default."
    return meaning


def _says_nothing(default: Any) -> bool:
    return default in (None, "", (), {})


def _list_item(section: Any, indent: int) -> Iterator[str]:
    """The keys of one item, the first of them after the dash."""
    is_first = True
    for lines in _entries(section, indent=indent):
        for line in lines:
            is_setting = line[1 + indent] != "#"
            if is_first and is_setting:
                line = f"#{' ' * (indent - 2)}- {line[1 + indent :]}"
                is_first = False
            yield line


def _default(declared: "Field[Any]") -> Any:
    if declared.default_factory is not MISSING:
        return declared.default_factory()
    return declared.default


def _comment(text: str, indent: int) -> list[str]:
    # Inside a mapping, comments too are settings that are commented out: `#  # Meaning.`
    prefix = "#" + " " * indent + "# " if indent else "# "
    return textwrap.wrap(
        text, _WIDTH, initial_indent=prefix, subsequent_indent=prefix, break_on_hyphens=False
    )


def _setting(text: str, indent: int) -> str:
    return "#" + " " * indent + text
