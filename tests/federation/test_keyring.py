"""The key ring: where keys come from, who is believed, and what it costs."""

from collections.abc import Sequence
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults

from synapse.crypto.key_validity import Moment, Need
from synapse.crypto.server_keys import KnownKeys
from synapse.federation.key_fetching import TrustedNotary
from synapse.util.clock import Clock
from tests.crypto.key_documents import DAY_MS, NOW_MS, document_of, key_of
from tests.federation.network import NetworkTestCase, notary
from tests.storage.fresh import SERVER_NAME

HOST, NOTARY = "remote.example", "notary.example"
PINNED = TrustedNotary(NOTARY, (key_of(NOTARY).verify_key,))


def need(*versions: str, at_ms: int = NOW_MS) -> Need:
    return Need(frozenset(f"ed25519:{version}" for version in versions or "a"), Moment(at_ms))


class KeyRingTestCase(NetworkTestCase):
    async def keys(self, server: str = HOST, *needs: Need) -> set[str]:
        """The ids of the server's keys, found as a single question."""
        found = await self.wait(self.ring.keys({server: needs or [need()]}))
        return ids(found.get(server, {}))


def ids(known: KnownKeys) -> set[str]:
    return {key_id.removeprefix("ed25519:") for key_id in known}


class OneServerTests(KeyRingTestCase):
    async def test_it_is_asked_once_and_remembered_over_restarts(self) -> None:
        self.network.answers[HOST] = document_of(HOST)
        self.assertEqual(await self.keys(), {"a"})
        self.assertEqual(self.network.requests, [(HOST, "GET /_matrix/key/v2/server", None)])
        self.network.asked()
        self.assertEqual(await self.keys(), {"a"})
        self.trust()
        self.assertEqual(await self.keys(), {"a"})
        self.assertEqual(self.network.asked(), [])

    async def test_another_process_may_have_found_them(self) -> None:
        self.assertEqual(await self.keys(), set())
        self.network.answers[HOST] = document_of(HOST)
        await self.wait(self.new_ring().keys({HOST: [need()]}))
        self.network.asked()
        self.assertEqual(await self.keys(), {"a"})
        self.assertEqual(self.network.asked(), [])

    async def test_askers_share_one_request(self) -> None:
        self.network.answers[HOST] = document_of(HOST)
        questions = [
            Deferred.fromCoroutine(self.ring.keys({HOST: [need(version)]})) for version in "aaab"
        ]

        async def all_found() -> list[Any]:
            return list(await gatherResults(questions))

        found = await self.wait(all_found())
        self.assertEqual([ids(keys[HOST]) for keys in found], [{"a"}] * 4)
        self.assertEqual(self.network.asked(), [HOST])

    async def test_who_goes_away_leaves_the_others_their_keys(self) -> None:
        answer = Deferred[None]()
        self.network.answers[HOST] = document_of(HOST)
        self.network.waits_for = answer
        first = Deferred.fromCoroutine(self.ring.keys({HOST: [need()]}))
        second = Deferred.fromCoroutine(self.ring.keys({HOST: [need()]}))
        while not self.network.at_once:
            await Clock(reactor).sleep(0.001)
        first.cancel()
        answer.callback(None)
        self.assertEqual(ids((await second)[HOST]), {"a"})
        self.assertEqual(self.network.asked(), [HOST])
        with self.assertRaises(CancelledError):
            await first

    async def test_documents_that_prove_nothing(self) -> None:
        good = document_of(HOST)
        answers: list[Any] = [
            document_of("other.example"),
            {**good, "server_name": "other.example"},
            {**good, "valid_until_ts": NOW_MS + 2 * DAY_MS},
            {**good, "signatures": {}},
            {**good, "padding": "x" * 100_000},
            {"errcode": "M_UNRECOGNIZED"},
            [],
            None,
            "text",
        ]
        for answer in answers:
            self.network.answers[HOST] = answer
            self.assertEqual(await self.keys(), set(), answer)
            self.time.advance(3600)
        self.assertEqual(await self.database.fetch("SELECT * FROM server_keys"), [])

    async def test_who_does_not_answer_is_left_alone_ever_longer(self) -> None:
        pauses = []
        for _ in range(7):
            asked_at = self.seconds()
            while not self.network.asked():
                await self.keys()
                self.time.advance(10)
            pauses.append(self.seconds() - asked_at)
        for pause, expected in zip(pauses, (0, 60, 120, 240, 480, 600, 600), strict=True):
            self.assertTrue(expected <= pause < expected + 30, pauses)

    async def test_a_silent_server_costs_ten_seconds_once(self) -> None:
        self.network.hanging.add(HOST)
        began = self.seconds()
        self.assertEqual(await self.keys(), set())
        self.assertTrue(9 < self.seconds() - began < 12)
        began = self.seconds()
        self.assertEqual(await self.keys(), set())
        self.assertTrue(self.seconds() - began < 1)
        self.assertEqual((self.network.asked(), self.network.at_once), ([HOST], 0))

    async def test_a_new_key_is_found_but_made_up_ones_bring_no_flood(self) -> None:
        self.network.answers[HOST] = document_of(HOST)
        await self.keys()
        self.network.asked()
        for n in range(5):
            self.assertEqual(await self.keys(HOST, need(f"made_up_{n}")), {"a"})
        self.assertEqual(self.network.asked(), [])
        self.time.advance(31)
        new = document_of(HOST, key_of(HOST, "b"), old={key_of(HOST): NOW_MS})
        self.network.answers[HOST] = new
        self.assertEqual(await self.keys(HOST, need("b")), {"a", "b"})
        self.assertEqual(self.network.asked(), [HOST])

    async def test_it_is_asked_again_when_validity_has_ended(self) -> None:
        self.network.answers[HOST] = document_of(HOST)
        await self.keys()
        later_ms = NOW_MS + 3 * DAY_MS
        self.time.advance(3 * DAY_MS // 1000)
        self.network.answers[HOST] = document_of(HOST, until_ms=later_ms + DAY_MS)
        self.network.asked()
        await self.keys(HOST, need())
        self.assertEqual(self.network.asked(), [])
        found = await self.wait(self.ring.keys({HOST: [need(at_ms=later_ms)]}))
        self.assertEqual(found[HOST]["ed25519:a"].valid_until_ms, later_ms + DAY_MS)
        self.assertEqual(self.network.asked(), [HOST])

    async def test_our_own_keys_need_nobody(self) -> None:
        found = await self.ring.keys({SERVER_NAME: [need("unknown")]})
        self.assertEqual(ids(found[SERVER_NAME]), {"a"})
        self.assertEqual(self.network.asked(), [])

    async def test_nobody_is_asked_who_cannot_be_a_server(self) -> None:
        for name in ("", "a b", "x" * 300, "a/b", "\0", "é", "a:b"):
            self.assertEqual(await self.ring.keys({name: [need()]}), {})
        self.assertEqual(self.network.asked(), [])

    async def test_closing_ends_what_is_under_way(self) -> None:
        self.network.hanging.add(HOST)
        question = Deferred.fromCoroutine(self.ring.keys({HOST: [need()]}))
        self.ring.close()
        self.assertEqual(await question, {})
        self.assertEqual(self.network.at_once, 0)


class NotaryTests(KeyRingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.trust(PINNED)
        self.network.answers[NOTARY] = notary(NOTARY, {HOST: document_of(HOST)})

    async def test_it_knows_a_dead_servers_keys(self) -> None:
        self.assertEqual(await self.keys(), {"a"})
        self.assertEqual(
            self.network.requests[1],
            (
                NOTARY,
                "POST /_matrix/key/v2/query",
                {"server_keys": {HOST: {"ed25519:a": {"minimum_valid_until_ts": NOW_MS}}}},
            ),
        )

    async def test_a_slow_server_is_not_waited_for(self) -> None:
        self.network.hanging.add(HOST)
        began = self.seconds()
        self.assertEqual(await self.keys(), {"a"})
        self.assertTrue(1.9 < self.seconds() - began < 5)

    async def test_it_is_asked_for_keys_that_the_server_no_longer_tells(self) -> None:
        self.network.answers[HOST] = document_of(HOST, key_of(HOST, "b"))
        found = await self.wait(self.ring.keys({HOST: [need()]}))
        self.assertEqual(ids(found[HOST]), {"a", "b"})
        # But a request that it signs now is not the server's.
        self.assertEqual(found[HOST]["ed25519:a"].expired_ms, found[HOST]["ed25519:b"].fetched_ms)
        self.assertEqual(self.network.asked(), [HOST, NOTARY])

    async def test_it_is_not_asked_if_the_server_answers(self) -> None:
        self.network.answers[HOST] = document_of(HOST)
        self.assertEqual(await self.keys(), {"a"})
        self.assertEqual(self.network.asked(), [HOST])

    async def test_others_questions_do_not_keep_us_from_asking_it(self) -> None:
        await self.wait(self.ring.refresh({HOST: [need()]}, 10))
        self.assertEqual(self.network.asked(), [HOST])
        await self.wait(self.ring.refresh({HOST: [need()]}, 10))
        self.assertEqual(self.network.asked(), [])
        self.assertEqual(await self.keys(), {"a"})
        self.assertEqual(self.network.asked(), [HOST, NOTARY])

    async def test_whoever_joins_anothers_round_has_one_of_their_own_after_it(self) -> None:
        self.network.hanging.add(HOST)
        others = Deferred.fromCoroutine(self.ring.refresh({HOST: [need()]}, 60))
        self.assertEqual(await self.keys(), {"a"})
        self.assertEqual(self.network.asked(), [HOST, HOST, NOTARY])
        await others

    async def test_liars(self) -> None:
        good, other = document_of(HOST), document_of("other.example")
        forged = {**good, "signatures": {"other.example": {}}}
        liars: dict[str, Any] = {
            "signed by another key": notary(NOTARY, {HOST: good}, key_of("other.example")),
            "not self-signed": notary(NOTARY, {HOST: forged}),
            "another server's": notary(NOTARY, {HOST: other}),
            "unsigned": {"server_keys": [good]},
            "no list": {"server_keys": {HOST: good}},
            "no documents": {"server_keys": [7, None, {}, [good], {"server_name": [HOST]}]},
            "no object": [good],
            "nothing": None,
        }
        for name, answer in liars.items():
            self.network.answers[NOTARY] = answer
            self.assertEqual(await self.keys(), set(), name)
            self.time.advance(3600)
        self.assertEqual(await self.database.fetch("SELECT server FROM server_keys"), [])

    async def test_without_pinned_keys_its_signature_is_not_asked_for(self) -> None:
        self.trust(TrustedNotary(NOTARY))
        self.network.answers[NOTARY] = {"server_keys": [document_of(HOST)]}
        self.assertEqual(await self.keys(), {"a"})

    async def test_the_next_one_is_asked_for_what_the_first_lacks(self) -> None:
        self.trust(TrustedNotary("dead.example"), PINNED)
        self.assertEqual(await self.keys(), {"a"})
        self.assertEqual(self.network.asked(), [HOST, "dead.example", NOTARY])

    async def test_a_flood_of_documents_is_not_read(self) -> None:
        documents = [
            document_of(HOST, key_of(HOST, f"k{n}"), until_ms=NOW_MS + DAY_MS) for n in range(40)
        ]
        self.trust(TrustedNotary(NOTARY))
        self.network.answers[NOTARY] = {"server_keys": documents}
        self.assertEqual(len(await self.keys()), 20)


class ManyServersTests(KeyRingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.trust(PINNED)

    async def ask(self, servers: Sequence[str]) -> dict[str, KnownKeys]:
        return await self.wait(self.ring.keys({server: [need()] for server in servers}))

    async def test_the_notary_is_asked_first_in_batches(self) -> None:
        servers = [f"s{n}.example" for n in range(250)]
        documents = {server: document_of(server) for server in servers}
        alone = servers[-1]
        self.network.answers[NOTARY] = notary(NOTARY, {s: documents[s] for s in servers[:-1]})
        self.network.answers[alone] = documents[alone]
        found = await self.ask(servers)
        self.assertEqual({s for s, keys in found.items() if ids(keys) == {"a"}}, set(servers))
        sizes = [len(json["server_keys"]) for _, _, json in self.network.requests[:3]]
        self.assertEqual(sizes, [100, 100, 50])
        self.assertEqual(self.network.asked(), [NOTARY] * 3 + [alone])

    async def test_time_and_requests_are_bounded_if_nobody_answers(self) -> None:
        servers = [f"s{n}.example" for n in range(500)]
        self.network.hanging.update(servers)
        began = self.seconds()
        self.assertEqual(await self.ask(servers), {})
        self.assertTrue(self.seconds() - began < 65)
        self.assertEqual(self.network.most_at_once, 30)
        self.assertLess(len(self.network.asked()), 200)

    async def test_a_silent_notary_does_not_keep_the_others_waiting(self) -> None:
        servers = [f"s{n}.example" for n in range(10)]
        self.network.hanging.add(NOTARY)
        self.network.answers.update({server: document_of(server) for server in servers})
        began = self.seconds()
        self.assertEqual(set(await self.ask(servers)), set(servers))
        self.assertTrue(self.seconds() - began < 15)
