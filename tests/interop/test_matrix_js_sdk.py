"""matrix-js-sdk, the library of Element Web, against a real server.

Node.js comes from PyPI with the other tools for tests, the library from npm, in the versions that
`js/package-lock.json` names. Each scenario is a file in `js/scenarios`.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from tests.interop.base import InteropTestCase

_JS = Path(__file__).parent / "js"
_INSTALLED = _JS / "node_modules" / ".package-lock.json"
# The programs of the environment that runs the tests.
_ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
}


class JsSdkTests(InteropTestCase):
    def setUp(self) -> None:
        _install()
        super().setUp()

    def test_chat(self) -> None:
        self.play("chat")

    def test_state(self) -> None:
        self.play("state")

    def test_history(self) -> None:
        self.play("history")

    def test_search(self) -> None:
        self.play("search")

    def test_spaces(self) -> None:
        self.play("spaces")

    def test_relations(self) -> None:
        self.play("relations")

    def test_unread(self) -> None:
        self.play("unread")

    def test_sliding(self) -> None:
        self.play("sliding")

    def play(self, scenario: str) -> None:
        _run("node", "play.mjs", scenario, self.server.url)


def _install() -> None:
    wanted = _JS / "package-lock.json"
    with open(wanted, "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be testing, too
        if not _INSTALLED.exists() or _INSTALLED.stat().st_mtime < wanted.stat().st_mtime:
            _run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=5")


def _run(*command: str) -> None:
    done = subprocess.run(
        command, cwd=_JS, env=_ENVIRONMENT, timeout=180, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
