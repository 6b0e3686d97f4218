"""Transactions of other servers: what is taken up, what is refused, what waits."""

from typing import Any

import orjson
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.crypto.signing import SigningKey
from synapse.events.event import Event
from synapse.federation.errors import RemoteError
from synapse.util.clock import Clock
from tests.federation.servers import FederationTestCase, Link, is_quiet
from tests.rooms.elsewhere import Elsewhere

OURS = "ours.test"
THEIRS = "elsewhere"
BOB = "@bob:elsewhere"


class TransactionTestCase(FederationTestCase):
    """A room of Alice's on our server, in which Bob of the server "elsewhere" is.

    That server is a real one as far as its keys go; its events are made by the test.
    """

    async def arrange(self, version: str = "12") -> None:
        self.add_server(OURS)
        self.add_server(THEIRS)
        self.server = self.servers[OURS]
        self.token = await self.register(OURS, "alice")
        answer = await self.client(
            OURS,
            "POST",
            "/_matrix/client/v3/createRoom",
            {"preset": "public_chat", "room_version": version},
            token=self.token,
        )
        self.room_id = answer["room_id"]
        room = await self.server.rooms.cache.get(self.room_id)
        beginning = await self.server.stores.events.after(room.nid, -(2**60), 100)
        self.key = SigningKey("a_elsewhere", THEIRS.encode().ljust(32, b".")[:32])
        self.elsewhere = Elsewhere.of(ROOM_VERSIONS[version], beginning, key=self.key)
        self.link = Link(self.network, THEIRS, self.key)
        self.sent = 0
        await self.accept(self.elsewhere.join(BOB))

    async def send(self, *pdus: Any, edus: Any = (), txn_id: str = "") -> dict[str, Any]:
        """Send a transaction; what is said of its events."""
        self.sent += 1
        answer = await self.link.request(
            OURS,
            "PUT",
            f"/_matrix/federation/v1/send/{txn_id or self.sent}",
            json={
                "origin": THEIRS,
                "origin_server_ts": self.clock.now_ms(),
                "pdus": [pdu_of(pdu) if isinstance(pdu, Event) else pdu for pdu in pdus],
                **({"edus": list(edus)} if edus else {}),
            },
        )
        pdus_answer: dict[str, Any] = answer["pdus"]
        return pdus_answer

    async def accept(self, *events: Event) -> None:
        self.assertEqual(await self.send(*events), {event.event_id: {} for event in events})

    def ask_with(self, request: Any) -> None:
        """How our server's questions about the room are answered."""

        async def asked(*question: Any, decode: Any = None, **options: Any) -> Any:
            answer = await request(*question, **options)
            return answer if decode is None else decode(orjson.dumps(answer))

        self.server.federation.graph._transport.request = asked  # type: ignore[method-assign]

    async def rest(self) -> None:
        """Wait until nothing is done any more, without what is tried again later."""
        while not is_quiet(self.server):
            await Clock(reactor).sleep(0.001)

    async def timeline(self) -> list[str]:
        room = await self.server.rooms.cache.get(self.room_id)
        events = await self.server.stores.events.after(room.nid, -(2**60), 1_000)
        return [event.event_id for event in events]


