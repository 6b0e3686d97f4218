"""Which process a pid file means, and signals that reach that process and no other.

A number in a file proves nothing: the server may have been killed, or the machine started again,
and the number now belongs to somebody's editor. So a process counts as ours only when its command
line names the server and our configuration file. On Linux that is read from /proc, and the signal
goes through a pidfd, which cannot come to mean another process between the look and the signal.
Elsewhere `ps` is asked, and the moment between stays.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

MAIN_PROGRAM = "synapse.app.homeserver"
_MAIN_SCRIPT = "synapse_homeserver"


@dataclass(frozen=True, slots=True)
class PidFile:
    """The pid file of the server that was started with a configuration file."""

    path: Path
    config: Path

    def running_pid(self) -> int | None:
        """The pid of the server if it runs, however old the pid file is."""
        try:
            pid = int(self.path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
        return pid if pid > 0 and self.is_server(pid) else None

    def is_server(self, pid: int) -> bool:
        """Whether this process is the server, with our configuration, and has not ended."""
        words = command_line(pid)
        if not any(word == MAIN_PROGRAM or Path(word).name == _MAIN_SCRIPT for word in words):
            return False
        return any(self._is_our_config(word, pid) for word in words)

    def terminate(self, pid: int) -> None:
        """Ask the process to end, if it is the server. Raises `PermissionError`."""
        with contextlib.suppress(ProcessLookupError), _signaller(pid) as send:
            # The handle is open: from here on the number cannot come to mean another process.
            if self.is_server(pid):
                send(signal.SIGTERM)

    def _is_our_config(self, word: str, pid: int) -> bool:
        written = Path(word.rpartition("=")[2])
        if written.name != self.config.name:
            return False
        if written.is_absolute():
            return _resolved(written) == _resolved(self.config)
        # A daemon may have left the folder that the name is relative to; then the name must do.
        folder = _working_folder(pid)
        return not (folder / written).exists() or _resolved(folder / written) == _resolved(
            self.config
        )


def command_line(pid: int) -> list[str]:
    """The words of a process's command line; none when it has ended, also as a zombie."""
    if Path("/proc/self/cmdline").exists():
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return []
        return [os.fsdecode(word) for word in raw.split(b"\0") if word]
    shown = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.split()


@contextlib.contextmanager
def _signaller(pid: int) -> Iterator[Callable[[signal.Signals], None]]:
    """A function that signals this very process. Raises `ProcessLookupError` if it has ended."""
    if not hasattr(os, "pidfd_open"):
        yield lambda number: os.kill(pid, number)
        return
    handle = os.pidfd_open(pid)
    try:
        yield lambda number: signal.pidfd_send_signal(handle, number)
    finally:
        os.close(handle)


def _working_folder(pid: int) -> Path:
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return Path("/")


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))
