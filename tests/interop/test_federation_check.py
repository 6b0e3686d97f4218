"""`synapse_federation_check` between two real servers."""

import subprocess
import sys

from tests.interop.pairs import PairTestCase
from tests.interop.server import ROOT


class FederationCheckTests(PairTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.listen_with_tls()
        self.two.start()

    def check(self, server_name: str | None = None) -> tuple[int, str]:
        """Exit status and output of the check from the first server to the second."""
        command = [sys.executable, "-m", "synapse._scripts.federation_check"]
        for name in ("homeserver.yaml", "overrides.yaml"):
            command += ["-c", str(self.one.directory / name)]
        ended = subprocess.run(
            [*command, server_name or self.two.server_name],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        self.assertNotIn("Traceback", ended.stderr)
        return ended.returncode, ended.stdout + ended.stderr

    def test_all_is_well(self) -> None:
        self.one.start()
        status, output = self.check()
        self.assertEqual(status, 0, output)
        self.assertNotIn("FAULT", output)
        for text in (
            f"From here to {self.two.server_name}",
            f"From others to {self.one.server_name}",
            "accepts requests that we sign",
            "as published in tls_fingerprints",
            "All is well.",
        ):
            self.assertIn(text, output)

    def test_nobody_reaches_us(self) -> None:
        status, output = self.check()
        self.assertEqual(status, 1, output)
        self.assertIn("FAULT  signature: ", output)
        self.assertIn("FAULT  connecting: ", output)
        self.assertIn("There are faults.", output)

    def test_we_reach_nobody(self) -> None:
        self.one.start()
        self.two.stop()
        status, output = self.check()
        self.assertEqual(status, 1, output)
        self.assertEqual(output.count("FAULT"), 1, output)
        self.assertIn("FAULT  connecting: ", output)

    def test_a_certificate_that_we_do_not_trust(self) -> None:
        self.one.start()
        own = self.one.directory / f"{self.one.server_name}.tls.crt"
        self.one.configure(federation_custom_ca_list=[str(own)])
        status, output = self.check()
        self.assertEqual(status, 1, output)
        self.assertIn("FAULT  the certificate: ", output)

    def test_a_name_that_is_none(self) -> None:
        self.one.start()
        status, output = self.check("https://example.com")
        self.assertEqual(status, 1, output)
        self.assertIn("FAULT  name: ", output)

    def test_a_configuration_that_cannot_be_used(self) -> None:
        (self.one.directory / f"{self.one.server_name}.signing.key").write_text("no key")
        status, output = self.check()
        self.assertEqual(status, 1)
        self.assertIn("signing key", output)
