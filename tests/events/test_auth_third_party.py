"""Rule 5.4.1 of the authorisation rules: invitations by third-party identifier."""

from base64 import b64encode, urlsafe_b64encode
from typing import Any
from unittest import TestCase

from nacl.signing import SigningKey

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.util import canonicaljson
from tests.events.auth_rooms import (
    ALL,
    BOB,
    CAROL,
    MOD,
    Row,
    check_rows,
    make_event,
    room_state,
    verdict,
)

# b"\x02" * 32 has a public key whose two base64 alphabets differ.
KEY, OTHER_KEY = SigningKey(b"\x02" * 32), SigningKey(b"\x01" * 32)


def public(key: SigningKey, encode: Any = b64encode) -> str:
    encoded: str = encode(key.verify_key.encode()).decode().rstrip("=")
    return encoded


def signed(key: SigningKey = KEY, **changes: Any) -> dict[str, Any]:
    body = {"mxid": CAROL, "sender": BOB, "token": "tok", **changes}
    signature = key.sign(canonicaljson.encode_lax(body)).signature
    encoded = b64encode(signature).decode().rstrip("=")
    return {**body, "signatures": {"id.example": {"ed25519:0": encoded}}}


def invite(content: Any, sender: str = BOB) -> tuple[Any, ...]:
    return (
        "m.room.member",
        sender,
        {"membership": "invite", "third_party_invite": content},
        CAROL,
    )


def room(content: Any = None, sender: str = BOB, **more: Any) -> dict[str, Any]:
    return {"third_party": {"tok": (sender, content or {"public_key": public(KEY)})}, **more}


GOOD = {"display_name": "c…@…", "signed": signed()}
WITHOUT_TOKEN = {k: v for k, v in signed().items() if k != "token"}
SIGNATURE = signed()["signatures"]["id.example"]["ed25519:0"]
CHANGED = {**signed(), "sender": CAROL}


def with_signatures(signatures: Any) -> dict[str, Any]:
    return {"signed": {**signed(), "signatures": signatures}}


ROWS = [
    Row("5.4.1.1", ALL, room(members={CAROL: "ban"}), invite(GOOD), "is banned"),
    Row("5.4.1.2", ALL, room(), invite({}), "not signed"),
    Row("5.4.1.2", ALL, room(), invite(None), "not signed"),
    Row("5.4.1.2", ALL, room(), invite([]), "not signed"),
    Row("5.4.1.2", ALL, room(), invite({"signed": "yes"}), "not signed"),
    Row("5.4.1.3", ALL, room(), invite({"signed": {}}), "lacks mxid or token"),
    Row("5.4.1.3", ALL, room(), invite({"signed": WITHOUT_TOKEN}), "lacks mxid or token"),
    Row("5.4.1.3", ALL, room(), invite({"signed": signed(token=["tok"])}), "lacks mxid or token"),
    Row("5.4.1.4", ALL, room(), invite({"signed": signed(mxid=BOB)}), "not for @carol:c"),
    Row("5.4.1.5", ALL, room(), invite({"signed": signed(token="other")}), "no such third-party"),
    Row("5.4.1.5", ALL, {}, invite(GOOD), "no such third-party"),
    Row("5.4.1.6", ALL, room(), invite(GOOD, MOD), "by another user"),
    Row("5.4.1.6", ALL, room(sender=MOD), invite(GOOD), "by another user"),
    Row("5.4.1.7", ALL, room(), invite(GOOD)),
    # The inviter needs neither to be in the room nor to have power any more.
    Row("5.4.1.7", ALL, room(members={BOB: "leave"}), invite(GOOD)),
    Row("5.4.1.7", ALL, room(more_levels={"invite": 99}), invite(GOOD)),
    Row("5.4.1.7", ALL, room(members={CAROL: "join"}), invite(GOOD)),
    Row("5.4.1.7.1", ALL, room({"public_key": public(KEY, urlsafe_b64encode)}), invite(GOOD)),
    Row("5.4.1.7.1", ALL, room({"public_key": public(KEY) + "="}), invite(GOOD)),
    Row("5.4.1.7.2", ALL, room({"public_keys": [{"public_key": public(KEY)}]}), invite(GOOD)),
    Row("5.4.1.7.2", ALL,
        room({
            "public_key": public(OTHER_KEY),
            "public_keys": [5, {}, {"public_key": None}, {"public_key": public(KEY)}],
        }),
        invite(GOOD)),
    Row("5.4.1.7", ALL, room(), invite({"signed": {**signed(), "unsigned": {"age": 1}}})),
    Row("5.4.1.8", ALL, room({"public_key": public(OTHER_KEY)}), invite(GOOD), "no valid sign"),
    Row("5.4.1.8", ALL, room({"public_keys": {"public_key": public(KEY)}}), invite(GOOD), "valid"),
    Row("5.4.1.8", ALL, room({"public_key": "AAAA"}), invite(GOOD), "no valid signature"),
    Row("5.4.1.8", ALL, room({"public_key": "A"}), invite(GOOD), "no valid signature"),
    Row("5.4.1.8", ALL, room({"public_key": "ü!"}), invite(GOOD), "no valid signature"),
    Row("5.4.1.8", ALL, room(), invite({"signed": CHANGED}), "no valid signature"),
    Row("5.4.1.8", ALL, room(), invite(with_signatures(None)), "no valid signature"),
    Row("5.4.1.8", ALL, room(), invite(with_signatures({"id": []})), "no valid signature"),
    Row("5.4.1.8", ALL, room(), invite(with_signatures({"id": {"ed25519:0": 5}})), "no valid"),
    Row("5.4.1.8", ALL, room(), invite(with_signatures({"id": {"ed25519:0": "AA"}})), "no valid"),
    Row("5.4.1.8", ALL, room(),
        invite(with_signatures({"id": {"rsa:0": SIGNATURE}})),
        "no valid signature"),
]  # fmt: skip


class ThirdPartyInviteTests(TestCase):
    def test_third_party_invites(self) -> None:
        check_rows(self, ROWS)

    def test_the_alphabets_of_the_key_differ(self) -> None:
        self.assertNotEqual(public(KEY), public(KEY, urlsafe_b64encode))

    def test_what_has_no_canonical_json_has_no_valid_signature(self) -> None:
        event = invite({"signed": signed(sender=1.5)})
        for identifier, expected in [("5", "allowed"), ("6", "no valid signature")]:
            version = ROOM_VERSIONS[identifier]
            state = room_state(version, **room())
            self.assertIn(expected, verdict(make_event(version, *event), state))

    def test_a_hostile_number_of_keys_and_signatures_costs_little(self) -> None:
        version = ROOM_VERSIONS["12"]
        keys = [{"public_key": public(OTHER_KEY)}] * 1000
        signature = b64encode(bytes(64)).decode()
        signatures = {"id": {f"ed25519:{n}": signature for n in range(500)}}
        state = room_state(version, **room({"public_keys": keys}))
        event = make_event(version, *invite(with_signatures(signatures)))
        self.assertIn("no valid signature", verdict(event, state))
