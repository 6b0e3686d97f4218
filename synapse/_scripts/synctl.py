"""`synctl`: starts and stops the server, and says whether it runs."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from synapse._scripts.log_tail import LogTail, log_files
from synapse._scripts.processes import MAIN_PROGRAM, PidFile
from synapse._scripts.readiness import ReadySocket
from synapse.config.errors import ConfigError
from synapse.config.files import read_settings

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60
# How long a daemon may take from leaving the terminal to writing its pid file.
PID_FILE_TIMEOUT_S = 5
POLL_S = 0.1

EXIT_FAILED = 1
EXIT_NOT_RUNNING = 3  # what init scripts answer to "status" (Linux Standard Base)


def main() -> None:
    arguments = _parser().parse_args()
    try:
        if arguments.worker:
            # It names one process that does not exist: there is nothing to start or stop.
            _explain_worker(arguments.worker)
            sys.exit(0)
        server = Server(arguments.configfile)
        if arguments.all_processes:
            for file in sorted(arguments.all_processes.glob("*.yaml")):
                _explain_worker(file)
        sys.exit(_act(server, arguments))
    except (Failed, ConfigError) as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_FAILED)


class Failed(Exception):
    """What was asked for did not work. The text is for the administrator."""


class Server:
    """The server that a configuration file describes."""

    def __init__(self, config: Path) -> None:
        if not config.exists():
            raise Failed(
                f"There is no {config}. This command makes one:\n"
                f"    python -m {MAIN_PROGRAM} --server-name my.domain.name "
                f"--config-path {config} --generate-config --report-stats=no"
            )
        self.config = config
        # Unchecked: with a wrong value in the file, one still wants to stop the server.
        self.settings = read_settings([str(config)]).values
        pid_file = self.settings.get("pid_file")
        if not isinstance(pid_file, str):
            raise Failed(f"{config} must say where the pid goes: pid_file: /var/run/homeserver.pid")
        self.pid_file = PidFile(Path(pid_file), config.absolute())

    def start(self) -> None:
        """Start it in the background, and wait until it answers."""
        if (pid := self.pid_file.running_pid()) is not None:
            print(f"{MAIN_PROGRAM} is already running, with pid {pid}")
            return
        tail = LogTail(log_files(self.settings))
        with ReadySocket() as ready, tempfile.TemporaryFile() as output:
            launcher = subprocess.Popen(
                [*self._command(), "--daemonize"],
                env=self._environment() | {"NOTIFY_SOCKET": ready.path},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            problem = self._wait_until_ready(launcher, ready)
            if problem:
                # What goes to the terminal until the server is ready; else what is in the log.
                raise Failed("\n".join([problem, *(_last_lines(output) or tail.lines())]))
        print(f"started {MAIN_PROGRAM}({self.config})")

    def run(self) -> None:
        """Become the server, in the foreground."""
        if (pid := self.pid_file.running_pid()) is not None:
            raise Failed(f"{MAIN_PROGRAM} is already running, with pid {pid}")
        os.execve(sys.executable, self._command(), self._environment())

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        pid = self.pid_file.running_pid()
        if pid is None:
            print(f"{MAIN_PROGRAM} is not running")
            return
        try:
            self.pid_file.terminate(pid)
        except PermissionError:
            raise Failed(f"{MAIN_PROGRAM} with pid {pid} belongs to another user") from None
        print("Waiting for processes to exit...")
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self.pid_file.is_server(pid):
            if time.monotonic() > deadline:
                raise Failed(f"Pid {pid} has not ended {STOP_TIMEOUT_S} seconds after SIGTERM")
            time.sleep(POLL_S)
        print(f"stopped {MAIN_PROGRAM}")
        print("All processes exited")

    def status(self) -> int:
        pid = self.pid_file.running_pid()
        if pid is None:
            print(f"{MAIN_PROGRAM} is not running")
            return EXIT_NOT_RUNNING
        print(f"{MAIN_PROGRAM} is running, with pid {pid}")
        return 0

    def _wait_until_ready(
        self, launcher: "subprocess.Popen[bytes]", ready: ReadySocket
    ) -> str | None:
        """None once the server has said that it is ready, or what happened instead."""
        started = time.monotonic()
        launched_at = None
        was_running = False
        while time.monotonic() < started + START_TIMEOUT_S:
            if ready.wait(POLL_S):
                return None
            status = launcher.poll()
            if status is None:
                continue
            if status != 0:
                return f"{MAIN_PROGRAM} did not start (exit status {status}):"
            launched_at = launched_at or time.monotonic()
            is_running = self.pid_file.running_pid() is not None
            if not is_running and (
                was_running or time.monotonic() > launched_at + PID_FILE_TIMEOUT_S
            ):
                return f"{MAIN_PROGRAM} ended while it started:"
            was_running = is_running
        return f"{MAIN_PROGRAM} does not answer yet after {START_TIMEOUT_S} seconds; it still runs:"

    def _command(self) -> list[str]:
        return [sys.executable, "-m", MAIN_PROGRAM, "--config-path", str(self.config.absolute())]

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        if (factor := self.settings.get("synctl_cache_factor")) is not None:
            environment["SYNAPSE_CACHE_FACTOR"] = str(factor)
        for cache, factor in _mapping(self.settings.get("synctl_cache_factors")).items():
            environment[f"SYNAPSE_CACHE_FACTOR_{str(cache).upper()}"] = str(factor)
        return environment


def _act(server: Server, arguments: argparse.Namespace) -> int:
    match arguments.action:
        case "status":
            return server.status()
        case "stop":
            server.stop()
            return 0
        case "restart":
            server.stop()
    if arguments.daemonize:
        server.start()
    else:
        server.run()
    return 0


def _explain_worker(file: Path) -> None:
    """Installations that had workers give their files: say what became of them."""
    print(f"{file}: no worker process; the main process does its work", file=sys.stderr)


def _last_lines(output: IO[bytes], count: int = 20) -> list[str]:
    output.seek(0)
    return output.read().decode("utf-8", "replace").splitlines()[-count:]


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Start and stop the homeserver.")
    parser.add_argument("action", choices=["start", "stop", "restart", "status"])
    parser.add_argument(
        "configfile", nargs="?", type=Path, default=Path("homeserver.yaml"), help="%(default)s"
    )
    parser.add_argument(
        "--no-daemonize",
        dest="daemonize",
        action="store_false",
        help="start the server in the foreground",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        *("-a", "--all-processes"),
        metavar="DIR",
        type=Path,
        help="for installations that had workers: the main process does the work of all of them",
    )
    which.add_argument(
        *("-w", "--worker"),
        metavar="FILE",
        type=Path,
        help="the same, for one worker: nothing is done, since there is none",
    )
    return parser


if __name__ == "__main__":
    main()
