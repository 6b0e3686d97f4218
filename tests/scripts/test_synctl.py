"""synctl starts, stops and watches a server, and nothing but that server."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import TestCase

from synapse._scripts.readiness import ReadySocket

CHECKOUT = Path(__file__).resolve().parents[2]
FAKE = Path(__file__).with_name("fake_homeserver.py")


class SynctlTestCase(TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        # `python -m` looks first in the working folder.
        app = self.folder / "synapse" / "app"
        app.mkdir(parents=True)
        (app / "__init__.py").touch()
        (app.parent / "__init__.py").touch()
        shutil.copy(FAKE, app / "homeserver.py")
        self.configure()
        self.addCleanup(self.stop)

    def configure(self, **settings: object) -> None:
        log_config = self.folder / "log.yaml"
        log_config.write_text(json.dumps({"handlers": {"file": {"filename": "homeserver.log"}}}))
        names = {"pid_file": "homeserver.pid", "log": "homeserver.log", "environment": "env.json"}
        paths = {key: str(self.folder / name) for key, name in names.items()}
        self.config = self.folder / "homeserver.yaml"
        self.config.write_text(json.dumps({**paths, "log_config": str(log_config), **settings}))

    def synctl(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, str(CHECKOUT / "synctl"), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def stop(self) -> None:
        self.configure()
        self.synctl("stop")

    @property
    def pid(self) -> int:
        return int((self.folder / "homeserver.pid").read_text())

    def test_start_status_and_stop(self) -> None:
        started = self.synctl("start")
        self.assertEqual(started.stdout, "started synapse.app.homeserver(homeserver.yaml)\n")
        self.assertEqual(started.returncode, 0, started.stderr)
        self.assertEqual(self.synctl("status").returncode, 0)
        stopped = self.synctl("stop", "homeserver.yaml")
        self.assertIn("stopped synapse.app.homeserver\n", stopped.stdout)
        self.assertEqual(stopped.returncode, 0)
        self.assertEqual(self.synctl("status").returncode, 3)

    def test_a_second_start_says_that_the_server_runs_already(self) -> None:
        self.synctl("start")
        first = self.pid
        second = self.synctl("start")
        self.assertEqual(
            second.stdout, f"synapse.app.homeserver is already running, with pid {first}\n"
        )
        self.assertEqual((second.returncode, self.pid), (0, first))

    def test_restart_gives_a_new_process(self) -> None:
        self.synctl("start")
        first = self.pid
        self.assertEqual(self.synctl("restart").returncode, 0)
        self.assertNotEqual(self.pid, first)

    def test_stopping_what_does_not_run_succeeds(self) -> None:
        stopped = self.synctl("stop")
        self.assertEqual(stopped.stdout, "synapse.app.homeserver is not running\n")
        self.assertEqual(stopped.returncode, 0)

    def test_an_error_before_the_fork_is_shown(self) -> None:
        self.configure(fails="at once")
        started = self.synctl("start")
        self.assertEqual(started.returncode, 1)
        self.assertIn("homeserver.yaml: listeners is a number", started.stderr)
        self.assertNotIn("Traceback", started.stderr)

    def test_an_error_after_the_fork_is_shown_from_the_log(self) -> None:
        (self.folder / "homeserver.log").write_text("An older line\n")
        self.configure(fails="in the background")
        started = self.synctl("start")
        self.assertEqual(started.returncode, 1)
        self.assertIn("The port 8008 is in use", started.stderr)
        self.assertNotIn("An older line", started.stderr)

    def test_another_program_with_the_pid_is_left_alone(self) -> None:
        bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        self.addCleanup(bystander.wait)
        self.addCleanup(bystander.kill)
        (self.folder / "homeserver.pid").write_text(str(bystander.pid))
        self.assertEqual(self.synctl("status").returncode, 3)
        self.assertEqual(self.synctl("stop").returncode, 0)
        time.sleep(0.1)
        self.assertIsNone(bystander.poll())
        self.assertEqual(self.synctl("start").returncode, 0)
        self.assertNotEqual(self.pid, bystander.pid)

    def test_a_server_with_another_configuration_is_left_alone(self) -> None:
        self.synctl("start")
        other = self.folder / "other.yaml"
        shutil.copy(self.config, other)
        self.assertEqual(self.synctl("status", "other.yaml").returncode, 3)
        self.assertEqual(self.synctl("stop", "other.yaml").returncode, 0)
        self.assertEqual(self.synctl("status").returncode, 0)

    def test_the_cache_factor_is_exported(self) -> None:
        self.configure(synctl_cache_factor=0.02, synctl_cache_factors={"events": 2})
        self.synctl("start")
        environment = json.loads((self.folder / "env.json").read_text())
        self.assertEqual(environment["SYNAPSE_CACHE_FACTOR"], "0.02")
        self.assertEqual(environment["SYNAPSE_CACHE_FACTOR_EVENTS"], "2")

    def test_a_missing_configuration_is_explained(self) -> None:
        started = self.synctl("start", "nowhere.yaml")
        self.assertEqual(started.returncode, 1)
        self.assertIn("--generate-config", started.stderr)

    def test_a_configuration_without_pid_file_is_explained(self) -> None:
        self.configure(pid_file=None)
        started = self.synctl("start")
        self.assertEqual(started.returncode, 1)
        self.assertIn("pid_file", started.stderr)

    def test_a_configuration_that_is_no_yaml_is_explained(self) -> None:
        for text in ("a: [", "just words", "\x00"):
            with self.subTest(text=text):
                self.config.write_text(text)
                started = self.synctl("start")
                self.assertEqual(started.returncode, 1)
                self.assertNotIn("Traceback", started.stderr)

    def test_the_options_for_workers(self) -> None:
        (self.folder / "workers").mkdir()
        (self.folder / "workers" / "pusher.yaml").touch()
        with_workers = self.synctl("-a", "workers", "start")
        self.assertEqual(with_workers.returncode, 0)
        self.assertIn("workers/pusher.yaml: no worker process", with_workers.stderr)
        one_worker = self.synctl("-w", "workers/pusher.yaml", "start")
        self.assertEqual(one_worker.returncode, 0)
        self.assertIn("workers/pusher.yaml: no worker process", one_worker.stderr)

    def test_a_server_started_by_hand_with_a_relative_name_is_known(self) -> None:
        command = ["-m", "synapse.app.homeserver", "--config-path", "homeserver.yaml"]
        with ReadySocket() as ready:
            environment = {**os.environ, "NOTIFY_SOCKET": ready.path}
            subprocess.run([sys.executable, *command], cwd=self.folder, env=environment, check=True)
            self.assertTrue(ready.wait(timeout_s=10))
        self.assertEqual(self.synctl("status").returncode, 0)
        self.assertIn("stopped", self.synctl("stop").stdout)
        self.assertEqual(self.synctl("status").returncode, 3)
