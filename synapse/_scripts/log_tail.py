"""What a server wrote to its log since it was started, to say why it did not come up."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from synapse.config.errors import ConfigError
from synapse.config.files import read_settings

SHOWN_LINES = 20
_READ_BYTES = 64 * 1024


class LogTail:
    """The lines added to some log files since this object was made."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._sizes = {file: _size(file) for file in files}

    def lines(self) -> list[str]:
        """The last of them, each file's under its name."""
        shown = []
        for file, before in self._sizes.items():
            added = _read_from(file, before)[-SHOWN_LINES:]
            if added:
                shown += [f"The last lines of {file}:", *(f"    {line}" for line in added)]
        return shown


def log_files(settings: Mapping[str, object]) -> list[Path]:
    """The files that the log config names; none when it cannot be read."""
    log_config = settings.get("log_config")
    if not isinstance(log_config, str):
        return []
    try:
        handlers = read_settings([log_config]).values.get("handlers")
    except ConfigError:
        return []
    if not isinstance(handlers, dict):
        return []
    names = [handler.get("filename") for handler in handlers.values() if isinstance(handler, dict)]
    return [Path(name) for name in names if isinstance(name, str)]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _read_from(file: Path, start: int) -> list[str]:
    size = _size(file)
    # A file that has become smaller was begun anew.
    start = max(start if start <= size else 0, size - _READ_BYTES)
    try:
        with file.open("rb") as opened:
            opened.seek(start)
            return opened.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
