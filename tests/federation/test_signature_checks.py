"""Who must have signed an event, and whether they did."""

from typing import Any

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.crypto.key_validity import Moment, event_signed, request_signed
from synapse.crypto.signing import InvalidSignature, SigningKey
from synapse.events.parsing import ReceivedEvent, parse_received
from synapse.federation.signature_checks import SignatureChecks, Signed, required_signers
from tests.crypto.key_documents import DAY_MS, NOW_MS, document_of, key_of
from tests.federation.network import NetworkTestCase

HOST, OTHER, THIRD = "remote.example", "other.example", "third.example"
_JOIN = {"membership": "join"}
_INVITE = {"membership": "invite", "third_party_invite": {"signed": {}}}


def event(
    version: str = "10",
    *signers: str,
    content: dict[str, Any] | None = None,
    at_ms: int = NOW_MS,
    key: SigningKey | None = None,
    **more: Any,
) -> ReceivedEvent:
    """An event by @alice:remote.example, signed by these servers."""
    value = {
        "type": "m.room.message",
        "room_id": "!room:remote.example",
        "sender": f"@alice:{HOST}",
        "origin_server_ts": at_ms,
        "depth": 1,
        "auth_events": [],
        "prev_events": [],
        "content": content or {},
        "hashes": {"sha256": "A" * 43},
        "signatures": {HOST: {"ed25519:none": "x"}},
        **more,
    }
    essential = parse_received(value, ROOM_VERSIONS[version]).essential
    signing = {server: key or key_of(server) for server in signers}
    value["signatures"] = {
        server: {signer.key_id: signer.sign(essential).decode()}
        for server, signer in signing.items()
    } or {HOST: {"ed25519:none": "x"}}
    return parse_received(value, ROOM_VERSIONS[version])


def member(content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "m.room.member", "state_key": f"@alice:{HOST}", "content": content}


SIGNERS: list[tuple[str, str, dict[str, Any], set[str]]] = [
    ("10", "a message", {}, {HOST}),
    ("1", "its id is another server's", {"event_id": f"$e:{OTHER}"}, {HOST, OTHER}),
    ("2", "its id is the sender's", {"event_id": f"$e:{HOST}"}, {HOST}),
    ("10", "announced by a third party", member(_INVITE), set()),
    ("2", "the same, with an id", {**member(_INVITE), "event_id": f"$e:{OTHER}"}, {OTHER}),
    ("10", "no invite", member({**_JOIN, "third_party_invite": {}}), {HOST}),
    (
        "8",
        "let in by another server",
        member({**_JOIN, "join_authorised_via_users_server": f"@bob:{OTHER}"}),
        {HOST, OTHER},
    ),
    (
        "7",
        "before that was possible",
        member({**_JOIN, "join_authorised_via_users_server": f"@bob:{OTHER}"}),
        {HOST},
    ),
    ("8", "a number", member({**_JOIN, "join_authorised_via_users_server": 7}), {HOST}),
]


class SignatureCheckTests(NetworkTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.checks = SignatureChecks(self.ring, self.clock)
        for server in (HOST, OTHER, THIRD):
            self.network.answers[server] = document_of(server)

    async def verdicts(self, *events: ReceivedEvent) -> list[str]:
        """What is wrong with each; "" if nothing is."""
        found = await self.wait(self.checks.check_events(events))
        return [str(verdict or "") for verdict in found]

    async def test_who_must_sign(self) -> None:
        for version, name, more, signers in SIGNERS:
            self.assertEqual(required_signers(event(version, **more).event), signers, name)

    async def test_all_who_must_sign_are_checked(self) -> None:
        more = member({**_JOIN, "join_authorised_via_users_server": f"@bob:{OTHER}"})
        verdicts = await self.verdicts(
            event("10", HOST, OTHER, **more),
            event("10", HOST, **more),
            event("10", OTHER, **more),
            event("10", HOST),
            event("10", HOST, key=key_of(OTHER)),
            event("10", **member(_INVITE)),
        )
        self.assertEqual(verdicts[0], "")
        self.assertEqual(verdicts[1], "Not signed by other.example")
        self.assertEqual(verdicts[2], "Not signed by remote.example")
        self.assertEqual(verdicts[3], "")
        self.assertEqual(verdicts[4], "The signature by remote.example with ed25519:a is wrong")
        self.assertEqual(verdicts[5], "")

    async def test_each_server_is_asked_once_for_a_whole_batch(self) -> None:
        events = [event("10", HOST, at_ms=NOW_MS - n) for n in range(50)]
        events += [event("10", OTHER, sender=f"@bob:{OTHER}") for _ in range(50)]
        self.assertEqual(set(await self.verdicts(*events)), {""})
        self.assertEqual(sorted(self.network.asked()), [OTHER, HOST])

    async def test_an_empty_batch(self) -> None:
        self.assertEqual(await self.verdicts(), [])

    async def test_old_keys_and_room_versions(self) -> None:
        old = key_of(HOST, "old")
        expired_ms = NOW_MS - DAY_MS
        self.network.answers[HOST] = document_of(HOST, key_of(HOST), old={old: expired_ms})
        verdicts = await self.verdicts(
            event("10", HOST, at_ms=expired_ms, key=old),
            event("10", HOST, at_ms=expired_ms + 1, key=old),
            event("4", HOST, at_ms=expired_ms + 1, key=old),
            event("10", HOST, at_ms=NOW_MS + 8 * DAY_MS),
            event("3", HOST, at_ms=NOW_MS + 8 * DAY_MS),
        )
        self.assertEqual([bool(verdict) for verdict in verdicts], [False, True, False, True, False])
        self.assertIn("was not valid when", verdicts[1])

    async def test_an_old_key_signs_no_request(self) -> None:
        old, now = key_of(HOST, "old"), key_of(HOST)
        self.network.answers[HOST] = document_of(HOST, now, old={old: NOW_MS - 1})
        for key, moment, complaint in (
            (now, request_signed(NOW_MS), ""),
            (old, request_signed(NOW_MS), "was not valid when"),
            (old, event_signed(NOW_MS - 1, ROOM_VERSIONS["10"]), ""),
        ):
            signatures = {key.key_id: key.sign(b"message").decode()}
            signed = Signed(HOST, b"message", signatures, moment)
            try:
                await self.wait(self.checks.check(signed))
                found = ""
            except InvalidSignature as error:
                found = str(error)
            self.assertEqual((complaint in found, bool(found)), (True, bool(complaint)), found)

    async def test_a_policy_servers_signature_asks_nobody(self) -> None:
        await self.verdicts(event("10", HOST))
        self.network.asked()
        self.time.advance(3600)
        received = event("10", HOST)
        received.signatures[HOST]["ed25519:policy_server"] = "x" * 86
        self.assertEqual(await self.verdicts(received), [""])
        self.assertEqual(self.network.asked(), [])

    async def test_strange_servers_and_floods_of_signatures_ask_nobody(self) -> None:
        one = {"ed25519:a": "x"}
        flood = {f"ed25519:{n}": "x" for n in range(21)}
        items = [Signed(name, b"", one, Moment(0)) for name in ("", "a b", "\0", "x" * 300)]
        items += [Signed(HOST, b"", flood, Moment(0)), Signed(HOST, b"", {"rsa:1": "x"}, Moment(0))]
        verdicts = await self.checks.check_all(items)
        self.assertNotIn(None, verdicts)
        self.assertEqual(self.network.asked(), [])
        self.assertEqual(str(verdicts[-1]), f"Not signed by {HOST}")
