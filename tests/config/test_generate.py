"""Generated files: what is made, with which modes, and what is never touched."""

import base64
import contextlib
import io
import os
import ssl
import stat
from math import factorial

import yaml
from cryptography import x509

from synapse.config import generate
from synapse.config.certificates import new_private_key, self_signed
from synapse.config.cli import load
from synapse.config.errors import ConfigError
from synapse.config.new_files import PRIVATE, write_new
from synapse.config.templates import FFDHE2048, log_config_text, signing_key_text
from tests.config.builders import InDirectory, error_from

NAME = "my.domain.name"
NEW = ["--generate-config", "-c", "homeserver.yaml", "-H", NAME, "--report-stats=no"]
SECRET_FILES = ("homeserver.yaml", f"{NAME}.signing.key", f"{NAME}.tls.key")
PUBLIC_FILES = (f"{NAME}.log.config", f"{NAME}.tls.crt", f"{NAME}.tls.dh")


def run(*argv: str) -> tuple[object, str, str]:
    """Exit status, output and errors of a command line that ends the process."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as output,
        contextlib.redirect_stderr(io.StringIO()) as errors,
    ):
        try:
            load(argv, {})
        except SystemExit as end:
            return end.code, output.getvalue(), errors.getvalue()
    raise AssertionError("the server would have been started")


def content(path: str) -> str:
    with open(path) as file:
        return file.read()


class NewServerTest(InDirectory):
    def test_all_files_are_made_and_named(self) -> None:
        status, output, _ = run(*NEW)
        self.assertEqual(status, 0)
        self.assertEqual(sorted(os.listdir()), sorted(SECRET_FILES + PUBLIC_FILES))
        for line in ("config file", "log config file", "signing key file"):
            self.assertIn(f"Generating {line} ", output)

    def test_secrets_are_for_the_owner_only(self) -> None:
        previous = os.umask(0)
        try:
            run(*NEW)
        finally:
            os.umask(previous)
        for path in SECRET_FILES:
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600, path)
        for path in PUBLIC_FILES:
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o644, path)

    def test_made_configuration_runs_with_the_promised_ports(self) -> None:
        run(*NEW)
        plain, secure = load(["-c", "homeserver.yaml"], {}).config.listeners
        self.assertEqual((plain.port, plain.tls, plain.x_forwarded), (8008, False, True))
        self.assertEqual(plain.bind_addresses, ("127.0.0.1", "::1"))
        self.assertEqual((secure.port, secure.tls, secure.x_forwarded), (8448, True, False))
        self.assertEqual(secure.bind_addresses, ("::", "0.0.0.0"))
        for listener in (plain, secure):
            self.assertEqual(listener.names(), ("client", "federation"))

    def test_secrets_are_long_and_differ(self) -> None:
        run(*NEW)
        values = yaml.safe_load(content("homeserver.yaml"))
        secrets = [
            values[key]
            for key in ("registration_shared_secret", "macaroon_secret_key", "form_secret")
        ]
        self.assertEqual(len(set(secrets)), 3)
        self.assertGreaterEqual(min(map(len, secrets)), 40)

    def test_report_stats_may_be_left_out_and_that_is_said(self) -> None:
        status, output, _ = run("--generate-config", "-c", "homeserver.yaml", "-H", NAME)
        self.assertEqual(status, 0)
        self.assertIn("assuming --report-stats=no", output)
        self.assertIs(yaml.safe_load(content("homeserver.yaml"))["report_stats"], False)

    def test_directories_are_made_and_used(self) -> None:
        run(*NEW, "--config-directory", "etc", "--data-directory", "var/data")
        self.assertEqual(len(os.listdir("etc")), 5)
        values = yaml.safe_load(content("homeserver.yaml"))
        here = os.getcwd()
        self.assertEqual(values["signing_key_path"], f"{here}/etc/{NAME}.signing.key")
        self.assertEqual(values["database"]["args"]["database"], f"{here}/var/data/homeserver.db")
        self.assertEqual(values["pid_file"], f"{here}/var/data/homeserver.pid")
        self.assertIn(f"{here}/var/data/homeserver.log", content(f"etc/{NAME}.log.config"))
        self.assertTrue(os.path.isdir("var/data"))

    def test_keys_lie_beside_the_configuration(self) -> None:
        run("--generate-config", "-c", "conf/hs.yaml", "-H", NAME)
        self.assertEqual(len(os.listdir("conf")), 6)

    def test_options_reach_the_configuration(self) -> None:
        run(
            *NEW,
            "--open-private-ports",
            "--enable-registration",
            "--enable-metrics",
            *("--database-path", "my.db"),
        )
        config = load(["-c", "homeserver.yaml"], {}).config
        self.assertEqual(config.listeners[0].bind_addresses, ("::", "0.0.0.0"))
        # Whoever can reach the port could claim any address.
        self.assertFalse(config.listeners[0].x_forwarded)
        self.assertTrue(config.registration.enable_registration)
        self.assertTrue(config.metrics.enable_metrics)
        self.assertEqual(config.database.sqlite_path, os.path.abspath("my.db"))

    def test_odd_names_and_directories_survive_yaml(self) -> None:
        odd = 'a "quoted": {dir} ü'
        os.mkdir(odd)
        status, _, _ = run(
            "--generate-config", "-c", f"{odd}/x.yaml", "-H", "[::1]:8448", "--data-directory", odd
        )
        self.assertEqual(status, 0)
        config = load(["-c", f"{odd}/x.yaml"], {}).config
        self.assertEqual(config.server.server_name, "[::1]:8448")
        self.assertEqual(config.database.sqlite_path, os.path.abspath(f"{odd}/homeserver.db"))

    def test_wrong_server_name_is_a_usage_error_and_makes_nothing(self) -> None:
        for argv in (["-H", "not/a/name"], []):
            with self.subTest(argv=argv):
                status, _, errors = run("--generate-config", "-c", "homeserver.yaml", *argv)
                self.assertEqual((status, os.listdir()), (2, []))
                self.assertIn("--server-name", errors)

    def test_unwritable_place_is_one_line(self) -> None:
        self.write("file", "")
        status, _, errors = run("--generate-config", "-c", "file/x.yaml", "-H", NAME)
        self.assertEqual(status, 1)
        self.assertIn("can't be written", errors)
        self.assertEqual(errors.count("\n"), 1)


class ExistingServerTest(InDirectory):
    def setUp(self) -> None:
        super().setUp()
        run(*NEW)

    def files(self) -> dict[str, str]:
        return {path: content(path) for path in os.listdir()}

    def test_nothing_is_ever_overwritten(self) -> None:
        before = self.files()
        for argv in (NEW, ["--generate-missing-configs", "-c", "homeserver.yaml"]):
            with self.subTest(argv=argv):
                self.assertEqual(run(*argv)[0], 0)
                self.assertEqual(self.files(), before)

    def test_only_what_is_missing_is_made(self) -> None:
        for flag in ("--generate-config", "--generate-missing-configs", "--generate-keys"):
            with self.subTest(flag=flag):
                for path in SECRET_FILES[1:] + PUBLIC_FILES:
                    os.unlink(path)
                config = content("homeserver.yaml")
                self.assertEqual(run(flag, "-c", "homeserver.yaml")[0], 0)
                self.assertEqual(sorted(os.listdir()), sorted(SECRET_FILES + PUBLIC_FILES))
                self.assertEqual(content("homeserver.yaml"), config)

    def test_key_without_certificate_is_certified(self) -> None:
        key = content(f"{NAME}.tls.key")
        os.unlink(f"{NAME}.tls.crt")
        self.assertEqual(run("--generate-keys", "-c", "homeserver.yaml")[0], 0)
        self.assertEqual(content(f"{NAME}.tls.key"), key)
        ssl.create_default_context().load_cert_chain(f"{NAME}.tls.crt", f"{NAME}.tls.key")

    def test_certificate_without_key_is_an_error(self) -> None:
        os.unlink(f"{NAME}.tls.key")
        status, _, errors = run("--generate-keys", "-c", "homeserver.yaml")
        self.assertEqual(status, 1)
        self.assertIn("put its private key there", errors)

    def test_strange_key_is_an_error(self) -> None:
        os.unlink(f"{NAME}.tls.crt")
        self.write(f"{NAME}.tls.key", "no key")
        status, _, errors = run("--generate-keys", "-c", "homeserver.yaml")
        self.assertEqual(status, 1)
        self.assertIn("is not a private key in PEM", errors)

    def test_missing_configuration_is_not_made_by_generate_missing(self) -> None:
        status, _, errors = run("--generate-missing-configs", "-c", "other.yaml")
        self.assertEqual(status, 1)
        self.assertIn("other.yaml: there is no such file", errors)

    def test_start_makes_signing_key_and_log_config_but_no_certificate(self) -> None:
        os.unlink(f"{NAME}.signing.key")
        os.unlink(f"{NAME}.log.config")
        with contextlib.redirect_stdout(io.StringIO()):
            load(["-c", "homeserver.yaml"], {})
        self.assertIn(f"{NAME}.signing.key", os.listdir())
        self.assertIn(f"{NAME}.log.config", os.listdir())
        os.unlink(f"{NAME}.tls.crt")
        os.unlink(f"{NAME}.tls.key")
        status, _, errors = run("-c", "homeserver.yaml")
        self.assertEqual(status, 1)
        self.assertIn("homeserver.yaml: tls_certificate_path names the file", errors)

    def test_secret_file_is_made(self) -> None:
        self.write("more.yaml", "registration_shared_secret_path: made.secret\n")
        self.write("base.yaml", "server_name: a.b\n")
        with contextlib.redirect_stdout(io.StringIO()):
            config = load(["-c", "base.yaml", "-c", "more.yaml"], {}).config
        made = content("made.secret").strip()
        self.assertEqual(config.registration.registration_shared_secret, made)
        self.assertEqual(stat.S_IMODE(os.stat("made.secret").st_mode), 0o600)


class NewFileTest(InDirectory):
    def test_taken_path_is_left_alone(self) -> None:
        self.write("file", "old")
        self.assertFalse(write_new("file", "new", PRIVATE))
        os.symlink("nowhere", "link")
        self.assertFalse(write_new("link", "new", PRIVATE))
        self.assertEqual((content("file"), sorted(os.listdir())), ("old", ["file", "link"]))

    def test_nothing_is_left_behind(self) -> None:
        self.assertTrue(write_new("file", "new", PRIVATE))
        self.assertEqual(os.listdir(), ["file"])


class SigningKeyTest(InDirectory):
    def test_key_is_a_line_of_three_words(self) -> None:
        for _ in range(20):
            algorithm, name, seed = signing_key_text().split(" ")
            self.assertEqual(algorithm, "ed25519")
            self.assertRegex(name, r"^a_[A-Za-z]{4}$")
            self.assertRegex(seed, r"^[A-Za-z0-9+/]{43}\n$")
            self.assertEqual(len(base64.b64decode(seed.strip() + "=")), 32)


class LogConfigTest(InDirectory):
    def test_log_config_is_what_python_takes(self) -> None:
        import logging.config

        values = yaml.safe_load(log_config_text(os.path.abspath("x.log")))
        self.assertEqual(
            values["formatters"]["precise"]["format"],
            "%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s",
        )
        # The whole would replace the logging of the test run.
        logging.config.DictConfigurator(values).configure_formatter(values["formatters"]["precise"])
        self.assertEqual(values["root"]["handlers"], ["file", "console"])


class DiffieHellmanTest(InDirectory):
    def test_parameters_are_those_of_rfc_7919(self) -> None:
        # "The hexadecimal representation of p" by its definition in appendix A.1:
        # p = 2^2048 - 2^1984 + {[2^1918 * e] + 560316} * 2^64 - 1
        scaled_e = sum((1 << 3000) // factorial(n) for n in range(400))
        prime = 2**2048 - 2**1984 + ((scaled_e >> (3000 - 1918)) + 560316) * 2**64 - 1
        # ASN.1: SEQUENCE { INTEGER p, INTEGER 2 }
        encoded = b"\x30\x82\x01\x08\x02\x82\x01\x01" + prime.to_bytes(257, "big") + b"\x02\x01\x02"
        lines = FFDHE2048.splitlines()
        self.assertEqual(base64.b64decode("".join(lines[1:-1])), encoded)
        self.assertEqual(lines[0], "-----BEGIN DH PARAMETERS-----")
        self.assertEqual(lines[-1], "-----END DH PARAMETERS-----")


class CertificateTest(InDirectory):
    def setUp(self) -> None:
        super().setUp()
        self.key = new_private_key()
        self.certificate = self_signed("my.domain.name", self.key)

    def shake_hands(self, hostname: str, *, trusted: str, flags: int = 0) -> None:
        """Raises `ssl.SSLError` unless a client that trusts that certificate accepts ours."""
        self.write("crt", self.certificate)
        self.write("key", self.key)
        server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_side.load_cert_chain("crt", "key")
        client_side = ssl.create_default_context(cadata=trusted)
        client_side.verify_flags |= flags
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_side.wrap_bio(down, up, server_hostname=hostname)
        server = server_side.wrap_bio(up, down, server_side=True)
        for side in (client, server, client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()

    def test_client_that_trusts_it_accepts_all_its_names(self) -> None:
        for hostname in ("my.domain.name", "localhost", "127.0.0.1", "::1"):
            for flags in (0, ssl.VERIFY_X509_STRICT):
                with self.subTest(hostname=hostname, flags=flags):
                    self.shake_hands(hostname, trusted=self.certificate, flags=flags)

    def test_other_names_and_other_certificates_are_refused(self) -> None:
        other = self_signed("my.domain.name", new_private_key())
        for hostname, trusted in (("evil.example", self.certificate), ("localhost", other)):
            with self.subTest(hostname=hostname), self.assertRaises(ssl.SSLError):
                self.shake_hands(hostname, trusted=trusted)

    def test_it_is_valid_for_ten_years(self) -> None:
        certificate = x509.load_pem_x509_certificate(self.certificate.encode())
        valid = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        self.assertAlmostEqual(valid.days, 3653, delta=2)

    def test_names_of_every_form_are_certified(self) -> None:
        for name in ("1.2.3.4", "[1234::abcd]:8448", "127.0.0.1", "localhost:1", "a" * 250):
            with self.subTest(name=name):
                pem = self_signed(generate.host_of(name), self.key)
                x509.load_pem_x509_certificate(pem.encode())

    def test_unusable_keys_are_value_errors(self) -> None:
        for key in ("", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
            with self.subTest(key=key), self.assertRaises(ValueError):
                self_signed("a.b", key)


class UnwritableTest(InDirectory):
    def test_error_names_the_path(self) -> None:
        self.write("file", "")
        self.assertIn("file/x: can't be written", error_from(write_new, "file/x", "", PRIVATE))
        self.assertRaises(ConfigError, write_new, "file/x", "", PRIVATE)
