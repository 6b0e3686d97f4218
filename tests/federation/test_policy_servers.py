"""Policy servers: asked before anything is said in the rooms that name them."""

from typing import Any
from urllib.parse import quote

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from synapse.api.errors import LimitExceeded, MatrixError
from synapse.app.federation_metrics import ReceivingMetrics
from synapse.crypto.signing import SigningKey
from synapse.util.clock import Clock
from tests.federation.policing import KEY, POLICY, PolicyTestCase
from tests.federation.rooms import ONE, THREE, TWO, V3, path
from tests.federation.servers import key_of
from tests.metrics.test_metrics import collecting

POLICY_KEY = "ed25519:policy_server"
VERSIONS = ("1", "3", "10", "12")


def answers(error: MatrixError) -> Any:
    async def answer(event: Any) -> Any:
        raise error

    return answer


def tells(value: Any) -> Any:
    async def answer(event: Any) -> Any:
        return value

    return answer


def waits_for(ended: Deferred[None], then: Any) -> Any:
    async def answer(event: Any) -> Any:
        await ended
        return await then(event)

    return answer


class OwnEventTests(PolicyTestCase):
    async def test_what_users_say_is_signed_before_anybody_sees_it(self) -> None:
        await self.arrange(ONE, TWO, THREE)
        await self.start_sending()
        for version in VERSIONS:
            with self.subTest(version=version):
                await self.enter_room(version)
                event_id = await self.say("alice", self.room_id)
                await self.settle()
                self.assertEqual(self.policy.types(), [(ONE, "m.room.message")])
                expected = {ONE: [key_of(ONE).key_id], THREE: [POLICY_KEY]}
                for server in (ONE, TWO):
                    self.assertEqual(await self.signatures(server, event_id), expected)
                self.assertTrue(await self.is_shown("bob", event_id))

    async def test_a_refusal_is_told_to_the_client_in_the_policy_servers_words(self) -> None:
        await self.arrange_room()
        for error, status, errcode in (
            (MatrixError(400, "M_FORBIDDEN", "spam"), 400, "M_FORBIDDEN"),
            (MatrixError(400, "M_BAD_JSON", "spam"), 400, "M_BAD_JSON"),
            (MatrixError(403, "M_FORBIDDEN", "spam"), 403, "M_FORBIDDEN"),
            (MatrixError(404, "M_NOT_FOUND", "spam"), 404, "M_NOT_FOUND"),
            (LimitExceeded(2000), 429, "M_LIMIT_EXCEEDED"),
            # A client would log out.
            (MatrixError(401, "M_UNKNOWN_TOKEN", "spam"), 403, "M_FORBIDDEN"),
            (MatrixError(403, "M_UNKNOWN_TOKEN", "spam"), 403, "M_FORBIDDEN"),
        ):
            with self.subTest(error=str(error)):
                self.policy.answer = answers(error)
                url = path(self.room_id, f"/send/m.room.message/{status}{errcode}")
                answer = await self.fetch(
                    ONE, "PUT", url, {"body": "x"}, token=self.tokens["alice"]
                )
                self.assertEqual((answer.status, answer.json["errcode"]), (status, errcode))
                self.assertEqual(answer.json["error"], error.message)
                if status == 429:
                    self.assertEqual(answer.json["retry_after_ms"], 2000)
        await self.settle()
        for server in (ONE, TWO):
            types = {e.type for e in (await self.room(server, self.room_id)).tail}
            self.assertNotIn("m.room.message", types)

    async def test_what_is_no_signature_by_the_rooms_key_is_a_refusal(self) -> None:
        await self.arrange_room()
        other = SigningKey("policy_server", b"other".ljust(32, b"."))
        good = {THREE: {POLICY_KEY: KEY.sign(b"something else").decode()}}
        answer: Any
        for answer in ({}, {THREE: {}}, {THREE: 1}, {THREE: {POLICY_KEY: 1}}, good, []):
            with self.subTest(answer=answer):
                self.policy.answer = tells(answer)
                refusal = await self.refused(
                    "alice", "PUT", path(self.room_id, "/send/m.room.message/1"), {"body": "x"}
                )
                self.assertEqual(refusal, (403, "M_FORBIDDEN"))
        self.policy.answer, self.policy.key = self.policy.signature, other
        refusal = await self.refused(
            "alice", "PUT", path(self.room_id, "/send/m.room.message/1"), {"body": "x"}
        )
        self.assertEqual(refusal, (403, "M_FORBIDDEN"))
        server = self.servers[ONE]
        metrics = collecting(ReceivingMetrics(server.federation, server.rooms, self.clock))
        name, invalid = "synapse_policy_server_requests_total", {"outcome": "invalid"}
        self.assertEqual(metrics.get_sample_value(name, invalid), 7)

    async def test_everything_is_asked_about_but_the_policy_itself(self) -> None:
        await self.arrange_room()
        await self.ask("alice", "PUT", path(self.room_id, "/state/m.room.topic/"), {"topic": "x"})
        await self.ask("alice", "PUT", path(self.room_id, "/state/m.room.policy/other"), {})
        await self.ask("alice", "PUT", path(self.room_id, "/send/m.room.policy/1"), {})
        dora = f"@dora:{TWO}"
        await self.register(TWO, "dora")
        await self.ask("alice", "POST", path(self.room_id, "/invite"), {"user_id": dora})
        asked = ["m.room.topic", "m.room.policy", "m.room.policy", "m.room.member"]
        self.assertEqual(self.policy.types(), [(ONE, type) for type in asked])
        self.policy.answer = answers(MatrixError(400, "M_FORBIDDEN", "no"))
        await self.set_policy({})
        await self.say("alice", self.room_id)
        self.assertEqual(self.policy.types(), [])

    async def test_a_room_uses_none_unless_it_says_so_rightly(self) -> None:
        await self.arrange_room()
        keys = POLICY["public_keys"]
        for content in (
            {"via": THREE},
            {"via": THREE, "public_keys": {}},
            {"via": THREE, "public_keys": {"ed25519": 1}},
            {"via": THREE, "public_keys": "x"},
            {"via": 3, "public_keys": keys},
            {"public_keys": keys},
            {"via": "elsewhere.test", "public_keys": keys},  # nobody of theirs is in the room
            {"via": "not a name", "public_keys": keys},
        ):
            with self.subTest(content=content):
                await self.set_policy(content)
                await self.say("alice", self.room_id)
                await self.settle()
                self.assertEqual(self.policy.types(), [])

    async def test_it_is_used_no_more_once_it_has_left_the_room(self) -> None:
        await self.arrange_room()
        await self.ask("carol", "POST", path(self.room_id, "/leave"), {})
        await self.settle()
        self.policy.asked.clear()
        event_id = await self.say("alice", self.room_id)
        await self.settle()
        self.assertEqual(self.policy.types(), [])
        self.assertTrue(await self.is_shown("bob", event_id))

    async def test_a_key_that_is_none_lets_nothing_through(self) -> None:
        await self.arrange_room()
        await self.set_policy({"via": THREE, "public_keys": {"ed25519": "nonsense"}})
        refusal = await self.refused(
            "alice", "PUT", path(self.room_id, "/send/m.room.message/1"), {"body": "x"}
        )
        self.assertEqual(refusal, (403, "M_FORBIDDEN"))

    async def test_a_dead_one_is_asked_seldom_and_can_be_put_away(self) -> None:
        await self.arrange_room()
        self.network.cut_off(THREE)
        message = path(self.room_id, "/send/m.room.message/1")
        asked = self.count_requests()
        for _ in range(3):
            refusal = await self.refused("alice", "PUT", message, {"body": "x"})
            self.assertEqual(refusal, (502, "M_UNKNOWN"))
        self.assertEqual(self.count_requests(), asked + 1)
        self.time.advance(6)
        await self.refused("alice", "PUT", message, {"body": "x"})
        self.time.advance(6)  # less than it rests the second time
        await self.refused("alice", "PUT", message, {"body": "x"})
        self.assertEqual(self.count_requests(), asked + 2)
        # What was refused may be tried again under the same transaction id.
        self.network.heal()
        self.time.advance(5)
        event_id = (await self.ask("alice", "PUT", message, {"body": "x"}))["event_id"]
        self.assertEqual(self.count_requests(), asked + 3)
        self.assertTrue(await self.is_shown("alice", event_id))
        self.network.cut_off(THREE)
        await self.set_policy({})
        await self.say("alice", self.room_id)

    async def test_while_it_thinks_the_room_goes_on_and_ours_keep_their_order(self) -> None:
        await self.arrange_room()
        thinks: Deferred[None] = Deferred()
        self.policy.answer = waits_for(thinks, self.policy.signature)
        first = Deferred.fromCoroutine(self.say("alice", self.room_id))
        await self.until(lambda: bool(self.policy.asked))
        second = Deferred.fromCoroutine(self.say("alice", self.room_id))
        again = Deferred.fromCoroutine(
            self.ask(
                "alice",
                "PUT",
                path(self.room_id, f"/send/m.room.message/{self.said}"),
                {"body": "x"},
            )
        )
        # Bob's server has a signature already; alice's other rooms need none.
        self.policy.answer = self.policy.signature
        from_bob = await self.say("bob", self.room_id)
        await self.settle()
        self.assertTrue(await self.is_shown("alice", from_bob))
        await self.say("alice", await self.create())
        self.assertFalse(first.called)
        thinks.callback(None)
        ids = await gatherResults([first, second])
        self.assertEqual((await again)["event_id"], ids[1])
        await self.settle()
        for server in (ONE, TWO):
            tail = (await self.room(server, self.room_id)).tail
            said = [e.event_id for e in tail if e.type == "m.room.message"]
            self.assertEqual(said[-2:], ids)
            self.assertIn(from_bob, said)
        self.assertEqual(
            await self.state_ids(ONE, self.room_id), await self.state_ids(TWO, self.room_id)
        )

    async def test_a_user_who_is_banned_meanwhile_does_not_speak(self) -> None:
        await self.arrange_room()
        thinks: Deferred[None] = Deferred()
        self.policy.answer = waits_for(thinks, self.policy.signature)
        message = Deferred.fromCoroutine(
            self.refused("bob", "PUT", path(self.room_id, "/send/m.room.message/1"), {"body": "x"})
        )
        await self.until(lambda: bool(self.policy.asked))
        self.policy.answer = self.policy.signature
        ban = {"user_id": self.user("bob")}
        await self.ask("alice", "POST", path(self.room_id, "/ban"), ban)
        await self.settle()
        thinks.callback(None)
        self.assertEqual(await message, (403, "M_FORBIDDEN"))

    async def test_an_upgrade_needs_its_word_as_well(self) -> None:
        await self.arrange_room("10")
        self.policy.answer = answers(MatrixError(400, "M_FORBIDDEN", "no"))
        upgrade = path(self.room_id, "/upgrade")
        refusal = await self.refused("alice", "POST", upgrade, {"new_version": "12"})
        self.assertEqual(refusal, (400, "M_FORBIDDEN"))
        self.policy.answer = self.policy.signature
        await self.ask("alice", "POST", upgrade, {"new_version": "12"})
        tombstone = (await self.state_ids(ONE, self.room_id))["m.room.tombstone", ""]
        self.assertIn(THREE, await self.signatures(ONE, tombstone))

    async def test_a_name_that_the_policy_server_shares_with_the_sender(self) -> None:
        await self.arrange_room()
        event_id = await self.say("carol", self.room_id)
        await self.settle()
        self.assertEqual(
            await self.signatures(TWO, event_id),
            {THREE: sorted([POLICY_KEY, key_of(THREE).key_id])},
        )
        self.assertTrue(await self.is_shown("bob", event_id))

    def count_requests(self) -> int:
        return len(self.requests("/policy/v1/sign"))

    async def until(self, is_so: Any) -> None:
        """Wait for what the servers do without the clock."""
        for _ in range(1_000):
            if is_so():
                return
            await Clock(reactor).sleep(0.001)
            self.time.advance(0)
        self.fail("it doesn't come")


