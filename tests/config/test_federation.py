"""Federation: with whom, and how they prove who they are."""

from unittest import TestCase

from synapse.config.existing_files import check_files
from synapse.config.files import Settings
from tests.config.builders import error_from, error_of, parsed, parsed_with_warnings

VERSIONS: list[tuple[object, str]] = [
    ("1", "1"),
    (1, "1"),
    (1.0, "1"),
    ("1.1", "1.1"),
    (1.2, "1.2"),
    ("1.3", "1.3"),
]


class FederationTest(TestCase):
    def test_versions_of_tls(self) -> None:
        for value, version in VERSIONS:
            with self.subTest(value=value):
                config = parsed(federation_client_minimum_tls_version=value).federation
                self.assertEqual(config.federation_client_minimum_tls_version, version)

    def test_other_versions_are_refused(self) -> None:
        values: tuple[object, ...] = (2, "1.4", 1.25, True, "TLSv1.2", [])
        for value in values:
            with self.subTest(value=value):
                error = error_of(federation_client_minimum_tls_version=value)
                self.assertIn("must be one of 1, 1.1, 1.2, 1.3; for example", error)

    def test_with_nobody_is_not_the_same_as_with_everybody(self) -> None:
        self.assertIsNone(parsed().federation.federation_domain_whitelist)
        config = parsed(federation_domain_whitelist=[]).federation
        self.assertEqual(config.federation_domain_whitelist, ())

    def test_a_domain_must_be_one(self) -> None:
        error = error_of(federation_domain_whitelist=["https://a.example"])
        self.assertIn("federation_domain_whitelist[0] is", error)

    def test_a_missing_file_of_authorities_is_named_when_checked(self) -> None:
        config = parsed(federation_custom_ca_list=["/nowhere.pem"])
        error = error_from(check_files, config, Settings(values={}))
        self.assertIn("names the file /nowhere.pem, which can't be read: No such file", error)

    def test_nothing_is_unknown(self) -> None:
        _, warnings = parsed_with_warnings(
            federation_domain_whitelist=["a.example"],
            federation_verify_certificates=True,
            federation_certificate_verification_whitelist=[],
            federation_custom_ca_list=["/etc/ssl/ca.pem"],
            federation_client_minimum_tls_version=1.2,
        )
        self.assertEqual(warnings, [])
