"""Users leave a room while its other servers are out of reach, and come back at once after that."""

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from synapse.util.clock import Clock
from tests.federation.rooms import ONE, TWO, SharedRoomTestCase, path

VERSIONS = ("1", "6", "10", "12")


class ComingBackTests(SharedRoomTestCase):
    async def leave_unheard(self, version: str) -> str:
        """A room of alice's that bob has left, of which her server has not heard yet."""
        room_id = await self.create(room_version=version)
        await self.join("bob", room_id, ONE)
        await self.settle()
        self.network.cut_off(TWO)
        await self.ask("bob", "POST", path(room_id, "/leave"), {})
        await self.settle(60 * 60)
        self.assertEqual(await self.membership(ONE, room_id, self.user("bob")), "join")
        self.network.heal()
        return room_id

    async def test_the_leave_comes_before_the_join(self) -> None:
        await self.arrange()
        await self.start_sending()
        for version in VERSIONS:
            with self.subTest(version=version):
                room_id = await self.leave_unheard(version)
                left = (await self.state_ids(TWO, room_id))["m.room.member", self.user("bob")]
                await self.join("bob", room_id, ONE)
                await self.settle()
                joined = (await self.state_ids(TWO, room_id))["m.room.member", self.user("bob")]
                event = await self.servers[ONE].stores.events.get(joined)
                assert event is not None
                self.assertEqual(event.prev_event_ids(), [left])
                self.assertEqual(
                    await self.state_ids(ONE, room_id), await self.state_ids(TWO, room_id)
                )

    async def test_who_must_be_invited_is_not_let_in_for_a_leave_that_is_late(self) -> None:
        await self.arrange()
        await self.start_sending()
        for version in VERSIONS:
            with self.subTest(version=version):
                room_id = await self.leave_unheard(version)
                await self.ask(
                    "alice",
                    "PUT",
                    path(room_id, "/state/m.room.join_rules"),
                    {"join_rule": "invite"},
                )
                refused = await self.refused("bob", "POST", path(room_id, f"/join?via={ONE}"), {})
                self.assertEqual(refused, (403, "M_FORBIDDEN"))
                for server in (ONE, TWO):
                    membership = await self.membership(server, room_id, self.user("bob"))
                    self.assertEqual(membership, "leave")

    async def test_a_server_that_stays_silent_is_waited_for_a_while(self) -> None:
        await self.arrange()
        await self.start_sending()
        room_id = await self.leave_unheard("10")
        silence: Deferred[None] = Deferred()
        self.addCleanup(silence.callback, None)

        async def lose(destination: str, request: str) -> None:
            if "/send/" in request:
                await silence

        self.network.before = lose
        self.network.log.clear()
        url = path(room_id, f"/join?via={ONE}")
        asked = self.network.sites[TWO].start("POST", url, {}, token=self.tokens["bob"])
        while not asked.sent:
            await Clock(reactor).sleep(0.01)
            self.time.advance(1)
        self.assertEqual((await asked.answered()).status, 200)
        self.assertEqual(len(self.requests("make_join")), 2)
        self.assertEqual(await self.membership(TWO, room_id, self.user("bob")), "join")
