"""What is much is read and made in portions, and is the same as if it were made at once."""

from typing import Any
from unittest.mock import patch

from synapse.handlers.sync import joined
from synapse.storage.stores import events
from synapse.util.breaks import Breaks
from tests.rest.rooms import V3, RoomTestCase, room_path


class PortionTests(RoomTestCase):
    async def answers(self, token: str, room_id: str) -> dict[str, Any]:
        """Of a server that has just started."""
        self.start(self.config)
        lazy = f'{V3}/sync?filter={{"room":{{"state":{{"lazy_load_members":true}}}}}}'
        paths = [f"{V3}/sync", lazy]
        paths += [room_path(room_id, name) for name in ("/members", "/joined_members", "/state")]
        return {path: await self.ok("GET", path, token=token) for path in paths}

    async def test_answers_do_not_depend_on_portions(self) -> None:
        alice = await self.register("alice")
        rooms = [await self.create_public(alice) for _ in range(5)]
        for name in ("bob", "carol", "dan"):
            token = await self.register(name)
            await self.join(token, rooms[0])
            await self.send(token, rooms[0])
        at_once = await self.answers(alice, rooms[0])
        self.assertEqual(len(at_once[f"{V3}/sync"]["rooms"]["join"]), 5)
        self.assertEqual(len(at_once[room_path(rooms[0], "/members")]["chunk"]), 4)
        portions = Breaks.portions

        def small(breaks: Breaks, items: Any, size: int = 2) -> Any:
            return portions(breaks, items, min(size, 2))

        with (
            patch.object(joined, "_ROOMS_AT_ONCE", 2),
            patch.object(events, "_READ_AT_ONCE", 3),
            patch.object(Breaks, "portions", small),
        ):
            in_portions = await self.answers(alice, rooms[0])
        self.assertEqual(in_portions, at_once)
