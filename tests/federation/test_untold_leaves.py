"""Invites that are refused while the server of who invites can't be reached."""

from typing import Any

import orjson

from tests.federation.rooms import ONE, TWO, V3, path
from tests.federation.test_invites import InviteTestCase

HOUR_S = 3600


class UntoldLeaveTests(InviteTestCase):
    async def refused_meanwhile(self, version: str = "12") -> str:
        """A room whose invite bob has refused, of which its server doesn't know."""
        room_id = await self.invited(version)
        self.network.cut_off(ONE)
        await self.ask("bob", "POST", path(room_id, "/leave"), {"reason": "no"})
        self.assertIsNone(await self.invitation(room_id))
        self.assertEqual(await self.membership(ONE, room_id, self.user("bob")), "invite")
        self.assertEqual(len(await self.waiting()), 1)
        return room_id

    async def waiting(self) -> list[tuple[int, int]]:
        """How often it was tried to tell of leaves, and when it is next, in seconds."""
        rows = await self.servers[TWO].database.fetch("SELECT tries, next_ms FROM untold_leaves")
        return [(tries, next_ms // 1000 - self.clock.now_ms() // 1000) for tries, next_ms in rows]

    async def later(self, seconds: float) -> None:
        await self.settle(seconds)
        await self.servers[TWO].federation.untold_leaves.run_due()
        await self.settle()

    async def test_they_hear_of_it_when_they_are_back(self) -> None:
        await self.arrange()
        for version in ("1", "10", "12"):
            room_id = await self.refused_meanwhile(version)
            await self.later(60)
            self.assertEqual(await self.waiting(), [(2, 120)])
            self.network.heal()
            await self.later(60)
            self.assertEqual(await self.waiting(), [(2, 60)])
            await self.later(60)
            self.assertEqual(await self.membership(ONE, room_id, self.user("bob")), "leave")
            self.assertEqual(await self.waiting(), [])
            self.assertIsNone(await self.invitation(room_id))

    async def test_after_a_restart(self) -> None:
        await self.arrange()
        room_id = await self.refused_meanwhile()
        await self.servers[TWO].background.finish()
        self.start_server(TWO)
        self.network.heal()
        await self.later(HOUR_S)
        self.assertEqual(await self.membership(ONE, room_id, self.user("bob")), "leave")

    async def test_not_for_ever(self) -> None:
        await self.arrange()
        await self.refused_meanwhile()
        tries = 0
        with self.assertLogs("synapse.federation.untold_leaves", "WARNING"):
            while await self.waiting():
                await self.later(24 * HOUR_S)
                tries += 1
        self.assertEqual(tries, 25)

    async def test_an_invite_that_comes_again_is_still_refused(self) -> None:
        await self.arrange()
        room_id = await self.refused_meanwhile()
        self.network.heal()
        member = (await self.state_ids(ONE, room_id))["m.room.member", self.user("bob")]
        event = await self.servers[ONE].stores.events.get(member)
        assert event is not None
        body = {
            "room_version": "12",
            "event": orjson.loads(event.json),
            "invite_room_state": [*(await self.shown(room_id))],
        }
        url = f"/_matrix/federation/v2/invite/{room_id}/{event.event_id}"
        answer = await self.network.links[ONE].request(TWO, "PUT", url, json=body)
        self.assertIn(TWO, answer["event"]["signatures"])
        self.assertIsNone(await self.invitation(room_id))

    async def shown(self, room_id: str) -> list[Any]:
        room = await self.room(ONE, room_id)
        return await self.servers[ONE].federation.shown_state.of(room, self.user("alice"))

    async def test_a_new_invite_is_one(self) -> None:
        await self.arrange()
        room_id = await self.refused_meanwhile()
        self.network.heal()
        self.time.advance(1)
        await self.invite(room_id)
        self.assertIsNotNone(await self.invitation(room_id))
        # And nobody is told of the refusal of the other one.
        await self.later(HOUR_S)
        self.assertEqual(await self.waiting(), [])
        self.assertEqual(await self.membership(ONE, room_id, self.user("bob")), "invite")
        await self.join("bob", room_id)

    async def test_another_user_of_ours_comes_into_the_room(self) -> None:
        await self.arrange()
        self.homes["dave"] = TWO
        self.tokens["dave"] = await self.register(TWO, "dave")
        room_id = await self.refused_meanwhile()
        self.network.heal()
        body = {"user_id": self.user("dave")}
        await self.ask("alice", "POST", path(room_id, "/invite"), body)
        await self.join("dave", room_id)
        await self.later(HOUR_S)
        self.assertEqual(await self.membership(TWO, room_id, self.user("bob")), "leave")
        self.assertIsNone(await self.invitation(room_id))
        self.assertEqual(await self.waiting(), [])

    async def test_who_is_told_no_is_told_nothing_more(self) -> None:
        await self.arrange()
        room_id = await self.refused_meanwhile()
        self.network.heal()
        body = {"user_id": self.user("bob")}
        await self.ask("alice", "POST", path(room_id, "/ban"), body)
        await self.later(HOUR_S)
        self.assertEqual(await self.waiting(), [])
        answer = await self.ask("bob", "GET", f"{V3}/joined_rooms")
        self.assertEqual(answer["joined_rooms"], [])
