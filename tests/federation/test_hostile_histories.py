"""A server of the room that lies, in whatever order things come: the room goes on as it should.

hypothesis makes up what happens: honest events on forks, transactions that hold some of them, once
or again, in any order; and between these what a hostile member of the room sends and answers, with
signatures that are right. In the end every honest event has its place and the state is what the
naive resolution of the honest events says.
"""

import contextlib  # trial looks for a `suppress` in the module
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.auth_selection import auth_slots
from synapse.events.event import Event
from synapse.federation.errors import RemoteError
from synapse.util.canonicaljson import NotCanonical
from tests.federation.honest_answers import honest_answer
from tests.federation.mutations import resigned
from tests.federation.servers import Link, key_of
from tests.federation.shapes import SPEAKABLE, TYPES, contents
from tests.federation.test_transactions import BOB, OURS, THEIRS, TransactionTestCase, pdu_of
from tests.properties import TIMEOUT_S, for_all
from tests.rooms.elsewhere import Elsewhere

MALLORY = "mallory.test"
EVE = "@eve:mallory.test"
CAROL = "@carol:elsewhere"
# How often the room's servers may be asked for each transaction.
MOST_QUESTIONS = 60

NUMBERS = st.integers(0, 7)
SOME = st.lists(NUMBERS, max_size=4)
HONEST = st.one_of(
    st.tuples(st.just("say"), NUMBERS, NUMBERS),
    st.tuples(st.just("name"), NUMBERS, NUMBERS),
    st.tuples(st.sampled_from(["join", "leave"]), NUMBERS, NUMBERS),
)
FORGED = st.fixed_dictionaries(
    {
        "type": st.sampled_from([*TYPES, "x"]),
        "content": contents(SPEAKABLE),
        "prev": SOME,
    },
    optional={
        "state_key": st.sampled_from(["", EVE, EVE, BOB, CAROL]),
        "membership": st.sampled_from(["join", "leave", "ban", "invite", "knock"]),
        "auth": SOME,
        "depth": st.sampled_from([0, 1, 2**53 - 1, 2**53, 2**63 - 1]),
        "origin_server_ts": st.sampled_from([0, 1, 2**53 - 1, -5]),
        "redacts": NUMBERS,
        "id": NUMBERS,
        "without": st.sampled_from(["m.room.power_levels", "m.room.create"]),
        "sender": st.sampled_from([BOB, "@alice:ours.test"]),
        "more": st.dictionaries(st.sampled_from(["unsigned", "origin", "hashes"]), SPEAKABLE),
    },
)
ANSWERS = st.one_of(
    st.sampled_from(["truth", "nothing", "error", "not Bob", "not Bob"]),
    st.tuples(st.just("strange"), SPEAKABLE),
    st.just("forged"),
)
HOSTILE = st.one_of(
    st.tuples(st.just("forge"), st.lists(FORGED, min_size=1, max_size=3), ANSWERS),
    st.tuples(st.just("relay"), SOME, ANSWERS),
    st.tuples(st.just("circle"), st.integers(1, 5), st.booleans(), ANSWERS),
    st.tuples(st.just("edu"), st.sampled_from(["m.typing", "m.receipt", "m.presence"]), SPEAKABLE),
    st.tuples(st.just("edu"), SPEAKABLE, SPEAKABLE),
)
HISTORIES = st.lists(
    st.one_of(HONEST, HONEST, st.tuples(st.just("deliver"), SOME), HOSTILE, HOSTILE),
    min_size=1,
    max_size=12,
)


