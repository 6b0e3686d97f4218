"""The process as administrators and service managers meet it."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.request
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from unittest import TestCase

from tests.interop.base import InteropTestCase
from tests.interop.server import ROOT, ServerProcess, free_port, temporary_directory


def fresh_directory(case: TestCase) -> str:
    """A directory for a server, which goes with the test."""
    directory = temporary_directory()
    case.addCleanup(shutil.rmtree, directory)
    return directory


class SignalTests(InteropTestCase):
    def test_term_and_int_end_it_well(self) -> None:
        self.assertEqual(self.server.stop(), 0)
        for signum in (signal.SIGINT, signal.SIGTERM):
            self.server.start()
            self.assertEqual(self.server.end(signum), 0)
        self.assertFalse((self.server.directory / "homeserver.pid").exists())

    def test_a_waiting_sync_does_not_keep_it_from_stopping(self) -> None:
        token = self.server.register("alice")
        _, first = self.server.call("GET", "/_matrix/client/v3/sync", token=token)
        with socket.create_connection(("127.0.0.1", self.server.port)) as client:
            client.sendall(
                b"GET /_matrix/client/v3/sync?timeout=60000&since=%b HTTP/1.1\r\n"
                b"Host: test\r\nAuthorization: Bearer %b\r\n\r\n"
                % (first["next_batch"].encode(), token.encode())
            )
            time.sleep(0.3)
            started = time.monotonic()
            self.assertEqual(self.server.stop(), 0)
            self.assertLess(time.monotonic() - started, 20)
            answer = client.makefile("rb").read()
            self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer)
            self.assertIn(first["next_batch"].encode(), answer)


class StartTests(TestCase):
    def setUp(self) -> None:
        self.directory = fresh_directory(self)
        self.server = ServerProcess(self.directory)
        self.addCleanup(self.server.kill)

    def refused(self) -> str:
        """What a start that must fail says."""
        with self.assertRaises(AssertionError):
            self.server.start()
        output = self.server.output()
        self.assertNotIn("Traceback", output)
        return output

    def test_readiness_is_told_to_the_service_manager(self) -> None:
        address = os.path.join(self.directory, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address)
            manager.settimeout(30)
            self.server.start(NOTIFY_SOCKET=address)
            self.assertEqual(manager.recv(100), b"READY=1")
            self.server.send_signal(signal.SIGHUP)
            self.assertEqual(manager.recv(100), b"RELOADING=1")
            self.assertEqual(manager.recv(100), b"READY=1")
            self.server.stop()
            self.assertEqual(manager.recv(100), b"STOPPING=1")

    def test_a_database_of_another_server_is_refused(self) -> None:
        self.server.start()
        self.server.stop()
        self.server.configure(server_name="other.test")
        self.assertRegex(self.refused(), r"test\b.*other\.test|other\.test.*\btest\b")

    def test_a_database_of_a_newer_version_is_refused(self) -> None:
        self.server.start()
        self.server.stop()
        with sqlite3.connect(os.path.join(self.directory, "homeserver.db")) as database:
            database.execute("INSERT INTO migrations (number, name) VALUES (9999, 'later')")
        self.assertIn("newer", self.refused())

    def test_a_port_in_use_is_named(self) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.server.port))
            other.listen()
            self.assertIn(str(self.server.port), self.refused())

    def test_a_wrong_configuration_is_named(self) -> None:
        self.server.configure(bcrypt_rounds="many")
        output = self.refused()
        self.assertIn("bcrypt_rounds", output)
        self.assertIn("many", output)

    def test_the_database_is_for_its_owner_alone(self) -> None:
        self.server.start()
        for name in ("homeserver.db", "homeserver.db-wal", "homeserver.yaml"):
            mode = os.stat(os.path.join(self.directory, name)).st_mode & 0o777
            self.assertEqual(mode, 0o600, name)


class TlsTests(TestCase):
    def setUp(self) -> None:
        self.server = ServerProcess(fresh_directory(self))
        self.addCleanup(self.server.kill)
        self.port = free_port()
        listener = {
            "type": "http",
            "tls": True,
            "port": self.port,
            "bind_addresses": ["127.0.0.1"],
            "resources": [{"names": ["client", "keys"]}],
        }
        self.server.configure(listeners=[*self.server.listeners, listener])

    def certificate(self) -> str:
        return ssl.get_server_certificate(("127.0.0.1", self.port))

    def published_fingerprint(self) -> bytes:
        """The certificate's hash in the server's key document."""
        context = ssl._create_unverified_context()
        url = f"https://127.0.0.1:{self.port}/_matrix/key/v2/server"
        with urllib.request.urlopen(url, context=context) as answer:
            (fingerprint,) = json.load(answer)["tls_fingerprints"]
        return b64decode(fingerprint["sha256"] + "=")

    def test_a_new_certificate_is_taken_up_without_a_restart(self) -> None:
        self.server.start()
        before = self.certificate()
        self.assertEqual(before.strip(), self.file("test.tls.crt").read_text().strip())
        other = ServerProcess(fresh_directory(self))
        for name in ("test.tls.crt", "test.tls.key"):
            os.replace(other.directory / name, self.file(name))
        self.assertEqual(self.certificate(), before)
        self.server.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 10
        while self.certificate() == before and time.monotonic() < deadline:
            time.sleep(0.05)
        after = self.certificate()
        self.assertEqual(after.strip(), self.file("test.tls.crt").read_text().strip())
        der = ssl.PEM_cert_to_DER_cert(after)
        self.assertEqual(self.published_fingerprint(), sha256(der).digest())

    def test_a_broken_certificate_leaves_the_old_one_in_use(self) -> None:
        self.server.start()
        before = self.certificate()
        self.file("test.tls.crt").write_text("broken")
        self.server.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        self.assertEqual(self.certificate(), before)
        self.assertIn("Still using the previous TLS certificate", self.log())

    def file(self, name: str) -> Path:
        return self.server.directory / name

    def log(self) -> str:
        return self.server.output() + self.file("homeserver.log").read_text()


class ConfigCheckTests(TestCase):
    def test_check_says_what_is_wrong_without_starting(self) -> None:
        directory = fresh_directory(self)
        ServerProcess(directory)
        path = os.path.join(directory, "homeserver.yaml")
        command = [sys.executable, "-m", "synapse.config", "check", path]
        good = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        self.assertEqual((good.returncode, good.stdout.strip()), (0, "Config parses OK!"))
        with open(path, "a", encoding="utf-8") as file:
            file.write("\nenable_registratoin: true\nevent_cache_size: [1]\n")
        bad = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        self.assertEqual(bad.returncode, 1)
        self.assertIn("event_cache_size", bad.stderr)
        self.assertNotIn("Traceback", bad.stderr)
