"""register_new_matrix_user against a small server that checks its HMAC."""

import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import TestCase
from unittest.mock import patch

import yaml

from synapse._scripts.register_new_matrix_user import main
from tests.scripts.fake_registration import (
    SECRET,
    FakeRegistration,
    write_self_signed_certificate,
)


class RegisterTestCase(TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.config = self.folder / "homeserver.yaml"
        self.configure()

    def configure(self, **settings: object) -> None:
        self.config.write_text(yaml.safe_dump({"registration_shared_secret": SECRET, **settings}))

    def serve(self, certificate: Path | None = None) -> FakeRegistration:
        server = FakeRegistration(certificate)
        self.addCleanup(server.close)
        return server

    def run_command(self, *arguments: str, answers: tuple[str, ...] = ()) -> tuple[int, str]:
        """The exit status, and all that was printed."""
        printed = io.StringIO()
        remaining = iter(answers)
        with (
            patch.object(sys, "argv", ["register_new_matrix_user", *arguments]),
            patch("builtins.input", lambda prompt: _answer(prompt, remaining)),
            patch("getpass.getpass", lambda prompt: _answer(prompt, remaining)),
            redirect_stdout(printed),
            redirect_stderr(printed),
        ):
            try:
                main()
            except SystemExit as ended:
                return (ended.code if isinstance(ended.code, int) else 1), printed.getvalue()
        return 0, printed.getvalue()

    def run_with_config(self, *arguments: str, **keywords: Any) -> tuple[int, str]:
        return self.run_command("-c", str(self.config), *arguments, **keywords)

    def test_what_the_command_line_says_is_registered(self) -> None:
        server = self.serve()
        status, printed = self.run_with_config(
            "-u", "erikj", "-p", "wonderland", "--no-admin", server.url
        )
        self.assertEqual(printed, "Sending registration request...\nSuccess!\n")
        self.assertEqual(status, 0)
        [account] = server.accounts
        self.assertEqual(
            (account["username"], account["password"], account["admin"]),
            ("erikj", "wonderland", False),
        )

    def test_what_is_left_out_is_asked_for(self) -> None:
        server = self.serve()
        answers = ("erikj", "", "wonderland", "typo", "wonderland", "wonderland", "yes")
        status, printed = self.run_with_config(server.url, answers=answers)
        self.assertEqual(status, 0, printed)
        for prompt in ("New user localpart [", "Password: ", "Confirm password: ", "Make admin"):
            self.assertIn(prompt, printed)
        [account] = server.accounts
        self.assertEqual((account["username"], account["admin"]), ("erikj", True))

    def test_without_an_answer_it_ends(self) -> None:
        status, printed = self.run_with_config("http://localhost:1", answers=("erikj",))
        self.assertEqual(status, 1)
        self.assertIn("no answer", printed)

    def test_the_user_type_is_signed_too(self) -> None:
        server = self.serve()
        status, _ = self.run_with_config("-u", "bot", "-p", "x", "-a", "-t", "bot", server.url)
        self.assertEqual(status, 0)
        self.assertEqual(server.accounts[0]["user_type"], "bot")

    def test_the_password_may_be_in_a_file(self) -> None:
        server = self.serve()
        file = self.folder / "password"
        file.write_text(" pass word\n")
        self.run_with_config("-u", "a", "--password-file", str(file), "--no-admin", server.url)
        self.assertEqual(server.accounts[0]["password"], " pass word")

    def test_the_secret_may_be_given_or_be_in_a_file(self) -> None:
        server = self.serve()
        file = self.folder / "secret"
        file.write_text(SECRET + "\n")
        self.configure(registration_shared_secret=None, registration_shared_secret_path=str(file))
        user = ("-u", "a", "-p", "x", "--no-admin", server.url)
        self.assertEqual(self.run_with_config(*user)[0], 0)
        self.assertEqual(self.run_command("-k", SECRET, *user, "--exists-ok")[0], 0)
        status, printed = self.run_command("-k", "wrong", *user)
        self.assertEqual(status, 1)
        self.assertIn("ERROR! Received 403 Forbidden\nHMAC incorrect\n", printed)

    def test_a_taken_name_fails_unless_that_is_fine(self) -> None:
        server = self.serve()
        user = ("-u", "erikj", "-p", "x", "--no-admin", server.url)
        self.run_with_config(*user)
        status, printed = self.run_with_config(*user)
        self.assertEqual(status, 1)
        self.assertIn("ERROR! Received 400 Bad Request\nUser ID already taken.\n", printed)
        self.assertEqual(self.run_with_config(*user, "--exists-ok")[0], 0)

    def test_the_address_comes_from_the_configuration(self) -> None:
        server = self.serve()
        port = int(server.url.rpartition(":")[2])
        self.configure(listeners=[_listener(port)])
        self.assertEqual(self.run_with_config("-u", "a", "-p", "x", "--no-admin")[0], 0)

    def test_problems_are_one_line(self) -> None:
        user = ("-u", "a", "-p", "x", "--no-admin")
        server = self.serve()
        self.configure(registration_shared_secret=None)
        problems = [
            self.run_with_config(*user, server.url),
            self.run_command("-k", SECRET, *user, "http://localhost:1"),
            self.run_command("-k", SECRET, *user, "localhost:8008"),
            self.run_command("-k", SECRET, *user, "http://localhost:80080"),
            self.run_command("-c", "nowhere.yaml", *user, server.url),
            self.run_command("-k", SECRET, "-u", "a", "--password-file", "nowhere", server.url),
            self.run_command("-k", SECRET, *user, server.url + "/elsewhere"),
        ]
        for status, printed in problems:
            with self.subTest(printed=printed):
                self.assertEqual(status, 1)
                self.assertIn("ERROR! ", printed)

    def test_exactly_the_configured_certificate_is_trusted(self) -> None:
        mine, another = self.folder / "mine.pem", self.folder / "another.pem"
        write_self_signed_certificate(mine, "my.domain.name")
        write_self_signed_certificate(another, "localhost")
        user = ("-u", "a", "-p", "x", "--no-admin")
        server = self.serve(mine)

        self.configure(tls_certificate_path=str(mine))
        self.assertEqual(self.run_with_config(*user, server.url)[0], 0)

        for setting in (str(another), None, str(self.folder / "nowhere"), str(self.config)):
            with self.subTest(setting=setting):
                self.configure(tls_certificate_path=setting)
                status, printed = self.run_with_config(*user, server.url)
                self.assertEqual(status, 1)
                self.assertIn("certificate", printed)
        self.assertEqual(len(server.accounts), 1)


def _listener(port: int, **settings: object) -> dict[str, object]:
    resources = [{"names": ["client", "federation"]}]
    return {"port": port, "type": "http", "resources": resources, **settings}


def _answer(prompt: str, answers: Iterator[str]) -> str:
    sys.stdout.write(prompt)
    try:
        return next(answers)
    except StopIteration:
        raise EOFError from None
