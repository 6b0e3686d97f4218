"""Servers that are asked when the one that should know doesn't help."""

from collections.abc import Callable
from typing import Any

from synapse.federation.backoff import Backoffs
from synapse.federation.errors import RemoteError
from synapse.federation.helpers import Helpers
from synapse.rooms.room import Room
from tests.federation.rooms import ONE, THREE, TWO, SharedRoomTestCase
from tests.federation.servers import always


class HelperTests(SharedRoomTestCase):
    """Alice's server has sent an event to bob's, and is of no help. Carol's has all of the room."""

    async def arrange(self, *names: str, **sections: Any) -> None:
        await super().arrange(ONE, TWO, THREE)
        self.room_id = await self.create()
        await self.join("bob", self.room_id, ONE)
        await self.join("carol", self.room_id, ONE)
        await self.catch_up(TWO)

    async def catch_up(self, *servers: str) -> None:
        """These servers take up what alice's has of the newest."""
        newest = (await self.room(ONE, self.room_id)).tail
        for server in servers:
            events = self.servers[server].stores.events
            known = await events.get_many([event.event_id for event in newest])
            last = max(e.depth for e in known.values() if e.state_nid)
            await self.carry(ONE, server, *(e.event_id for e in newest if e.depth > last))

    def refuse(self, *parts: str, status: int = 500, server: str = ONE) -> None:
        """A server refuses requests whose path has one of these in it."""

        async def before(destination: str, path: str) -> None:
            if destination == server and any(part in path for part in parts):
                raise RemoteError(destination, status, "M_UNKNOWN", "I won't")

        self.network.before = before

    async def miss(self, count: int = 3) -> list[str]:
        """Messages of alice's, of which bob's server gets only the last one."""
        said = [await self.say("alice", self.room_id) for _ in range(count)]
        await self.catch_up(THREE)
        await self.carry(ONE, TWO, said[-1])
        return said

    async def newest(self, count: int, server: str = TWO) -> list[str]:
        room = await self.room(server, self.room_id)
        events = await self.servers[server].stores.events.before(room.nid, 2**60, count)
        return [event.event_id for event in reversed(events)]

    async def gaps(self) -> list[str]:
        rows = await self.servers[TWO].database.fetch("SELECT event_id FROM gaps ORDER BY below")
        return [event_id for (event_id,) in rows]

    async def test_missing_events_that_the_sender_does_not_tell(self) -> None:
        broken: Callable[[Any], Any] = lambda told: {  # noqa: E731
            "events": [{**event, "depth": event["depth"] + 1} for event in told["events"]]
        }
        for how in ("refuses", "away", "nothing", "nonsense", "forged"):
            await self.arrange()
            gaps = await self.gaps()
            if how == "refuses":
                self.refuse("get_missing_events")
            elif how == "away":
                self.refuse("get_missing_events", status=504)
            else:
                answers = {
                    "nothing": always({"events": []}),
                    "nonsense": always([]),
                    "forged": broken,
                }
                self.only_of(ONE, "get_missing_events", answers[how])
            said = await self.miss()
            self.assertEqual(await self.newest(3), said, how)
            self.assertEqual(await self.gaps(), gaps)
            self.network.sites.clear()
            self.network.before = None
            self.network.tampers.clear()

    def only_of(self, server: str, part: str, tamper: Callable[[Any], Any]) -> None:
        """Change what this server answers."""
        asked = [""]

        async def before(destination: str, path: str) -> None:
            asked[0] = destination

        self.network.before = before
        self.network.tampers[part] = lambda told: tamper(told) if asked[0] == server else told

    async def test_a_state_that_the_sender_does_not_tell(self) -> None:
        for status in (403, 404, 500, 504):
            await self.arrange()
            self.refuse("get_missing_events", "state_ids", "/state/", status=status)
            # Nobody tells what is between.
            self.network.tampers["get_missing_events"] = always({"events": []})
            said = await self.miss()
            if status >= 500:
                # It may have the history, when it is well again.
                self.assertNotIn(said[-1], await self.newest(3))
                self.network.before = None
                await self.settle(3600)
            self.assertEqual((await self.newest(1)), said[-1:], status)
            self.assertIn(said[-2], await self.gaps())
            self.network.sites.clear()
            self.network.before = None
            self.network.tampers.clear()

    async def test_single_events_of_a_state_that_the_sender_does_not_have(self) -> None:
        await self.arrange()
        topic = await self.ask("alice", "PUT", self.state_path("m.room.topic"), {"topic": "missed"})
        self.network.tampers["get_missing_events"] = always({"events": []})
        self.refuse("/v1/event/", status=404)
        said = await self.miss()
        self.assertEqual(await self.newest(1), said[-1:])
        state = await self.state_ids(TWO, self.room_id)
        self.assertEqual(state["m.room.topic", ""], topic["event_id"])

    def state_path(self, type: str) -> str:
        return f"/_matrix/client/v3/rooms/{self.room_id}/state/{type}/"

    async def test_auth_events_that_the_sender_does_not_tell(self) -> None:
        await self.arrange()
        levels = {"users_default": 1}
        await self.ask("alice", "PUT", self.state_path("m.room.power_levels"), levels)
        self.network.tampers["get_missing_events"] = always({"events": []})
        self.refuse("event_auth")
        said = await self.miss()
        self.assertEqual(await self.newest(1), said[-1:])

    async def test_a_sender_that_helps_is_asked_alone(self) -> None:
        await self.arrange()
        self.network.log.clear()
        said = await self.miss()
        self.assertEqual(await self.newest(3), said)
        self.assertEqual({there for here, there, _ in self.network.log if here == TWO}, {ONE})


class _Servers:
    """A room with many servers."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    async def others(self, room: Room) -> list[str]:
        return self.names


class WhoHelpsTests(SharedRoomTestCase):
    async def arrange(self, *names: str, **sections: Any) -> None:
        await super().arrange(ONE)
        self.backoffs: Backoffs = self.servers[ONE].federation.backoffs
        self.room_id = await self.create()
        self.others = [f"s{number}.test" for number in range(9)]
        self.helpers = Helpers(_Servers(self.others), self.backoffs, self.clock)  # type: ignore[arg-type]

    async def besides(self, first: str = "first.test", room_id: str = "") -> list[str]:
        return await self.helpers.besides(await self.room(ONE, room_id or self.room_id), first)

    async def test_few_of_many(self) -> None:
        await self.arrange()
        self.assertEqual(await self.besides(), self.others[:2])
        self.assertEqual(await self.besides("s0.test"), self.others[1:3])

    async def test_not_those_that_could_not_be_reached_lately(self) -> None:
        await self.arrange()
        self.backoffs.failed("s1.test")
        self.assertEqual(await self.besides(), ["s0.test", "s2.test"])

    async def test_no_more_than_a_room_may_have_asked(self) -> None:
        await self.arrange()
        asked = [len(await self.besides()) for _ in range(100)]
        self.assertEqual(sum(asked), 20)
        other = await self.create()
        self.assertEqual(len(await self.besides(room_id=other)), 2)
        self.time.advance(60)
        asked = [len(await self.besides()) for _ in range(100)]
        self.assertEqual(sum(asked), 12)
