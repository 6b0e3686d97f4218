"""Client API: `GET /mutual_rooms`."""

from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

from synapse.handlers import mutual_rooms
from tests.rest.rooms import RoomTestCase

PATH = "/_matrix/client/v1/mutual_rooms"
BOB = "@bob:test"


class MutualRoomsTests(RoomTestCase):
    async def arrange(self) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")

    async def shared(self, count: int) -> list[str]:
        rooms = [await self.create_public(self.alice) for _ in range(count)]
        for room_id in rooms:
            await self.join(self.bob, room_id)
        return rooms

    async def page(self, user_id: str = BOB, **query: Any) -> Any:
        path = f"{PATH}?{urlencode({'user_id': user_id, **query})}"
        return await self.ok("GET", path, token=self.alice)

    async def test_rooms_in_which_both_are(self) -> None:
        await self.arrange()
        self.assertEqual(await self.page(), {"joined": [], "count": 0})
        rooms = await self.shared(4)
        await self.create_public(self.alice)
        await self.create_public(self.bob)
        await self.leave(self.bob, rooms[0])
        await self.leave(self.alice, rooms[1])
        invited = await self.create(self.alice)
        await self.change_membership(self.alice, invited, "invite", BOB)
        answer = await self.page()
        self.assertEqual(answer, {"joined": rooms[2:], "count": 2})
        path = f"/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms?user_id={BOB}"
        self.assertEqual(await self.ok("GET", path, token=self.alice), answer)

    async def test_unknown_users_share_no_rooms(self) -> None:
        await self.arrange()
        for user_id in ("@nobody:test", "@nobody:elsewhere"):
            self.assertEqual(await self.page(user_id), {"joined": [], "count": 0})

    async def test_pages(self) -> None:
        await self.arrange()
        rooms = await self.shared(5)
        with patch.object(mutual_rooms, "_PAGE", 2):
            first = await self.page()
            second = await self.page(**{"from": first["next_batch"]})
            third = await self.page(**{"from": second["next_batch"]})
        self.assertEqual([*first["joined"], *second["joined"], *third["joined"]], rooms)
        self.assertEqual({page["count"] for page in (first, second, third)}, {5})
        self.assertNotIn("next_batch", third)
        with patch.object(mutual_rooms, "_PAGE", 5):
            self.assertNotIn("next_batch", await self.page())

    async def test_pages_at_the_unstable_path(self) -> None:
        """matrix-js-sdk knows the tokens by the names that they had in the proposal."""
        await self.arrange()
        rooms = await self.shared(3)
        path = f"/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms?user_id={BOB}"
        with patch.object(mutual_rooms, "_PAGE", 2):
            first = await self.ok("GET", path, token=self.alice)
            second = await self.ok(
                "GET", f"{path}&batch_token={first['next_batch_token']}", token=self.alice
            )
        self.assertEqual([*first["joined"], *second["joined"]], rooms)
        self.assertNotIn("next_batch_token", second)

    async def test_wrong_requests(self) -> None:
        await self.arrange()
        await self.refused(400, "M_MISSING_PARAM", "GET", PATH, token=self.alice)
        for query in (
            {"user_id": "bob"},
            {"user_id": "@bob"},
            {"user_id": ""},
            {"user_id": "@alice:test"},
            {"user_id": BOB, "from": "x"},
            {"user_id": BOB, "from": ""},
            {"user_id": BOB, "from": "-1"},
            {"user_id": BOB, "from": "9" * 30},
        ):
            path = f"{PATH}?{urlencode(query)}"
            await self.refused(400, "M_INVALID_PARAM", "GET", path, token=self.alice)
        await self.refused(401, "M_MISSING_TOKEN", "GET", f"{PATH}?user_id={BOB}", token=None)
        _, guest = await self.guest()
        await self.refused(
            403, "M_GUEST_ACCESS_FORBIDDEN", "GET", f"{PATH}?user_id={BOB}", token=guest
        )
