"""`python -m synapse.config`: check a configuration, read one value of it, print the sample.

python -m synapse.config check homeserver.yaml
python -m synapse.config [read KEY] -c homeserver.yaml
python -m synapse.config sample
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from synapse.config.errors import ConfigError
from synapse.config.existing_files import check_files
from synapse.config.files import read_settings
from synapse.config.homeserver import HomeserverConfig
from synapse.config.options import options
from synapse.config.parser import parse
from synapse.config.sample import sample


def main(argv: Sequence[str]) -> int:
    parser = _parser()
    arguments = parser.parse_intermixed_args(argv)
    paths: list[str]
    wanted: str | None = None
    match arguments.words:
        case ["sample"]:
            print(sample(), end="")
            return 0
        case ["read", key]:
            paths, wanted = [], key
        case ["check", *paths]:
            pass
        case []:
            paths = []
        case _:
            parser.error(f"unknown command: {' '.join(arguments.words)}")
    paths = [*(arguments.config_path or []), *paths]
    if not paths:
        parser.error("no configuration: python -m synapse.config check homeserver.yaml")
    try:
        return _check(paths, wanted)
    except ConfigError as error:
        print(f"Error in the configuration: {error}", file=sys.stderr)
        return 1


def _check(paths: list[str], wanted: str | None) -> int:
    settings = read_settings(paths)
    directory = paths[0] if os.path.isdir(paths[0]) else os.path.dirname(paths[0])
    config = parse(settings, environ=os.environ, config_directory=directory or ".")
    if wanted is not None:
        print(find(config, wanted))
        return 0
    check_files(config, settings)
    for warning in settings.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    print("Config parses OK!")
    return 0


def find(config: HomeserverConfig, wanted: str) -> str:
    """One value as `section.field: value`. The key may be YAML's, or a path through our fields."""
    value: Any = config
    path: list[str] = []
    for word in wanted.split("."):
        step = _step(value, word)
        if step is None:
            raise ConfigError(f"there is no value named {wanted}; for example: server.server_name")
        path += step
        for name in step:
            value = getattr(value, name)
    return f"{'.'.join(path)}: {_show(value)}"


def _step(value: Any, word: str) -> list[str] | None:
    """The fields that lead from a section (or from the whole) to what the word names."""
    if not is_dataclass(value):
        return None
    for declared, declaration in options(value):
        if word in (declared.name, declaration.key_of(declared)):
            return [declared.name]
    if any(word == declared.name for declared in fields(value)):
        return [word]
    if isinstance(value, HomeserverConfig):
        for declared in fields(value):
            section = getattr(value, declared.name)
            inside = _step(section, word) if is_dataclass(section) else None
            if inside:
                return [declared.name, *inside]
    return None


def _show(value: Any) -> str:
    if isinstance(value, str):
        return value
    if is_dataclass(value):
        return repr(value)
    return json.dumps(value, default=repr, ensure_ascii=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m synapse.config",
        description="Check a configuration without starting the server.",
        usage="%(prog)s check FILE… | [read KEY] -c FILE | sample",
    )
    parser.add_argument(
        "-c", "--config-path", action="append", metavar="FILE", help="as with check"
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="COMMAND",
        help="check FILE…: check files; read KEY: print one value, such as server.server_name; "
        "sample: print homeserver.sample.yaml",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
