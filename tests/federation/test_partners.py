"""With whom we talk."""

from synapse.federation.partners import Partners
from tests.case import TestCase

RULES = [
    # allowed, denied, name, part of the reason
    (None, (), "a.example", None),
    (None, (), "a.example:8448", None),
    (None, (), "us.example", "is this server"),
    (None, (), "not a name", "not a server's name"),
    (None, (), "", "not a server's name"),
    (None, (), "x" * 300, "not a server's name"),
    (["a.example"], (), "A.Example", None),
    (["a.example"], (), "b.example", "not in federation_domain_whitelist"),
    (["a.example"], (), "x.a.example", "not in federation_domain_whitelist"),
    (["a.example"], (), "a.example:1", "not in federation_domain_whitelist"),
    ([], (), "a.example", "not in federation_domain_whitelist"),
    (None, ["a.example"], "a.example", "in federation_domain_blacklist"),
    (["a.example"], ["a.example"], "a.example", "in federation_domain_blacklist"),
]


class PartnersTests(TestCase):
    def test_rules(self) -> None:
        for allowed, denied, name, reason in RULES:
            with self.subTest(allowed=allowed, denied=denied, name=name):
                partners = Partners("us.example", allowed=allowed, denied=denied)
                refusal = partners.refusal(name)
                if reason is None:
                    self.assertIsNone(refusal)
                else:
                    self.assertIn(reason, refusal or "")