class HostileHistoryTests(TransactionTestCase):
    timeout = TIMEOUT_S

    async def arrange(self, version: str = "12") -> None:
        await super().arrange(version)
        self.add_server(MALLORY)
        self.hostile_link = Link(self.network, MALLORY, key_of(MALLORY))

    async def begin(self, version: str) -> None:
        """A new room of Alice's, with Bob, who has some power, and Eve, who has none."""
        self.version = ROOM_VERSIONS[version]
        self.forged: list[dict[str, Any]] = []
        self.says: Any = "truth"
        self.ask_with(self.answer)
        self.elsewhere = await self.create({BOB: 50})
        self.room_id = self.elsewhere.room_id
        await self.deliver([self.elsewhere.join(BOB)])
        self.honest = [await self.enter()]

    async def create(self, users: dict[str, int]) -> Elsewhere:
        if not self.version.privileged_creators:
            users = {**users, "@alice:ours.test": 100}
        wish = {
            "preset": "public_chat",
            "room_version": self.version.identifier,
            "power_level_content_override": {"users": users},
        }
        answer = await self.client(
            OURS, "POST", "/_matrix/client/v3/createRoom", wish, token=self.token
        )
        room = await self.server.rooms.cache.get(answer["room_id"])
        beginning = await self.server.stores.events.after(room.nid, -(2**60), 100)
        return Elsewhere.of(self.version, beginning, key=self.key)

    async def enter(self) -> Event:
        """Eve comes into the room."""
        self.elsewhere.key, self.elsewhere.server_name = key_of(MALLORY), MALLORY
        join = self.elsewhere.join(EVE)
        self.elsewhere.key, self.elsewhere.server_name = self.key, THEIRS
        await self.deliver([join], hostile=True)
        return join

    # What happens.

    async def happen(self, step: Sequence[Any]) -> None:
        what, *more = step
        if what in ("say", "name", "join", "leave"):
            self.make(what, *more)
        elif what == "deliver":
            await self.deliver([self.known(number) for number in more[0]])
        elif what == "relay":
            self.says = more[1]
            await self.deliver([self.known(number) for number in more[0]], hostile=True)
        elif what == "forge":
            self.says = more[1]
            await self.put([self.forge(spec) for spec in more[0]])
        elif what == "circle":
            self.says = more[2]
            await self.put(self.circle(*more[:2]))
        else:
            edus = [{"edu_type": more[0], "content": more[1]}, more[1]]
            await self.put([], edus=edus)

    def make(self, what: str, back: int, second: int) -> None:
        """A new honest event, on one or two of the latest ones."""
        after = {self.known(back).event_id, self.known(second).event_id}
        if what == "say":
            event = self.elsewhere.send("m.room.message", BOB, {"body": "x"}, after=[*after])
        elif what == "name":
            name = {"name": str(len(self.honest))}
            event = self.elsewhere.send("m.room.name", BOB, name, "", after=[*after])
        else:
            content = {"membership": what}
            event = self.elsewhere.send("m.room.member", CAROL, content, CAROL, after=[*after])
        if event is not None:
            self.honest.append(event)

    def known(self, number: int) -> Event:
        return self.honest[-1 - number % len(self.honest)]

    async def deliver(self, events: Sequence[Event], *, hostile: bool = False) -> None:
        """Events come in a transaction, of which each gets a verdict."""
        answer = await self.put([pdu_of(event) for event in events], hostile=hostile)
        verdicts = answer["pdus"]
        self.assertEqual(verdicts, {event.event_id: {} for event in events})

    async def put(
        self, pdus: list[dict[str, Any]], *, hostile: bool = True, edus: Sequence[Any] = ()
    ) -> Any:
        self.sent += 1
        self.asked = 0
        before = await self.rows()
        link, origin = (self.hostile_link, MALLORY) if hostile else (self.link, THEIRS)
        body = {"origin": origin, "origin_server_ts": 1, "pdus": pdus, "edus": edus}
        path = f"/_matrix/federation/v1/send/{self.sent}"
        answer = await link.fetch(OURS, "PUT", path, body)
        self.assertEqual(answer.status, 200, str(answer))
        await self.rest()
        self.assertLessEqual(self.asked, MOST_QUESTIONS)
        # An event makes no more of itself than one row, and what it needs is told once.
        known = len(self.elsewhere.events) + len(self.forged)
        self.assertLessEqual(await self.rows() - before, known)
        self.time.advance(5)
        return answer.json

    async def rows(self) -> int:
        ((count,),) = await self.server.database.fetch("SELECT count(*) FROM events")
        return int(count)

    # What the hostile server makes.

    def cited(self, numbers: Sequence[int]) -> list[str]:
        """Ids of events: honest ones, its own, one that doesn't exist, one of another room."""
        pool = [
            *(event.event_id for event in self.honest[-3:]),
            *(pdu["event_id"] for pdu in self.forged[-3:] if "event_id" in pdu),
            "$unknown:mallory.test" if self.version.events_have_ids else "$" + "u" * 43,
            self.foreign,
        ]
        return [pool[number % len(pool)] for number in numbers]

    def references(self, event_ids: Sequence[str]) -> list[Any]:
        if self.version.events_have_ids:
            return [[event_id, {"sha256": "x"}] for event_id in event_ids]
        return list(event_ids)

    def forge(self, spec: dict[str, Any]) -> dict[str, Any]:
        prevs = self.cited(spec["prev"]) or [self.honest[-1].event_id]
        events = [self.elsewhere.events[e] for e in prevs if e in self.elsewhere.events]
        content, sender = dict(spec["content"]), spec.get("sender", EVE)
        if "membership" in spec:
            content["membership"] = spec["membership"]
        if "auth" in spec:
            auth = self.cited(spec["auth"])
        else:
            state = self.elsewhere.resolved(
                [event.event_id for event in events or self.honest[-1:]]
            )
            slots = auth_slots(spec["type"], spec.get("state_key"), sender, content, self.version)
            left_out = spec.get("without")
            auth = [state[slot] for slot in slots if slot in state and slot[0] != left_out]
        pdu = {
            "type": spec["type"],
            "sender": sender,
            "room_id": self.room_id,
            "content": content,
            "prev_events": self.references(prevs),
            "auth_events": self.references(auth),
            "depth": 1 + max((event.depth for event in events), default=0),
            "origin_server_ts": 1_700_000_000_000,
            **{k: spec[k] for k in ("state_key", "depth", "origin_server_ts") if k in spec},
            **spec.get("more", {}),
        }
        if "redacts" in spec:
            pdu["redacts"] = self.known(spec["redacts"]).event_id
        if self.version.events_have_ids:
            pdu["event_id"] = f"${spec.get('id', f'f{len(self.forged)}')}:mallory.test"
        return self.signed(pdu)

    def circle(self, length: int, through_auth: bool) -> list[dict[str, Any]]:
        """Events that stand on, or are authorised by, each other: needs ids that can be chosen."""
        specs = [
            self.forge({"type": "x", "content": {}, "prev": [0], "state_key": ""})
            for _ in range(length)
        ]
        if self.version.events_have_ids:
            for place, pdu in enumerate(specs):
                next_id = specs[(place + 1) % length]["event_id"]
                name = "auth_events" if through_auth else "prev_events"
                pdu[name] = [*pdu[name], [next_id, {"sha256": "x"}]]
                self.forged[len(self.forged) - length + place] = self.sign(pdu)
        return self.forged[-length:]

    def signed(self, pdu: dict[str, Any]) -> dict[str, Any]:
        self.forged.append(self.sign(pdu))
        return self.forged[-1]

    def sign(self, pdu: dict[str, Any]) -> dict[str, Any]:
        return resigned(pdu, self.version, MALLORY, key_of(MALLORY))

    async def answer(self, destination: str, method: str, path: str, **options: Any) -> Any:
        """What is asked of the room's servers is answered."""
        self.asked += 1
        if destination == THEIRS or self.says == "truth":
            return honest_answer(self.elsewhere, path, options)
        if self.says == "nothing":
            return {"events": [], "pdus": [], "auth_chain": [], "pdu_ids": [], "auth_chain_ids": []}
        if self.says == "error":
            raise RemoteError(destination, 404, "M_NOT_FOUND", "No such event")
        truth = honest_answer(self.elsewhere, path, options)
        if self.says == "not Bob":
            return self.without(BOB, truth)
        if self.says == "forged":
            return {
                key: [*self.forged, *value] if key in ("events", "auth_chain") else value
                for key, value in truth.items()
            }
        return self.says[1]

    def without(self, user_id: str, truth: dict[str, Any]) -> dict[str, Any]:
        """A state in which a user is not in the room, and nothing that leads to another one."""
        events = self.elsewhere.events
        ids = [e for e in truth.get("pdu_ids", ()) if events[e].state_key != user_id]
        pdus = [pdu for pdu in truth.get("pdus", ()) if pdu.get("state_key") != user_id]
        return {**truth, "pdu_ids": ids, "pdus": pdus, "events": []}

    # What comes of it.

    async def assert_all_is_well(self) -> None:
        self.says = "truth"
        final = self.elsewhere.must_send("m.room.message", BOB, {"body": "last"}, after=self.ends())
        self.honest.append(final)
        for event in self.honest:
            await self.deliver([event])
        self.time.advance(60)
        await self.rest()
        timeline = await self.timeline()
        for event in self.honest:
            self.assertIn(event.event_id, timeline, event)
        self.assertEqual(await self.state(), self.true_state(final))
        path = f"/_matrix/client/v3/rooms/{self.room_id}/send/m.room.message/last"
        said = await self.client(OURS, "PUT", path, {"body": "still here"}, token=self.token)
        self.assertIn(said["event_id"], await self.timeline())
        for path in ("/sync", f"/rooms/{self.room_id}/messages?dir=b&limit=100"):
            await self.client(OURS, "GET", f"/_matrix/client/v3{path}", token=self.token)

    def ends(self) -> list[str]:
        covered = {prev for event in self.honest for prev in event.prev_event_ids()}
        return [event.event_id for event in self.honest if event.event_id not in covered]

    async def state(self) -> dict[tuple[str, str], str]:
        """The room's state without what Eve may change."""
        room = await self.server.rooms.cache.get(self.room_id)
        state = await self.server.stores.states.events_at(room.view_nid)
        return {slot: event.event_id for slot, event in state.items() if event.sender != EVE}

    def true_state(self, final: Event) -> dict[tuple[str, str], str]:
        state = self.elsewhere.state_after[final.event_id]
        return {slot: e for slot, e in state.items() if self.elsewhere.events[e].sender != EVE}

    async def check(self, version: str, history: Sequence[Sequence[Any]]) -> None:
        await self.begin(version)
        with self.assertNoLogs(level="ERROR"):
            for step in history:
                with contextlib.suppress(NotCanonical):  # which can't even be signed
                    await self.happen(step)
            await self.assert_all_is_well()

    async def go_through(self, version: str) -> None:
        await self.arrange(version)
        self.version = ROOM_VERSIONS[version]
        # Of another room, in which Eve has power.
        self.elsewhere = await self.create({EVE: 100})
        self.forged = []
        self.ask_with(self.answer)
        self.foreign = (await self.enter()).event_id
        await for_all(HISTORIES, lambda history: self.check(version, history), examples=15)

    async def test_version_1(self) -> None:
        await self.go_through("1")

    async def test_version_2(self) -> None:
        await self.go_through("2")

    async def test_version_10(self) -> None:
        await self.go_through("10")

    async def test_version_12(self) -> None:
        await self.go_through("12")
