"""The homeserver `matrix-synapse` from PyPI, in a virtual environment of its own."""

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from tests.interop.server import ServerProcess

VERSION = "1.163.2"


class SynapseProcess(ServerProcess):
    """A real Synapse, which takes the same configuration."""

    module_path = ""  # its package is called as ours

    def __init__(self, directory: str, *, server_name: str) -> None:
        self.python = installed_python()
        super().__init__(directory, server_name=server_name)


def installed_python() -> str:
    """The interpreter that has Synapse, which is installed first where it isn't."""
    folder = _cache() / f"synapse-{VERSION}-python{sys.version_info[0]}.{sys.version_info[1]}"
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # others may be testing, too
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True)
            _install(python)
            (folder / "complete").touch()
    return str(python)


def _install(python: Path) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, f"matrix-synapse=={VERSION}"],
        env=os.environ | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"Synapse can't be installed from PyPI:\n{done.stderr[-4000:]}"


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(root) / "matrix-homeserver-tests"
