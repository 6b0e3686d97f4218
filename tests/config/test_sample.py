"""homeserver.sample.yaml is what the code would write today, and is right."""

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from unittest import TestCase

from synapse.config.files import Settings, parse_yaml
from synapse.config.homeserver import HomeserverConfig
from synapse.config.options import Section, find_option, options
from synapse.config.parser import parse
from synapse.config.sample import sample

ROOT = Path(__file__).parents[2]

READ_BY_THE_CONFIGURATION_ITSELF = {
    "accept_keys_insecurely",
    "enable_registration_without_verification",
    "factors",
    "per_cache_factors",
    "suppress_key_server_warning",
}
# Everybody's configuration has them, and their meaning says that they do nothing.
WITHOUT_EFFECT = {
    "enable_metrics",
    "form_secret",
    "macaroon_secret_key",
}


class SampleTest(TestCase):
    def test_file_is_up_to_date(self) -> None:
        # If this fails: python -m synapse.config sample > homeserver.sample.yaml
        self.assertEqual((ROOT / "homeserver.sample.yaml").read_text(), sample())

    def test_every_key_of_every_section_is_in_it(self) -> None:
        words = set(re.findall(r"[a-z0-9_]+", sample()))
        self.assertEqual(set(all_keys(HomeserverConfig)) - words, set())

    def test_every_key_has_a_meaning(self) -> None:
        for section in all_sections(HomeserverConfig):
            for declared, declaration in options(section):
                with self.subTest(section=section.__name__, key=declared.name):
                    self.assertRegex(declaration.doc, r"^.{8,}\.$")

    def test_every_key_is_read_by_the_server(self) -> None:
        # Whoever sets a key that has no effect must hear of it: it belongs into known_keys.py.
        server = "\n".join(
            path.read_text()
            for path in (ROOT / "synapse").rglob("*.py")
            if path.parent.name != "config"
        )
        unread = {
            declared.name
            for section in all_sections(HomeserverConfig)
            for declared, _ in options(section)
            if not re.search(rf"\.{declared.name}\b", server)
        }
        self.assertEqual(unread, READ_BY_THE_CONFIGURATION_ITSELF | WITHOUT_EFFECT)

    def test_settings_work_when_the_comment_sign_is_taken_away(self) -> None:
        settings = Settings(values=parse_yaml(uncommented().encode(), "sample"))
        parse(settings)
        self.assertEqual([line for line in settings.warnings if "not a known" in line], [])

    def test_values_shown_as_defaults_are_the_defaults(self) -> None:
        shown = parse(Settings(values=parse_yaml(uncommented().encode(), "sample")))
        made = parse(Settings(values={"server_name": "matrix.example.com"}))
        for section in ("ui_auth", "metrics"):
            self.assertEqual(getattr(shown, section), getattr(made, section))
        self.assertEqual(shown.passwords.policy, made.passwords.policy)
        limits = replace(shown.rate_limits, rc_admin_redaction=None)
        self.assertEqual(limits, made.rate_limits)
        self.assertEqual(
            shown.rooms.redaction_retention_period_ms, made.rooms.redaction_retention_period_ms
        )


def uncommented() -> str:
    """All settings at once, but for those that exclude each other."""
    settings = [line[1:] for line in sample().splitlines() if re.match(r"#(?! \S|#)", line)]
    return "\n".join(line for line in settings if not re.match(r" +(path|mode): ", line))


def all_sections(section: Any) -> list[Any]:
    """The section, and those inside it."""
    found = [section]
    for declared in fields(section):
        declaration = find_option(declared)
        if declaration is None:
            if hasattr(declared.type, "__dataclass_fields__"):
                found += all_sections(declared.type)
            continue
        kind = declaration.kind
        inner = kind.section if isinstance(kind, Section) else getattr(kind, "item_section", None)
        if inner is not None:
            found += all_sections(inner)
    return found


def all_keys(section: Any) -> list[str]:
    return [d.key_of(f) for inner in all_sections(section) for f, d in options(inner)]
