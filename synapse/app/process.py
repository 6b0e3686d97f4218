"""What the process is to its operating system: limits, background, pid file, readiness."""

import atexit
import contextlib
import fcntl
import os
import resource
import socket
import sys
from typing import TextIO

from synapse.config.server import ServerConfig


def prepare(config: ServerConfig) -> None:
    """Raise limits, and go into the background if that is configured."""
    _raise_file_limit(config.soft_file_limit)
    if config.print_pidfile and config.pid_file is not None:
        print(config.pid_file, flush=True)
    pid_file = None if config.pid_file is None else _claim_pid_file(config.pid_file)
    if config.daemonize:
        _daemonize()
    if pid_file is not None:
        _write_pid_file(pid_file)


def _raise_file_limit(wanted: int) -> None:
    """Each connection is an open file. 0: as many as the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = wanted or hard
    if hard != resource.RLIM_INFINITY:
        target = min(target, hard)
    if target in (soft, resource.RLIM_INFINITY):
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))


def _daemonize() -> None:
    """Leave the terminal: the classic two forks, so that no terminal can come back."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    _to_null(0)


def fall_silent() -> None:
    """A daemon that has started has no terminal to write to; until then, its errors are seen."""
    sys.stdout.flush()
    sys.stderr.flush()
    _to_null(1, 2)


def _to_null(*descriptors: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(null, descriptor)
    os.close(null)


def _claim_pid_file(path: str) -> TextIO:
    """Held locked while we live, also across forks: a second server must not take the file away."""
    try:
        file = open(path, "a", encoding="ascii")  # noqa: SIM115
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"The server is running already; its pid is in {path}")
    except OSError as error:
        sys.exit(f"Can't write pid_file: {error}")
    return file


def _write_pid_file(file: TextIO) -> None:
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    atexit.register(_remove_pid_file, file, os.getpid())


def _remove_pid_file(file: TextIO, pid: int) -> None:
    if os.getpid() == pid:
        with contextlib.suppress(OSError):
            os.unlink(file.name)


def notify(state: str) -> None:
    """Tell the service manager, if there is one: `READY=1` (systemd's sd_notify protocol)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # Linux's abstract namespace
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifier,
    ):
        notifier.sendto(state.encode(), address)