class TransactionTests(TransactionTestCase):
    async def test_events_come_into_the_room_and_to_its_clients(self) -> None:
        for version in ("1", "10", "12"):
            self.network.sites.clear()
            await self.arrange(version)
            events = [self.elsewhere.say(BOB, str(number)) for number in range(3)]
            await self.accept(*events)
            answer = await self.client(OURS, "GET", "/_matrix/client/v3/sync", token=self.token)
            timeline = answer["rooms"]["join"][self.room_id]["timeline"]["events"]
            self.assertEqual(
                [event["content"].get("body") for event in timeline[-3:]], ["0", "1", "2"]
            )

    async def test_a_transaction_that_comes_again_is_answered_as_before(self) -> None:
        await self.arrange()
        event = self.elsewhere.say(BOB, "once")
        broken = {**pdu_of(self.elsewhere.say(BOB, "broken")), "signatures": {}}
        first = await self.send(event, broken, txn_id="same")
        self.assertEqual(sum("error" in verdict for verdict in first.values()), 1)
        # Also if it holds something else.
        self.assertEqual(await self.send(txn_id="same"), first)

    async def test_repeated_while_it_is_under_way(self) -> None:
        await self.arrange()
        event = self.elsewhere.say(BOB, "impatient")
        tries = [Deferred.fromCoroutine(self.send(event, txn_id="t")) for _ in range(3)]
        self.assertEqual(await gatherResults(tries), [{event.event_id: {}}] * 3)

    async def test_one_bad_event_harms_only_itself(self) -> None:
        await self.arrange("10")
        good = self.elsewhere.say(BOB, "good")
        tampered = pdu_of(self.elsewhere.say(BOB, "tampered", after=[good.event_id]))
        tampered["depth"] = 77
        other = self.elsewhere.say(BOB, "fine", after=[good.event_id])
        answer = await self.send(
            "nonsense", {}, {"room_id": 3}, {"room_id": self.room_id}, good, tampered, other
        )
        self.assertEqual(answer[good.event_id], {})
        self.assertEqual(answer[other.event_id], {})
        self.assertEqual(
            [e for e in answer.values() if e], [answer[k] for k in answer if answer[k]]
        )
        self.assertIn(other.event_id, await self.timeline())

    async def test_changed_content_is_taken_away(self) -> None:
        await self.arrange("10")
        event = self.elsewhere.say(BOB, "what Bob said")
        changed = {**pdu_of(event), "content": {"body": "what somebody made of it"}}
        self.assertEqual(await self.send(changed), {event.event_id: {}})
        stored = await self.server.stores.events.get(event.event_id)
        assert stored is not None
        self.assertEqual(stored.content, {})

    async def test_servers_that_the_room_does_not_admit(self) -> None:
        await self.arrange()
        await self.client(
            OURS,
            "PUT",
            f"/_matrix/client/v3/rooms/{self.room_id}/state/m.room.server_acl",
            {"allow": ["*"], "deny": [THEIRS]},
            token=self.token,
        )
        event = self.elsewhere.say(BOB, "let me in")
        self.assertIn("error", (await self.send(event))[event.event_id])
        self.assertNotIn(event.event_id, await self.timeline())

    async def test_rooms_that_nobody_of_ours_is_in(self) -> None:
        await self.arrange()
        elsewhere = Elsewhere.begin(ROOM_VERSIONS["12"], BOB, key=self.key)
        self.assertEqual(await self.send(elsewhere.say(BOB, "who is there?")), {})

    async def test_too_much_at_once(self) -> None:
        await self.arrange()
        for pdus, edus in (([{}] * 51, []), ([], [{}] * 101)):
            with self.assertRaises(RemoteError) as raised:
                await self.send(*pdus, edus=edus)
            self.assertEqual(raised.exception.status, 400)

    async def test_events_whose_past_is_missing_wait_until_it_is_fetched(self) -> None:
        await self.arrange()
        missing = [self.elsewhere.say(BOB, str(number)) for number in range(3)]
        late = self.elsewhere.say(BOB, "late")
        asked: list[Any] = []

        async def answer(destination: str, method: str, path: str, **options: Any) -> Any:
            asked.append((method, path, options.get("json")))
            return {"events": [pdu_of(event) for event in missing]}

        self.ask_with(answer)
        await self.accept(late)
        await self.server.background.finish()
        self.assertEqual(
            (await self.timeline())[-4:], [event.event_id for event in (*missing, late)]
        )
        ((method, path, json),) = asked
        self.assertEqual(method, "POST")
        self.assertIn("get_missing_events", path)
        # What is asked for is what these stand on; they themselves aren't told.
        self.assertEqual(json["latest_events"], [late.event_id])
        self.assertNotIn("min_depth", json)

    async def test_what_waits_is_taken_up_after_a_restart(self) -> None:
        await self.arrange()
        self.elsewhere.say(BOB, "missing")
        late = self.elsewhere.say(BOB, "late")
        self.server.federation.inbox.stop()
        await self.accept(late)
        self.assertNotIn(late.event_id, await self.timeline())
        rows = await self.server.database.fetch("SELECT event_id FROM staged_events")
        self.assertEqual(rows, [(late.event_id,)])


def pdu_of(event: Event) -> dict[str, Any]:
    """The event as servers send it."""
    pdu: dict[str, Any] = orjson.loads(event.json)
    return pdu
