"""The command line: what runs, and what ends with which status."""

import os
from collections.abc import Mapping

from synapse.config.cli import Invocation, load
from tests.config.builders import InDirectory
from tests.config.test_generate import run

# As Synapse's own generator writes it.
SYNAPSE_YAML = """\
# Configuration file for Synapse.
#
# This is a YAML file: see [1] for a quick introduction. Note in particular
# that *indentation is important*.
server_name: "my.domain.name"
pid_file: {here}/homeserver.pid
listeners:
  - port: 8008
    resources:
    - compress: false
      names:
      - client
      - federation
    tls: false
    type: http
    x_forwarded: true
    bind_addresses: ['::1', '127.0.0.1']
database:
  name: sqlite3
  args:
    database: {here}/homeserver.db
log_config: "{here}/my.domain.name.log.config"
media_store_path: {here}/media_store
registration_shared_secret: "q,k7gfZ*_5fC:Xz"
report_stats: false
macaroon_secret_key: "I=5:;Ck9z"
form_secret: "6cV#bD"
signing_key_path: "{here}/my.domain.name.signing.key"
trusted_key_servers:
  - server_name: "matrix.org"
suppress_key_server_warning: true


# vim:ft=yaml
"""

MINIMAL = (
    "server_name: a.b\nlisteners: [{port: 8008, resources: [{names: [client]}]}]\n"
    "suppress_key_server_warning: true\n"
)
SIGNING_KEY = "ed25519 a_abcd AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"


class CommandLineTest(InDirectory):
    def setUp(self) -> None:
        super().setUp()
        self.write("a.b.signing.key", SIGNING_KEY)
        self.write("homeserver.yaml", MINIMAL)

    def load(self, *argv: str, environ: Mapping[str, str] | None = None) -> Invocation:
        return load(argv, environ or {})

    def test_synapses_own_configuration_starts_unchanged(self) -> None:
        self.write("my.domain.name.signing.key", SIGNING_KEY)
        self.write("my.domain.name.log.config", "version: 1\n")
        self.write("synapse.yaml", SYNAPSE_YAML.format(here=os.getcwd()))
        invocation = self.load("--config-path", "synapse.yaml")
        self.assertEqual(invocation.config.listeners[0].bind_addresses, ("::1", "127.0.0.1"))
        ignored = [line for line in invocation.warnings if "not supported yet" in line]
        self.assertEqual(
            ignored,
            ["synapse.yaml: key not supported yet, ignored: media_store_path"],
        )

    def test_without_configuration_the_usage_says_how_to_make_one(self) -> None:
        status, _, errors = run()
        self.assertEqual(status, 2)
        self.assertIn("--generate-config", errors)

    def test_missing_file_is_one_line(self) -> None:
        status, _, errors = run("-c", "nix.yaml")
        self.assertEqual((status, errors.count("\n")), (1, 1))
        self.assertIn("nix.yaml: there is no such file", errors)

    def test_wrong_value_is_one_line_with_file_and_key(self) -> None:
        self.write("wrong.yaml", "bcrypt_rounds: lots\n")
        status, _, errors = run("-c", "homeserver.yaml", "-c", "wrong.yaml")
        self.assertEqual(status, 1)
        self.assertEqual(
            errors,
            'Error in the configuration: wrong.yaml: bcrypt_rounds is "lots", but must be a whole '
            "number from 4 to 31; for example: 12\n",
        )

    def test_options_go_before_the_file(self) -> None:
        self.write("more.yaml", "pid_file: x.pid\nenable_registration_without_verification: yes\n")
        config = self.load(
            *("-c", "homeserver.yaml", "-c", "more.yaml", "-D", "--print-pidfile"),
            *("--enable-registration", "--enable-metrics", "-d", ":memory:", "-n"),
        ).config
        self.assertTrue(config.server.daemonize)
        self.assertTrue(config.server.print_pidfile)
        self.assertTrue(config.registration.enable_registration)
        self.assertTrue(config.metrics.enable_metrics)
        self.assertEqual(config.database.sqlite_path, ":memory:")

    def test_daemon_needs_a_pid_file(self) -> None:
        status, _, errors = run("-c", "homeserver.yaml", "--daemonize")
        self.assertEqual(status, 1)
        self.assertIn("daemonize is true, but pid_file is not given", errors)

    def test_files_of_a_directory_are_listed(self) -> None:
        os.mkdir("conf.d")
        os.rename("a.b.signing.key", "conf.d/a.b.signing.key")
        self.write("conf.d/1.yaml", MINIMAL)
        self.write("conf.d/2.yaml", "admin_contact: mailto:a@b\n")
        invocation = self.load("-c", "conf.d")
        names = [os.path.relpath(path) for path in invocation.config_files]
        self.assertEqual(names, ["conf.d/1.yaml", "conf.d/2.yaml"])

    def test_environment_scales_the_caches(self) -> None:
        invocation = self.load("-c", "homeserver.yaml", environ={"SYNAPSE_CACHE_FACTOR": "0.02"})
        self.assertEqual(invocation.config.caches.factor("any"), 0.02)

    def test_inline_secrets_can_be_forbidden(self) -> None:
        self.write("more.yaml", "form_secret: x\n")
        argv = ("-c", "homeserver.yaml", "-c", "more.yaml", "--no-secrets-in-config")
        status, _, errors = run(*argv)
        self.assertEqual(status, 1)
        self.assertIn("more.yaml: form_secret is a secret in the configuration itself", errors)

    def test_manhole_is_refused_politely(self) -> None:
        warnings = self.load("-c", "homeserver.yaml", "--manhole", "9000").warnings
        self.assertEqual(warnings, ("--manhole is not supported: no such port is opened",))

    def test_database_in_a_directory_that_does_not_exist_is_an_error(self) -> None:
        status, _, errors = run("-c", "homeserver.yaml", "-d", "no/such/x.db")
        self.assertEqual(status, 1)
        self.assertIn("the command line: database names a file in", errors)

    def test_generating_over_several_files_is_a_usage_error(self) -> None:
        status, _, _ = run("--generate-config", "-c", "x.yaml", "-c", "homeserver.yaml", "-H", "a")
        self.assertEqual(status, 2)
