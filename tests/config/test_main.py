"""`python -m synapse.config`."""

import contextlib
import io
import os

from synapse.config.__main__ import main
from tests.config.builders import InDirectory

GOOD = (
    "server_name: a.b\nlisteners: [{port: 8008, resources: [{names: [client]}]}]\n"
    "suppress_key_server_warning: true\n"
)


def call(*argv: str) -> tuple[int, str, str]:
    with (
        contextlib.redirect_stdout(io.StringIO()) as output,
        contextlib.redirect_stderr(io.StringIO()) as errors,
    ):
        try:
            status = main(argv)
        except SystemExit as end:
            status = int(end.code or 0)
    return status, output.getvalue(), errors.getvalue()


class MainTest(InDirectory):
    def setUp(self) -> None:
        super().setUp()
        self.write("homeserver.yaml", GOOD)

    def test_good_configuration_is_called_so(self) -> None:
        for argv in (
            ["check", "homeserver.yaml"],
            ["-c", "homeserver.yaml"],
            ["check", "-c", "homeserver.yaml"],
        ):
            with self.subTest(argv=argv):
                self.assertEqual(call(*argv), (0, "Config parses OK!\n", ""))

    def test_wrong_configuration_is_one_line(self) -> None:
        self.write("wrong.yaml", "listeners: [{port: http}]\nserver_name: a\n")
        status, output, errors = call("check", "wrong.yaml")
        self.assertEqual((status, output), (1, ""))
        self.assertIn('wrong.yaml: listeners[0].port is "http", but must be', errors)

    def test_warnings_are_shown(self) -> None:
        self.write("more.yaml", "sever_name: x\n")
        status, _, errors = call("check", "homeserver.yaml", "more.yaml")
        self.assertEqual(status, 0)
        self.assertIn("Warning: more.yaml: sever_name is not a known key", errors)

    def test_checking_makes_no_files(self) -> None:
        call("check", "homeserver.yaml")
        self.assertEqual(os.listdir(), ["homeserver.yaml"])

    def test_values_are_read_by_every_name(self) -> None:
        for key, expected in (
            ("server_name", "server.server_name: a.b"),
            ("server.server_name", "server.server_name: a.b"),
            ("password_config.policy.minimum_length", "passwords.policy.minimum_length: 0"),
            ("redaction_retention_period", "rooms.redaction_retention_period_ms: 604800000"),
            ("enable_metrics", "metrics.enable_metrics: false"),
        ):
            for argv in (
                ["read", key, "-c", "homeserver.yaml"],
                ["-c", "homeserver.yaml", "read", key],
            ):
                with self.subTest(argv=argv):
                    self.assertEqual(call(*argv), (0, expected + "\n", ""))

    def test_unknown_value_and_unknown_command_are_errors(self) -> None:
        self.assertEqual(call("read", "nix", "-c", "homeserver.yaml")[0], 1)
        self.assertEqual(call("read", "server.nix", "-c", "homeserver.yaml")[0], 1)
        self.assertEqual(call("frobnicate")[0], 2)
        self.assertEqual(call()[0], 2)
