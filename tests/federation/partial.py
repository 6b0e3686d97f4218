"""Rooms that two.test has entered without their members, and that lack them as long as a test
wants."""

from typing import Any

from twisted.internet.defer import Deferred

from synapse.federation.errors import RemoteError
from tests.federation.rooms import ONE, THREE, TWO, SharedRoomTestCase

_FIRST_PAUSE_S = 10


class PartialRoomTestCase(SharedRoomTestCase):
    """alice's room on one.test, with carol of three.test; bob of two.test joins it."""

    async def arrange_room(self, *others: str, version: str = "11", **wish: Any) -> None:
        """The room, bob in it, and nobody tells two.test the members; `others` are of three.test.

        All servers tell each other what happens.
        """
        await self.arrange(ONE, TWO, THREE)
        await self.start_sending()
        for name in others:
            self.homes[name] = THREE
            self.tokens[name] = await self.register(THREE, name)
        # Without a name, some members would be told for it to have one.
        self.room_id = await self.create(room_version=version, name="Large", **wish)
        for name in ("carol", *others):
            await self.join(name, self.room_id, ONE)
        await self.rest()
        await self.complete(THREE)
        state = await self.state_ids(ONE, self.room_id)
        self.joins = {name: state["m.room.member", self.user(name)] for name in others}
        self.hold()
        await self.join("bob", self.room_id, ONE)
        await self.rest()

    def hold(self) -> None:
        """From now on no server tells another one whole states."""

        async def refuse(destination: str, path: str) -> None:
            if "/federation/v1/state/" in path:
                raise RemoteError(destination, 404, "M_NOT_FOUND", "Not now")

        self.network.before = refuse

    async def complete(self, server: str = TWO, *, after_s: float = _FIRST_PAUSE_S) -> None:
        """The members are told, and when this returns, the room is whole."""
        self.network.before = None
        await self.settle(after_s)
        await self.rest()
        self.assertFalse((await self.room(server, self.room_id)).is_partial)

    async def rest(self) -> None:
        """Let the servers do what there is to do."""
        await self.settle(1)

    def ask_later(self, name: str, method: str, path: str, json: Any = None) -> "Deferred[Any]":
        """A request that may take a while."""
        return Deferred.fromCoroutine(self.ask(name, method, path, json))

    async def assert_same(self, *servers: str) -> None:
        """two.test knows of the room what one.test does, which was always whole."""
        known = [await self.knowledge(name) for name in (ONE, TWO, *servers)]
        for other in known[1:]:
            self.assertEqual(other, known[0])

    async def knowledge(self, server: str) -> dict[str, Any]:
        """What a server knows of the room."""
        room = await self.room(server, self.room_id)
        stores, fetch = self.servers[server].stores, self.servers[server].database.fetch
        members = await fetch(
            "SELECT n.name, m.membership, e.event_id FROM members m"
            " JOIN names n ON n.nid = m.user_nid JOIN events e ON e.event_nid = m.event_nid"
            " WHERE m.room_nid = ?",
            room.nid,
        )
        others = await stores.states.without_members(room.nid)
        servers = await fetch(
            "SELECT n.name, s.joined FROM room_servers s JOIN names n ON n.nid = s.server_nid"
            " WHERE s.room_nid = ? AND s.joined > 0",
            room.nid,
        )
        counted = dict(servers)
        counted[server] = room.local_joined
        return {
            "state": await self.state_ids(server, self.room_id),
            "members": {name: (membership, event_id) for name, membership, event_id in members},
            "others": {event.slot: event.event_id for event in others},
            "counts": (room.joined, room.invited),
            "servers": counted,
            "tips": {tip.event_id for tip in room.tips},
        }
