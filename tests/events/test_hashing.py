"""Hashes, signatures and ids of events, against the specification's vectors."""

from typing import Any
from unittest import TestCase

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events import hashing
from synapse.events.redaction import redact
from synapse.util import base64
from tests.crypto.test_signing import KEY

MINIMAL: dict[str, Any] = {
    "room_id": "!x:domain",
    "sender": "@a:domain",
    "origin": "domain",
    "origin_server_ts": 1000000,
    "signatures": {},
    "hashes": {},
    "type": "X",
    "content": {},
    "prev_events": [],
    "auth_events": [],
    "depth": 3,
    "unsigned": {"age_ts": 1000000},
}
REDACTABLE: dict[str, Any] = {
    "content": {"body": "Here is the message content"},
    "event_id": "$0:domain",
    "origin": "domain",
    "origin_server_ts": 1000000,
    "type": "m.room.message",
    "room_id": "!r:domain",
    "sender": "@u:domain",
    "signatures": {},
    "unsigned": {"age_ts": 1000000},
}
# Appendices, "Cryptographic Test Vectors", "Event Signing": event, content hash, signature.
VECTORS = [
    (
        MINIMAL,
        "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos",
        "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg",
    ),
    (
        REDACTABLE,
        "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g",
        "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA",
    ),
]
V1, V3, V4 = (ROOM_VERSIONS[version] for version in ("1", "3", "4"))


class HashingTests(TestCase):
    def test_hashes_and_signatures_are_those_of_the_specification(self) -> None:
        for event, hash, signature in VECTORS:
            with self.subTest(type=event["type"]):
                self.assertEqual(base64.encode(hashing.content_hash(event, V1)).decode(), hash)
                hashed = {**event, "hashes": {"sha256": hash}}
                self.assertTrue(hashing.content_hash_matches(hashed, V1))
                self.assertEqual(KEY.sign(hashing.essential_bytes(hashed, V1)).decode(), signature)

    def test_a_content_hash_that_is_missing_or_malformed_does_not_match(self) -> None:
        hashes: Any
        for hashes in (None, [], {}, {"sha256": 5}, {"sha256": "é"}, {"sha256": "AAAA"}):
            with self.subTest(hashes=hashes):
                self.assertFalse(hashing.content_hash_matches({**MINIMAL, "hashes": hashes}, V1))

    def test_event_ids_are_reference_hashes_in_the_version_s_alphabet(self) -> None:
        for n in range(100):
            essential = b"%d" % n
            standard = hashing.event_id_of(essential, V3)
            self.assertEqual(
                hashing.event_id_of(essential, V4),
                standard.replace("+", "-").replace("/", "_"),
            )
            self.assertEqual(len(standard), 44)
            self.assertEqual(base64.decode(standard[1:]), hashing.reference_hash(essential))

    def test_the_essential_bytes_do_not_change_when_the_event_is_redacted(self) -> None:
        for version in ROOM_VERSIONS.values():
            event = {**REDACTABLE, "prev_events": [], "auth_events": [], "depth": 1}
            self.assertEqual(
                hashing.essential_bytes(event, version),
                hashing.essential_bytes(redact(event, version), version),
            )
