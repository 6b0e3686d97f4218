"""The commands about keys, passwords and files, as an administrator runs them."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import TestCase

import yaml

from synapse.config.parser import parse_values
from synapse.crypto.signing import SigningKey
from synapse.util.passwords import check_password

CHECKOUT = Path(__file__).resolve().parents[2]
KEY = SigningKey("a_test", bytes(32))


class CommandsTestCase(TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def run_module(
        self, module: str, *arguments: str, stdin: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", f"synapse._scripts.{module}", *arguments],
            cwd=CHECKOUT,
            input=stdin,
            capture_output=True,
            text=True,
            start_new_session=True,  # without a terminal, questions read the standard input
            timeout=30,
            check=False,
        )

    def test_a_password_given_as_an_argument_is_hashed(self) -> None:
        printed = self.run_module("hash_password", "-p", "wonderland").stdout.strip()
        self.assertTrue(printed.startswith("$2b$12$"))
        self.assertTrue(check_password("wonderland", printed))

    def test_a_password_is_asked_for_twice(self) -> None:
        config = self.write("homeserver.yaml", "bcrypt_rounds: 4")
        ran = self.run_module("hash_password", "-c", config, stdin="one\none\n")
        self.assertTrue(check_password("one", ran.stdout.strip().splitlines()[-1]))
        self.assertEqual(ran.returncode, 0)

    def test_rounds_and_pepper_come_from_the_configuration(self) -> None:
        config = self.write("homeserver.yaml", "bcrypt_rounds: 4\npassword_config: {pepper: salt}")
        printed = self.run_module("hash_password", "-p", "x", "-c", config).stdout.strip()
        self.assertTrue(printed.startswith("$2b$04$"))
        self.assertTrue(check_password("x", printed, pepper="salt"))

    def test_wrong_rounds_and_no_password_are_explained(self) -> None:
        for rounds in ("99", "many", "[]"):
            with self.subTest(rounds=rounds):
                config = self.write("homeserver.yaml", f"bcrypt_rounds: {rounds}")
                ran = self.run_module("hash_password", "-p", "x", "-c", config)
                self.assertEqual(ran.returncode, 1)
                self.assertNotIn("Traceback", ran.stderr)
        ran = self.run_module("hash_password")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("no password was given", ran.stderr)

    def test_the_public_key_is_exported(self) -> None:
        path = self.write("signing.key", KEY.line)
        ran = self.run_module("export_signing_key", path)
        self.assertEqual(ran.stdout, f"ed25519:a_test {KEY.verify_key.base64}\n")

    def test_the_line_for_old_signing_keys(self) -> None:
        path = self.write("signing.key", KEY.line)
        ran = self.run_module("export_signing_key", "-x", "--expiry-ts", "1234", path)
        self.assertEqual(
            ran.stdout,
            f'"ed25519:a_test": {{ key: "{KEY.verify_key.base64}", expired_ts: 1234 }}\n',
        )

    def test_what_is_no_key_file_is_explained(self) -> None:
        for path in (self.write("signing.key", "ed25519 a_test secret!"), "/nowhere"):
            with self.subTest(path=path):
                ran = self.run_module("export_signing_key", path)
                self.assertEqual(ran.returncode, 1)
                self.assertNotIn("Traceback", ran.stderr)
                self.assertNotIn("secret!", ran.stderr)

    def test_a_new_signing_key_is_printed_or_put_into_a_private_file(self) -> None:
        printed = SigningKey.from_line(self.run_module("generate_signing_key").stdout)
        path = self.folder / "new.key"
        self.assertEqual(self.run_module("generate_signing_key", "-o", str(path)).returncode, 0)
        written = SigningKey.from_line(path.read_text())
        self.assertNotEqual(printed.seed, written.seed)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)

    def test_no_file_is_overwritten(self) -> None:
        path = self.write("signing.key", KEY.line)
        ran = self.run_module("generate_signing_key", "-o", path)
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(Path(path).read_text(), KEY.line)

    def test_a_log_config_names_its_log_file(self) -> None:
        printed = self.run_module("generate_log_config", "-f", "/var/log/x.log").stdout
        self.assertEqual(yaml.safe_load(printed)["handlers"]["file"]["filename"], "/var/log/x.log")

    def test_a_generated_configuration_is_one_that_the_server_reads(self) -> None:
        header = self.write("header", "# Managed by a package")
        ran = self.run_module(
            *("generate_config", "--server-name", "example.com", "--config-dir", "/etc/x"),
            *("--data-dir", "/var/lib/x", "--report-stats", "no", "--header-file", header),
        )
        self.assertTrue(ran.stdout.startswith("# Managed by a package\n"), ran.stderr)
        config = parse_values(yaml.safe_load(ran.stdout))
        self.assertEqual(config.server.server_name, "example.com")
        self.assertEqual(config.keys.signing_key_path, "/etc/x/example.com.signing.key")

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)
