"""The demo's scripts, on a copy and on ports of its own."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from random import randrange
from unittest import TestCase

from tests.interop.server import ROOT, temporary_directory

_SCRIPTS = ("start.sh", "stop.sh", "clean.sh", "shared_room.py")
_PORTS = (8080, 8081, 8082)
# From a port for clients to the one for other servers.
_APART = 400


class DemoTests(TestCase):
    def setUp(self) -> None:
        self.root = Path(temporary_directory())
        self.addCleanup(shutil.rmtree, self.root)
        self.addCleanup(self.run_script, "demo/clean.sh")
        self.ports = _free_ports(len(_PORTS))
        (self.root / "demo").mkdir()
        for name in _SCRIPTS:
            self._copy(name)
        # What start.sh calls there would change the checkout's own environment.
        (self.root / "scripts").mkdir()
        (self.root / "scripts" / "environment.sh").write_text("install() { :; }\n")
        commands = self.root / "venv" / "bin"
        commands.mkdir(parents=True)
        _write_script(commands / "python", f'exec "{sys.executable}" "$@"\n')
        _write_script(
            commands / "synctl", f'exec "{sys.executable}" -m synapse._scripts.synctl "$@"\n'
        )

    def _copy(self, name: str) -> None:
        """With our ports in the place of the demo's."""
        text = (ROOT / "demo" / name).read_text()
        for theirs, ours in zip(_PORTS, self.ports, strict=True):
            text = re.sub(rf"\b{theirs}\b", str(ours), text)
        path = self.root / "demo" / name
        path.write_text(text)
        path.chmod(0o755)

    def run_script(self, *command: str) -> str:
        """What a script of the demo says; it must succeed."""
        ended = subprocess.run(
            command,
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        return ended.stdout

    def is_up(self, port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def test_from_start_to_clean(self) -> None:
        said = self.run_script("demo/start.sh", "--no-rate-limit")
        names = [f"localhost:{port + _APART}" for port in self.ports]
        for name, port in zip(names, self.ports, strict=True):
            self.assertIn(f"{name} serves clients at http://localhost:{port}", said)
        shown = self.run_script(sys.executable, "demo/shared_room.py")
        for name in names:
            self.assertIn(f"{name} has of !", shown)
        for user in ("alice", "bob", "carol"):
            self.assertEqual(shown.count(f"{user} says hello"), len(self.ports))
        self.run_script("demo/stop.sh")
        self.assertFalse(any(map(self.is_up, self.ports)))
        # It goes on where it was; what was configured the first time is not configured again.
        before = [self._configuration(port) for port in self.ports]
        self.run_script("demo/start.sh")
        self.assertEqual([self._configuration(port) for port in self.ports], before)
        self.assertTrue(all(map(self.is_up, self.ports)))
        self.run_script("demo/clean.sh")
        self.assertFalse(any(map(self.is_up, self.ports)))
        left = sorted(path.name for path in (self.root / "demo").iterdir())
        self.assertEqual(left, sorted(_SCRIPTS))

    def _configuration(self, port: int) -> str:
        return (self.root / "demo" / str(port) / "homeserver.yaml").read_text()


def _write_script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)


def _free_ports(count: int) -> list[int]:
    """Such that the ports for other servers are free as well."""
    found: list[int] = []
    # From anywhere, so that two runs at a time don't choose the same.
    start = randrange(20000, 30000)
    for port in range(start, start + 1000):
        if all(_is_free(each) for each in (port, port + _APART)):
            found.append(port)
            if len(found) == count:
                return found
    raise AssertionError("There are no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
