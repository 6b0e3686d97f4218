"""A real server process in a directory of its own, started and stopped by tests."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.postgres import VARIABLE

ROOT = Path(__file__).resolve().parent.parent.parent
SERVER_NAME = "test"
_NO_LIMIT = {"per_second": 1_000_000, "burst_count": 1_000_000}


class ServerProcess:
    """One homeserver, with open registration, on a free port of loopback."""

    # What runs it, and where that finds its modules.
    python = sys.executable
    module_path = str(ROOT)

    def __init__(
        self,
        directory: str,
        *,
        database: dict[str, Any] | None = None,
        server_name: str = SERVER_NAME,
    ) -> None:
        """`database` is the configuration of an empty one; without it, SQLite."""
        self.directory = Path(directory)
        self.server_name = server_name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._database = database
        self._process: subprocess.Popen[bytes] | None = None
        self._generate()

    @property
    def listeners(self) -> list[dict[str, Any]]:
        listeners: list[dict[str, Any]] = self._overrides["listeners"]
        return listeners

    def configure(self, **values: Any) -> None:
        """Change the configuration, for the next start."""
        self._overrides.update(values)
        # JSON is YAML.
        (self.directory / "overrides.yaml").write_text(json.dumps(self._overrides))

    def start(self, **environment: str) -> int:
        """Returns when the server answers: its process id."""
        self.launch(**environment)
        return self.wait_until_ready()

    def launch(self, **environment: str) -> None:
        """Begin to start it."""
        log = open(self.directory / "output.log", "ab")  # noqa: SIM115 (the process's)
        self._process = subprocess.Popen(
            [
                *(self.python, "-m", "synapse.app.homeserver"),
                *("-c", "homeserver.yaml", "-c", "overrides.yaml"),
            ],
            cwd=self.directory,
            env=self._environment() | environment,
            stdout=log,
            stderr=log,
        )
        log.close()

    def wait_until_ready(self) -> int:
        """Returns when the server answers: its process id."""
        assert self._process is not None, "it was launched"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(self.url + "/health", timeout=5):
                    return self._process.pid
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        raise AssertionError("The server did not start:\n" + self.output()[-4000:])

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        return self.end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: no chance to write anything."""
        self.end(signal.SIGKILL)

    def output(self) -> str:
        return (self.directory / "output.log").read_text(errors="replace")

    def call(
        self, method: str, path: str, body: Any = None, token: str | None = None
    ) -> tuple[int, Any]:
        """One request of the client API; status and JSON."""
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
        )
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def register(self, name: str) -> str:
        """A new account's access token."""
        status, answer = self.call(
            "POST",
            "/_matrix/client/v3/register",
            {"username": name, "password": "secret", "auth": {"type": "m.login.dummy"}},
        )
        assert status == 200, answer
        return str(answer["access_token"])

    def send_signal(self, signum: signal.Signals) -> None:
        assert self._process is not None, "the server runs"
        self._process.send_signal(signum)

    def end(self, signum: signal.Signals) -> int:
        """Send a signal that ends the process; the exit status."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(signum)
        try:
            return process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("The server did not stop:\n" + self.output()[-4000:]) from None

    def _generate(self) -> None:
        if not (self.directory / "homeserver.yaml").exists():
            subprocess.run(
                [
                    *(self.python, "-m", "synapse.app.homeserver", "--generate-config"),
                    *("--server-name", self.server_name, "--report-stats=no"),
                    *("--config-path", "homeserver.yaml"),
                ],
                cwd=self.directory,
                env=self._environment(),
                check=True,
                stdout=subprocess.DEVNULL,
            )
        self._overrides: dict[str, Any] = {
            "listeners": [
                {
                    "type": "http",
                    "port": self.port,
                    "bind_addresses": ["127.0.0.1"],
                    "resources": [{"names": ["client", "federation"]}],
                }
            ],
            "enable_registration": True,
            "enable_registration_without_verification": True,
            "bcrypt_rounds": 4,
            "rc_message": _NO_LIMIT,
            "rc_registration": _NO_LIMIT,
            "rc_login": dict.fromkeys(("address", "account", "failed_attempts"), _NO_LIMIT),
            "rc_joins": {"local": _NO_LIMIT, "remote": _NO_LIMIT},
            "rc_joins_per_room": _NO_LIMIT,
            "rc_room_creation": _NO_LIMIT,
            "rc_presence": {"per_user": _NO_LIMIT},
            "rc_invites": dict.fromkeys(("per_room", "per_user", "per_issuer"), _NO_LIMIT),
        }
        if self._database is not None:
            self._overrides["database"] = self._database
        self.configure()

    def _environment(self) -> dict[str, str]:
        environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
        return environment | {"PYTHONPATH": self.module_path}


def free_port() -> int:
    """One below those of outgoing connections, one of which may take it meanwhile."""
    chance = random.SystemRandom()  # tests that run beside this one must not find the same
    while True:
        port = chance.randrange(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def temporary_directory() -> str:
    return tempfile.mkdtemp(prefix="homeserver-test-")
