"""Signing keys and signatures, against the specification's vectors and signedjson."""

from typing import Any
from unittest import TestCase

import signedjson.key
import signedjson.sign

from synapse.crypto.signing import (
    InvalidKey,
    InvalidSignature,
    SigningKey,
    VerifyKey,
    read_signing_keys,
    sign_json,
    signatures_by,
    verify_json,
    write_signing_keys,
)

SEED = "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"
KEY = SigningKey.from_line(f"ed25519 1 {SEED}")

# Appendices, "Cryptographic Test Vectors", "JSON Signing".
VECTORS: list[tuple[dict[str, Any], str]] = [
    (
        {},
        "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ",
    ),
    (
        {"one": 1, "two": "Two"},
        "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
    ),
]

BAD_LINES = [
    "",
    "ed25519",
    "ed25519 a_1",
    f"rsa a_1 {SEED}",
    f"ed25519 a_1 {SEED} more",
    f"ed25519 a:1 {SEED}",
    "ed25519 a_1 c2hvcnQ",
    "ed25519 a_1 not!base64",
    "ed25519 a_1 schlüssel",
]


class SigningTests(TestCase):
    def test_signatures_are_those_of_the_specification(self) -> None:
        for value, signature in VECTORS:
            with self.subTest(value=value):
                signed = sign_json(value, "domain", KEY)
                self.assertEqual(
                    signed, {**value, "signatures": {"domain": {"ed25519:1": signature}}}
                )
                verify_json(signed, "domain", KEY.verify_key)

    def test_signedjson_and_we_accept_each_other(self) -> None:
        value = {"b": [1, None, "é\u2028"], "a": {"z": True, "A": -5}}
        theirs = signedjson.key.decode_signing_key_base64("ed25519", "1", SEED)
        their_signed = signedjson.sign.sign_json(dict(value), "domain", theirs)
        self.assertEqual(sign_json(value, "domain", KEY), their_signed)
        signedjson.sign.verify_signed_json(
            sign_json(value, "domain", KEY), "domain", signedjson.key.get_verify_key(theirs)
        )

    def test_signing_keeps_other_signatures_and_does_not_cover_unsigned(self) -> None:
        value = {
            "a": 1,
            "unsigned": {"age": 5},
            "signatures": {"domain": {"ed25519:0": "x"}, "o": {}},
        }
        signed = sign_json(value, "domain", KEY)
        self.assertEqual(set(signed["signatures"]), {"domain", "o"})
        self.assertEqual(set(signed["signatures"]["domain"]), {"ed25519:0", "ed25519:1"})
        verify_json({**signed, "unsigned": {"age": 6}}, "domain", KEY.verify_key)
        self.assertEqual(value["signatures"], {"domain": {"ed25519:0": "x"}, "o": {}})

    def test_wrong_signatures_are_refused(self) -> None:
        signed = sign_json({"a": 1}, "domain", KEY)
        other = VerifyKey("ed25519:1", SigningKey("1", bytes(32)).public)
        refused: list[tuple[str, dict[str, Any], str, VerifyKey]] = [
            ("another value", {**signed, "a": 2}, "domain", KEY.verify_key),
            ("another server", signed, "elsewhere", KEY.verify_key),
            ("another key", signed, "domain", other),
            ("no signatures", {"a": 1}, "domain", KEY.verify_key),
            ("a float", {**signed, "a": 1.5}, "domain", KEY.verify_key),
        ]
        signature: Any
        for signature in ("", "x", "!!", "é", "AAAA", 7, None, {}, "A" * 86):
            bad = {"a": 1, "signatures": {"domain": {"ed25519:1": signature}}}
            refused.append((f"signature {signature!r}", bad, "domain", KEY.verify_key))
        signatures: Any
        for signatures in (None, [], "x", {"domain": None}, {"domain": []}):
            bad = {"a": 1, "signatures": signatures}
            refused.append((f"signatures {signatures!r}", bad, "domain", KEY.verify_key))
        for name, value, server, key in refused:
            with self.subTest(name), self.assertRaises(InvalidSignature):
                verify_json(value, server, key)

    def test_padded_signatures_are_accepted(self) -> None:
        signature = VECTORS[0][1] + "=="
        verify_json({"signatures": {"domain": {"ed25519:1": signature}}}, "domain", KEY.verify_key)

    def test_signatures_of_unknown_algorithms_are_left_out(self) -> None:
        value = {"signatures": {"domain": {"ed25519:1": "a", "rsa:1": "b", "ed25519:2": 3}}}
        self.assertEqual(signatures_by(value, "domain"), {"ed25519:1": "a"})


class KeyTests(TestCase):
    def test_a_key_file_is_read_as_it_was_written(self) -> None:
        keys = [KEY, SigningKey("a_OLD1", bytes(range(32)))]
        text = write_signing_keys(keys)
        # The specification's spelling of the seed ends in bits that mean nothing.
        self.assertEqual(text.splitlines()[0], f"ed25519 1 {SEED[:-1]}0")
        self.assertEqual(read_signing_keys("\n" + text + "  \n"), keys)

    def test_bad_lines_are_refused_without_telling_the_secret(self) -> None:
        for line in BAD_LINES:
            with self.subTest(line=line), self.assertRaises(InvalidKey) as caught:
                SigningKey.from_line(line)
            self.assertNotIn(SEED, str(caught.exception))
        with self.assertRaisesRegex(InvalidKey, "Line 2"):
            read_signing_keys(f"ed25519 1 {SEED}\nnonsense\n")

    def test_a_key_does_not_show_its_secret(self) -> None:
        self.assertEqual(repr(KEY), f"SigningKey(version='1', public={KEY.public!r})")

    def test_public_keys_travel_as_base64(self) -> None:
        key = VerifyKey.from_base64("ed25519:1", KEY.verify_key.base64)
        self.assertEqual(key, KEY.verify_key)
        for key_id, text in [("rsa:1", key.base64), ("ed25519:1", "AAAA"), ("ed25519:1", "?")]:
            with self.subTest(key_id=key_id, text=text), self.assertRaises(InvalidKey):
                VerifyKey.from_base64(key_id, text)
