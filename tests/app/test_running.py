"""What an administrator reads when the server can't start."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import TestCase

CHECKOUT = Path(__file__).resolve().parents[2]


class StartErrorTestCase(TestCase):
    def test_a_file_that_is_no_database_is_named_in_one_line(self) -> None:
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        config = folder / "homeserver.yaml"
        server = [sys.executable, "-m", "synapse.app.homeserver", "-c", str(config)]
        making = ["--generate-config", "-H", "example.com", "--report-stats=no"]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        subprocess.run([*server, *making], cwd=folder, env=environment, check=True)
        database = folder / "homeserver.db"
        database.write_bytes(b"no database" * 1000)

        ended = subprocess.run(
            server, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

        self.assertEqual(ended.returncode, 1)
        self.assertEqual(
            ended.stderr.splitlines()[-1],
            f"The server can't start: The SQLite database {database} can't be opened: "
            "file is not a database",
        )