class OthersEventTests(PolicyTestCase):
    """Bob's server has not heard of the policy, and nothing is sent but by the test."""

    async def arrange_ignorant(self) -> None:
        await self.arrange(ONE, TWO, THREE)
        await self.enter_room("12")

    async def bring(self, event_id: str) -> None:
        """Bob's server sends one event; returns when that is answered."""
        event = (await self.servers[TWO].stores.events.get_many([event_id]))[event_id]
        self.carried += 1
        answer = await self.network.links[TWO].request(
            ONE,
            "PUT",
            f"/_matrix/federation/v1/send/{self.carried}",
            json={"origin": TWO, "origin_server_ts": 1, "pdus": [event.parsed()]},
        )
        self.assertEqual(answer["pdus"], {event_id: {}})

    async def test_what_comes_without_a_signature_gets_one(self) -> None:
        await self.arrange_ignorant()
        event_id = await self.say("bob", self.room_id)
        await self.carry(TWO, ONE, event_id)
        self.assertEqual(self.policy.types(), [(ONE, "m.room.message")])
        # As alice's server tells it from now on.
        expected = {TWO: [key_of(TWO).key_id], THREE: [POLICY_KEY]}
        self.assertEqual(await self.signatures(ONE, event_id), expected)
        self.assertTrue(await self.is_shown("alice", event_id))
        # What is known already is not asked about again.
        await self.carry(TWO, ONE, event_id)
        self.assertEqual(self.policy.types(), [])

    async def test_what_it_does_not_sign_is_soft_failed(self) -> None:
        await self.arrange_ignorant()
        for answer in (
            answers(MatrixError(400, "M_FORBIDDEN", "spam")),
            answers(MatrixError(500, "M_UNKNOWN", "broken")),
            tells({}),
        ):
            self.policy.answer = answer
            event_id = await self.say("bob", self.room_id)
            await self.carry(TWO, ONE, event_id)
            event = await self.servers[ONE].stores.events.get(event_id)
            assert event is not None
            self.assertTrue(event.soft_failed)
            self.assertFalse(await self.is_shown("alice", event_id))
            self.time.advance(100)
        # What stands on it is taken up, if it is recommended.
        self.policy.answer = self.policy.signature
        event_id = await self.say("bob", self.room_id)
        await self.carry(TWO, ONE, event_id)
        self.assertTrue(await self.is_shown("alice", event_id))

    async def test_transactions_do_not_wait_for_it(self) -> None:
        await self.arrange_ignorant()
        other_room = await self.create()
        await self.join("bob", other_room, ONE)
        thinks: Deferred[None] = Deferred()
        self.policy.answer = waits_for(thinks, self.policy.signature)
        held = await self.say("bob", self.room_id)
        await self.bring(held)
        passes = await self.say("bob", other_room)
        await self.bring(passes)
        self.assertIsNotNone(await self.servers[ONE].stores.events.get(passes))
        self.assertIsNone(await self.servers[ONE].stores.events.get(held))
        thinks.callback(None)
        await self.settle()
        self.assertTrue(await self.is_shown("alice", held))

    async def test_joins_that_it_refuses_fail(self) -> None:
        await self.arrange_room()
        self.tokens["dora"] = await self.register(TWO, "dora")
        self.homes["dora"] = TWO
        await self.ask("bob", "POST", path(self.room_id, "/leave"), {})
        await self.settle()
        self.policy.answer = answers(MatrixError(400, "M_FORBIDDEN", "no"))
        url = f"{V3}/join/{quote(self.room_id, safe='')}?via={ONE}"
        self.assertEqual(await self.refused("dora", "POST", url, {}), (403, "M_FORBIDDEN"))
        self.policy.answer = self.policy.signature
        self.time.advance(1)  # else it would be the same event
        await self.ask("dora", "POST", url, {})
        self.assertEqual(await self.membership(ONE, self.room_id, self.user("dora")), "join")
