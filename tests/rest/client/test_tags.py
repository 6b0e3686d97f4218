"""Client API: room tagging."""

from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from tests.rest.client.test_sync import ALICE, SyncTestCase, joined
from tests.rest.rooms import V3


class TagTests(SyncTestCase):
    async def arrange(self) -> None:
        await self.people()
        self.room_id = await self.create(self.alice)
        self.tags_path = f"{V3}/user/{ALICE}/rooms/{self.room_id}/tags"

    async def tag(self, tag: str, **content: Any) -> None:
        await self.ok("PUT", f"{self.tags_path}/{tag}", content, token=self.alice)

    async def tags(self) -> Any:
        return (await self.ok("GET", self.tags_path, token=self.alice))["tags"]

    async def test_tags_come_and_go(self) -> None:
        await self.arrange()
        self.assertEqual(await self.tags(), {})
        await self.tag("m.favourite", order=0.25)
        await self.tag("u.work", **{"org.example.colour": "red"})
        work = {"org.example.colour": "red"}
        self.assertEqual(await self.tags(), {"m.favourite": {"order": 0.25}, "u.work": work})
        await self.tag("m.favourite", order=1)
        await self.ok("DELETE", f"{self.tags_path}/u.work", token=self.alice)
        self.assertEqual(await self.tags(), {"m.favourite": {"order": 1}})
        await self.ok("DELETE", f"{self.tags_path}/u.work", token=self.alice)

    async def test_they_are_the_rooms_account_data(self) -> None:
        await self.arrange()
        since = (await self.sync(self.alice))["next_batch"]
        await self.tag("u.work", order=0.5)
        wanted = {"type": "m.tag", "content": {"tags": {"u.work": {"order": 0.5}}}}
        for query in ({"since": since}, {}):
            room = joined(await self.sync(self.alice, **query), self.room_id)
            self.assertEqual(room["account_data"]["events"], [wanted])
        path = f"{V3}/user/{ALICE}/rooms/{self.room_id}/account_data/m.tag"
        self.assertEqual(await self.ok("GET", path, token=self.alice), wanted["content"])
        since = (await self.sync(self.alice))["next_batch"]
        await self.ok("DELETE", f"{self.tags_path}/u.work", token=self.alice)
        room = joined(await self.sync(self.alice, since=since), self.room_id)
        (event,) = room["account_data"]["events"]
        self.assertEqual(event["content"], {"tags": {}})

    async def test_what_changes_nothing_is_no_news(self) -> None:
        await self.arrange()
        await self.tag("u.work")
        since = (await self.sync(self.alice))["next_batch"]
        await self.tag("u.work")
        await self.ok("DELETE", f"{self.tags_path}/other", token=self.alice)
        self.assertNotIn("rooms", await self.sync(self.alice, since=since))

    async def test_of_two_at_once_none_is_lost(self) -> None:
        await self.arrange()
        await gatherResults([Deferred.fromCoroutine(self.tag(f"u.{n}")) for n in range(5)])
        self.assertEqual(set(await self.tags()), {f"u.{n}" for n in range(5)})

    async def test_account_data_of_any_shape_is_no_tags(self) -> None:
        await self.arrange()
        path = f"{V3}/user/{ALICE}/rooms/{self.room_id}/account_data/m.tag"
        for content in ({}, {"tags": ["u.work"]}):
            await self.ok("PUT", path, content, token=self.alice)
            self.assertEqual(await self.tags(), {})
            await self.tag("u.home")
            self.assertEqual(await self.tags(), {"u.home": {}})

    async def test_orders(self) -> None:
        await self.arrange()
        path = f"{self.tags_path}/u.work"
        for order, errcode in (
            ("0.5", "M_BAD_JSON"),
            (True, "M_BAD_JSON"),
            ([], "M_BAD_JSON"),
            (-0.1, "M_INVALID_PARAM"),
            (1.1, "M_INVALID_PARAM"),
        ):
            await self.refused(400, errcode, "PUT", path, {"order": order}, token=self.alice)
        for allowed in (0, 1, 0.5, None):
            await self.tag("u.work", order=allowed)
        self.assertEqual(await self.tags(), {"u.work": {}})

    async def test_bounds(self) -> None:
        await self.arrange()
        long = f"{self.tags_path}/{'x' * 256}"
        await self.refused(400, "M_INVALID_PARAM", "PUT", long, {}, token=self.alice)
        await self.refused(400, "M_INVALID_PARAM", "DELETE", long, token=self.alice)
        await self.tag("x" * 255)
        path = f"{self.tags_path}/much"
        body = {"x": "x" * 66_000}
        await self.refused(413, "M_TOO_LARGE", "PUT", path, body, token=self.alice)
        self.assertEqual(set(await self.tags()), {"x" * 255})

    async def test_rooms_that_are_not_there(self) -> None:
        await self.arrange()
        path = f"{V3}/user/{ALICE}/rooms/!unknown:test/tags"
        await self.refused(404, "M_NOT_FOUND", "PUT", f"{path}/u.work", {}, token=self.alice)
        self.assertEqual(await self.ok("GET", path, token=self.alice), {"tags": {}})
        path = f"{V3}/user/{ALICE}/rooms/unknown/tags"
        await self.refused(400, "M_INVALID_PARAM", "PUT", f"{path}/u.work", {}, token=self.alice)
