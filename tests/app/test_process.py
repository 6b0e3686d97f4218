"""A pid file belongs to one server at a time."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import TestCase

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from synapse.app.process import prepare
from synapse.config.server import ServerConfig

prepare(ServerConfig(server_name="example.com", pid_file=sys.argv[1]))
print("prepared", flush=True)
sys.stdin.read()
"""


class PidFileTestCase(TestCase):
    def setUp(self) -> None:
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        self.pid_file = folder / "homeserver.pid"

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.pid_file)],
            cwd=CHECKOUT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def test_a_second_server_leaves_the_pid_file_of_the_first_alone(self) -> None:
        first = self.start()
        self.assertEqual(first.stdout.readline() if first.stdout else "", "prepared\n")
        _, said = self.start().communicate()
        self.assertIn("running already", said)
        self.assertEqual(int(self.pid_file.read_text()), first.pid)
        first.communicate()
        self.assertFalse(self.pid_file.exists())

    def test_the_pid_file_of_a_killed_server_is_taken_over(self) -> None:
        killed = self.start()
        self.assertEqual(killed.stdout.readline() if killed.stdout else "", "prepared\n")
        killed.kill()
        killed.communicate()
        second = self.start()
        self.assertEqual(second.stdout.readline() if second.stdout else "", "prepared\n")
        self.assertEqual(int(self.pid_file.read_text()), second.pid)
        second.communicate()
