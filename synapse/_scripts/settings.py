"""homeserver.yaml as the commands read it: leniently.

The server checks every value when it starts. A command needs two or three of them, and must work
with a file that the server would refuse: who broke a line of it still wants `synctl stop`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml


class Unreadable(Exception):
    """There is no such file, or it is no YAML. The text is for the administrator."""


def read_settings(paths: Iterable[Path]) -> dict[str, Any]:
    """The files merged, keys of later ones winning; a folder stands for its *.yaml files."""
    settings: dict[str, Any] = {}
    for path in paths:
        for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
            settings.update(_read_file(file))
    return settings


def _read_file(path: Path) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Unreadable(f"Cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Unreadable(f"{path} is not YAML: {error}") from None
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise Unreadable(f"{path} must hold keys and values, such as `server_name: example.com`")
    return settings
