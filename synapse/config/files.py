"""Reading `homeserver.yaml`, or several files whose top-level keys are laid over each other."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from synapse.config.errors import ConfigError
from synapse.config.place import Place, show

# libyaml reads a file ten times as fast; a PyYAML built without it does too.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Settings:
    """What the files say, not yet checked: the top-level keys, and which file each is from."""

    values: dict[str, object] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    # Of the last file, for keys that no file has.
    last_file: str | None = None
    warnings: list[str] = field(default_factory=list)

    def place(self, key: str) -> Place:
        """The place that holds this top-level key, for errors about it."""
        return Place(file=self.files.get(key, self.last_file), warnings=self.warnings)

    def put(self, key: str, value: object, *, like: str) -> None:
        """Add a key that another one stands for."""
        self.values[key] = value
        if like in self.files:
            self.files[key] = self.files[like]


def read_settings(paths: Iterable[str]) -> Settings:
    """Keys of later files win. A directory stands for its `*.yaml` files, in order of name."""
    settings = Settings()
    for file in yaml_files(paths):
        values = _read(file)
        settings.values.update(values)
        settings.files.update(dict.fromkeys(values, file))
        settings.last_file = file
    return settings


def yaml_files(paths: Iterable[str]) -> list[str]:
    """The files that the paths stand for. Raises if one doesn't exist."""
    files: list[str] = []
    for path in paths:
        try:
            names = sorted(os.listdir(path))
        except NotADirectoryError:
            files.append(path)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None
        else:
            inside = [os.path.join(path, name) for name in names if name.endswith(".yaml")]
            if not inside:
                raise ConfigError(f"{path}: the directory has no files named *.yaml")
            files += inside
    return files


def parse_yaml(content: bytes, file: str) -> dict[str, object]:
    """One file's mapping."""
    try:
        values = yaml.load(content.decode("utf-8-sig"), _Loader)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}, line {line}: is not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise ConfigError(_describe(error, file)) from None
    except (ValueError, OverflowError, RecursionError, TypeError) as error:
        # Dates that don't exist, integers of 5,000 digits, 1,000 levels of brackets.
        raise ConfigError(f"{file}: has a value that can't be read: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{file}: is {show(values)}, but must be keys and values; "
            'for example: server_name: "example.com"'
        )
    for key in values:
        if not isinstance(key, str):
            raise ConfigError(f"{file}: the key {show(key)} is not a text: put it in quotes")
    return values


def _read(file: str) -> dict[str, object]:
    try:
        with open(file, "rb") as opened:
            content = opened.read()
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from None
    return parse_yaml(content, file)


def _unreadable(path: str, error: Exception) -> ConfigError:
    if isinstance(error, FileNotFoundError):
        return ConfigError(
            f"{path}: there is no such file. To make one: python -m synapse.app.homeserver "
            f"--generate-config --server-name my.domain.name --config-path {path}"
        )
    reason = error.strerror if isinstance(error, OSError) else error
    return ConfigError(f"{path}: can't be read: {reason}")


class _Loader(_Base):  # type: ignore[misc]
    """Refuses a key that stands twice in one mapping: the first would be lost without a word."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
            if name is not None and name in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands here a second time", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def _describe(error: yaml.YAMLError, file: str) -> str:
    """The fault on one line, with line and column as editors count them."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        parts = [part for part in (error.context, error.problem) if part]
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        return f"{file}{where}: is not valid YAML: {'; '.join(parts)}"
    if isinstance(error, yaml.reader.ReaderError):
        character = error.character
        code = ord(character) if isinstance(character, str) else character
        return f"{file}: is not valid YAML: the character U+{code:04X} is not allowed"
    return f"{file}: is not valid YAML: {' '.join(str(error).split())}"
