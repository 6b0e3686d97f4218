"""What the process is to its operating system: limits, background, pid file, readiness."""

import atexit
import contextlib
import os
import resource
import socket
import sys

from synapse.config.server import ServerConfig


def prepare(config: ServerConfig) -> None:
    """Raise limits, and go into the background if that is configured."""
    _raise_file_limit(config.soft_file_limit)
    if config.print_pidfile and config.pid_file is not None:
        print(config.pid_file, flush=True)
    if config.daemonize:
        _daemonize()
    if config.pid_file is not None:
        _write_pid_file(config.pid_file)


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
    null = os.open(os.devnull, os.O_RDWR)
    sys.stdout.flush()
    sys.stderr.flush()
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _write_pid_file(path: str) -> None:
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
    except OSError as error:
        sys.exit(f"Can't write pid_file: {error}")
    atexit.register(_remove_pid_file, path, os.getpid())


def _remove_pid_file(path: str, pid: int) -> None:
    if os.getpid() == pid:
        with contextlib.suppress(OSError):
            os.unlink(path)


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
