"""Client API: redacting an event together with what relates to it (MSC3912)."""

from typing import Any

from tests.rest.client.test_relations import RelationsTestCase, relation
from tests.rest.rooms import room_path

ALICE = "@alice:test"
UNSTABLE = "org.matrix.msc3912.with_relations"


class RelatedRedactionsTests(RelationsTestCase):
    async def redact_with(
        self, token: str, event_id: str, *rel_types: Any, key: str = "with_rel_types"
    ) -> str:
        self._txns += 1
        path = room_path(self.room_id, f"/redact/{event_id}/txn{self._txns}")
        body = {"reason": "r", key: list(rel_types)}
        return str((await self.ok("PUT", path, body, token=token))["event_id"])

    async def redacted(self, *event_ids: str) -> list[bool]:
        events = [await self.event(self.alice, event_id) for event_id in event_ids]
        return ["redacted_because" in event["unsigned"] for event in events]

    async def test_of_one_kind(self) -> None:
        for version in ("1", "11", "12"):
            for key in ("with_rel_types", UNSTABLE):
                await self.arrange_version(version)
                root = await self.send(self.bob, self.room_id)
                edits = [await self.edit(self.bob, root, str(n)) for n in range(3)]
                reaction = await self.react(self.alice, root)
                redaction = await self.redact_with(self.alice, root, "m.replace", key=key)
                self.assertEqual(await self.redacted(root, *edits, reaction), [*[True] * 4, False])
                first = await self.event(self.bob, edits[0])
                because = first["unsigned"]["redacted_because"]
                self.assertEqual((because["sender"], because["content"]["reason"]), (ALICE, "r"))
                self.assertNotIn(key, (await self.event(self.bob, redaction))["content"])

    async def arrange_version(self, version: str) -> None:
        if not hasattr(self, "alice"):
            self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.room_id = await self.create_public(self.alice, room_version=version)
        await self.join(self.bob, self.room_id)

    async def test_of_any_kind_and_of_none(self) -> None:
        await self.arrange_version("12")
        root = await self.send(self.alice, self.room_id)
        children = [await self.say_in_thread(self.bob, root) for _ in range(120)]
        children.append(await self.react(self.bob, root))
        grandchild = await self.react(self.alice, children[0])
        await self.redact_with(self.alice, await self.send(self.alice, self.room_id))
        self.assertFalse(any(await self.redacted(root, *children)))
        await self.redact_with(self.alice, root, "m.replace", "*")
        self.assertTrue(all(await self.redacted(root, *children)))
        self.assertEqual(await self.redacted(grandchild), [False])
        self.assertIsNone(await self.bundle(self.alice, root))

    async def test_what_one_may_not_redact_stays(self) -> None:
        await self.arrange_version("12")
        root = await self.send(self.bob, self.room_id)
        own, others = await self.react(self.bob, root), await self.react(self.alice, root)
        await self.redact_with(self.bob, root, "*")
        self.assertEqual(await self.redacted(root, own, others), [True, True, False])

    async def test_nothing_goes_with_what_one_may_not_redact(self) -> None:
        await self.arrange_version("12")
        root = await self.send(self.alice, self.room_id)
        own = await self.react(self.bob, root)
        path = room_path(self.room_id, f"/redact/{root}/t")
        body = {"with_rel_types": ["*"]}
        await self.refused(403, "M_FORBIDDEN", "PUT", path, body, token=self.bob)
        self.assertEqual(await self.redacted(root, own), [False, False])

    async def test_edits_that_are_none(self) -> None:
        await self.arrange_version("12")
        root = await self.send(self.alice, self.room_id)
        good = await self.edit(self.alice, root, "good")
        bad = [
            await self.edit(self.bob, root, "another's"),
            await self.send(self.alice, self.room_id, "old", **relation("m.replace", root)),
            await self.send_event(
                self.alice, self.room_id, "x", {"m.new_content": {}, **relation("m.replace", root)}
            ),
        ]
        of_edit = await self.edit(self.alice, good, "of an edit")
        await self.redact_with(self.alice, root, "m.replace")
        self.assertEqual(await self.redacted(good, *bad, of_edit), [True, *[False] * 4])
        edited = await self.send(self.alice, self.room_id)
        good = await self.edit(self.alice, edited, "good")
        of_edit = await self.edit(self.alice, good, "of an edit")
        await self.redact_with(self.alice, good, "m.replace")
        self.assertEqual(await self.redacted(edited, good, of_edit), [False, True, False])

    async def test_repeated_requests_are_one(self) -> None:
        await self.arrange_version("12")
        root = await self.send(self.alice, self.room_id)
        reaction = await self.react(self.bob, root)
        path = room_path(self.room_id, f"/redact/{root}/t")
        body = {"with_rel_types": ["*"]}
        connections = [self.site.start("PUT", path, body, token=self.alice) for _ in range(3)]
        answers = {(await connection.answered()).body for connection in connections}
        self.assertEqual(len(answers), 1)
        page = await self.messages(self.alice, self.room_id)
        redactions = [e["redacts"] for e in page["chunk"] if e["type"] == "m.room.redaction"]
        self.assertEqual(redactions, [root, reaction])

    async def test_wrong_requests(self) -> None:
        await self.arrange_version("12")
        root = await self.send(self.alice, self.room_id)
        path = room_path(self.room_id, f"/redact/{root}/t")
        values: list[Any] = ["*", {}, [7], [None]]
        for wrong in values:
            for key in ("with_rel_types", UNSTABLE):
                body = {key: wrong}
                await self.refused(400, "M_BAD_JSON", "PUT", path, body, token=self.alice)
        await self.ok("PUT", path, {"with_rel_types": None}, token=self.alice)
