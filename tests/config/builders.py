"""What the tests of the configuration share."""

import os
import tempfile
from collections.abc import Callable
from unittest import TestCase

from synapse.config.errors import ConfigError
from synapse.config.files import Settings
from synapse.config.homeserver import HomeserverConfig
from synapse.config.parser import parse

# A configuration without anything to warn about.
QUIET: dict[str, object] = {
    "server_name": "example.com",
    "listeners": [{"port": 8008, "resources": [{"names": ["client"]}]}],
    "suppress_key_server_warning": True,
}


def parsed(**values: object) -> HomeserverConfig:
    return parse(Settings(values={**QUIET, **values}))


def parsed_with_warnings(**values: object) -> tuple[HomeserverConfig, list[str]]:
    settings = Settings(values={**QUIET, **values})
    return parse(settings), settings.warnings


def error_of(**values: object) -> str:
    """The error that these values bring."""
    return error_from(parsed, **values)


def error_from(call: Callable[..., object], *args: object, **keywords: object) -> str:
    """The text of the `ConfigError` that a call raises."""
    try:
        call(*args, **keywords)
    except ConfigError as error:
        return str(error)
    raise AssertionError(f"{args} {keywords} should have been refused")


class InDirectory(TestCase):
    """A test in an empty directory of its own, which is the current one."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(directory.name)

    def write(self, path: str, content: str | bytes) -> str:
        with open(path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        return path
