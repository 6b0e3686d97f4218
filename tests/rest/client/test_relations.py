"""Relations between events: sending them, reading them, and what is bundled of them."""

import json
import random
from typing import Any
from urllib.parse import quote, urlencode

from twisted.internet.defer import Deferred, gatherResults

from synapse.storage.background_updates import BackgroundUpdates, Pace
from synapse.storage.stores.relations import fill_relations
from synapse.storage.transaction import Transaction
from tests.rest.client.sliding import a_list, sliding_path
from tests.rest.rooms import V3, RoomTestCase, ids, room_path

V1 = "/_matrix/client/v1"


def relation(rel_type: str, event_id: str, **more: Any) -> dict[str, Any]:
    return {"m.relates_to": {"rel_type": rel_type, "event_id": event_id, **more}}


class RelationsTestCase(RoomTestCase):
    """Alice and bob are in a room."""

    async def arrange(self) -> None:
        self.alice = await self.register("alice")
        self.bob = await self.register("bob")
        self.room_id = await self.create_public(self.alice)
        await self.join(self.bob, self.room_id)
        self.root = await self.send(self.alice, self.room_id, "root")

    async def edit(self, token: str, event_id: str, body: str = "edited") -> str:
        content = {"body": body, "msgtype": "m.text"}
        return await self.send(
            token,
            self.room_id,
            f"* {body}",
            **{"m.new_content": content},
            **relation("m.replace", event_id),
        )

    async def say_in_thread(self, token: str, root: str, body: str = "in thread") -> str:
        return await self.send(token, self.room_id, body, **relation("m.thread", root))

    async def react(self, token: str, event_id: str, key: str = "+1") -> str:
        content = relation("m.annotation", event_id, key=key)
        return await self.send_event(token, self.room_id, "m.reaction", content)

    async def ignore(self, token: str, user_id: str, *ignored: str) -> None:
        path = f"{V3}/user/{user_id}/account_data/m.ignored_user_list"
        content: dict[str, Any] = {"ignored_users": {user: {} for user in ignored}}
        await self.ok("PUT", path, content, token=token)

    async def event(self, token: str, event_id: str) -> Any:
        path = room_path(self.room_id, f"/event/{quote(event_id, safe='$')}")
        return await self.ok("GET", path, token=token)

    async def bundle(self, token: str, event_id: str) -> Any:
        """What is bundled with an event, or None."""
        return (await self.event(token, event_id))["unsigned"].get("m.relations")

    def path(self, rest: str) -> str:
        return f"{V1}/rooms/{quote(self.room_id, safe='!:')}{rest}"

    async def children(self, token: str, event_id: str, *kind: str, **query: Any) -> Any:
        parts = "/".join([quote(event_id, safe="$"), *kind])
        path = self.path(f"/relations/{parts}?{urlencode(query)}")
        return await self.ok("GET", path, token=token)

    async def threads(self, token: str, **query: Any) -> Any:
        return await self.ok("GET", self.path(f"/threads?{urlencode(query)}"), token=token)


class SendingTests(RelationsTestCase):
    async def test_a_second_equal_annotation_is_refused(self) -> None:
        await self.arrange()
        first = await self.react(self.alice, self.root)
        path = room_path(self.room_id, "/send/m.reaction/again")
        content = relation("m.annotation", self.root, key="+1")
        await self.refused(400, "M_DUPLICATE_ANNOTATION", "PUT", path, content, token=self.alice)
        await self.react(self.alice, self.root, "-1")
        await self.react(self.bob, self.root)
        await self.redact(self.alice, self.room_id, first)
        await self.ok("PUT", path, content, token=self.alice)

    async def test_of_two_equal_annotations_at_once_one_is_refused(self) -> None:
        await self.arrange()
        content = relation("m.annotation", self.root, key="+1")
        paths = [room_path(self.room_id, f"/send/m.reaction/t{number}") for number in range(2)]
        answers = await gatherResults(
            [
                Deferred.fromCoroutine(self.fetch("PUT", path, content, token=self.alice))
                for path in paths
            ]
        )
        self.assertEqual(sorted(answer.status for answer in answers), [200, 400])
        found = await self.children(self.bob, self.root)
        self.assertEqual(len(found["chunk"]), 1)

    async def test_who_is_not_in_the_room_learns_nothing_of_relations(self) -> None:
        await self.arrange()
        child = await self.say_in_thread(self.bob, self.root)
        await self.react(self.bob, self.root)
        await self.leave(self.bob, self.room_id)
        for type_, content in (
            ("m.room.message", relation("m.thread", child)),
            ("m.reaction", relation("m.annotation", self.root, key="+1")),
        ):
            path = room_path(self.room_id, f"/send/{type_}/outside")
            await self.refused(403, "M_FORBIDDEN", "PUT", path, content, token=self.bob)

    async def test_a_retried_annotation_is_the_same_event(self) -> None:
        await self.arrange()
        path = room_path(self.room_id, "/send/m.reaction/once")
        content = relation("m.annotation", self.root, key="+1")
        first = await self.ok("PUT", path, content, token=self.alice)
        self.assertEqual(await self.ok("PUT", path, content, token=self.alice), first)

    async def test_a_thread_starts_at_what_relates_to_nothing(self) -> None:
        await self.arrange()
        child = await self.say_in_thread(self.bob, self.root)
        path = room_path(self.room_id, "/send/m.room.message/nested")
        for parent in (child, await self.edit(self.alice, self.root)):
            content = {"body": "b", "msgtype": "m.text", **relation("m.thread", parent)}
            await self.refused(400, "M_UNKNOWN", "PUT", path, content, token=self.alice)

    async def test_a_thread_may_start_at_a_reply(self) -> None:
        await self.arrange()
        reply = {"m.relates_to": {"m.in_reply_to": {"event_id": self.root}}}
        root = await self.send(self.alice, self.room_id, "reply", **reply)
        await self.say_in_thread(self.bob, root)
        self.assertEqual((await self.bundle(self.alice, root))["m.thread"]["count"], 1)

    async def test_strange_relations_are_none(self) -> None:
        await self.arrange()
        strange: tuple[Any, ...] = (
            1,
            [],
            {},
            {"rel_type": "m.thread"},
            {"event_id": self.root},
            {"event_id": self.root, "rel_type": ""},
            {"event_id": self.root, "rel_type": "x" * 3_000},
            {"event_id": self.root, "rel_type": "a\0b"},
            {"event_id": "$" + "x" * 3_000, "rel_type": "m.thread"},
            {"event_id": self.root, "rel_type": ["m.thread"]},
            {"event_id": "$unknown", "rel_type": "m.thread"},
        )
        for relates_to in strange:
            content = {"body": "b", "m.relates_to": relates_to}
            await self.send_event(self.alice, self.room_id, "m.room.message", content)
        self.assertEqual((await self.children(self.alice, self.root))["chunk"], [])
        self.assertIsNone(await self.bundle(self.alice, self.root))

    async def test_strange_keys_of_annotations(self) -> None:
        await self.arrange()
        for key in ("a\0b", "x" * 3_000, "", None, 5):
            await self.react(self.alice, self.root, key)  # type: ignore[arg-type]
        found = await self.children(self.alice, self.root, "m.annotation")
        self.assertEqual(len(found["chunk"]), 5)

    async def test_relations_to_other_rooms_are_none(self) -> None:
        await self.arrange()
        other = await self.create(self.alice)
        for kind in ("m.thread", "m.reference"):
            await self.send(self.alice, other, **relation(kind, self.root))
        self.assertIsNone(await self.bundle(self.alice, self.root))
        self.assertEqual((await self.children(self.alice, self.root))["chunk"], [])


class EditTests(RelationsTestCase):
    async def test_the_latest_edit_is_bundled_whole(self) -> None:
        await self.arrange()
        await self.edit(self.alice, self.root, "one")
        self.advance(1)
        last = await self.edit(self.alice, self.root, "two")
        edit = (await self.bundle(self.bob, self.root))["m.replace"]
        self.assertEqual(edit["event_id"], last)
        self.assertEqual(edit["content"]["m.new_content"]["body"], "two")
        self.assertEqual(edit["content"]["m.relates_to"]["event_id"], self.root)
        self.assertEqual((await self.event(self.bob, self.root))["content"]["body"], "root")

    async def test_latest_is_by_time_and_then_by_id(self) -> None:
        await self.arrange()
        random_ = random.Random(7)
        for _ in range(4):
            original = await self.send(self.alice, self.room_id)
            edits: dict[str, tuple[int, str]] = {}
            for _ in range(6):
                self.advance(random_.choice((0, 0, 0.001)))
                event_id = await self.edit(self.alice, original)
                edits[event_id] = (self.clock.now_ms(), event_id)
            while edits:
                latest = max(edits, key=lambda event_id: edits[event_id])
                bundle = await self.bundle(self.bob, original)
                self.assertEqual(bundle["m.replace"]["event_id"], latest)
                await self.redact(self.alice, self.room_id, latest)
                del edits[latest]
            self.assertIsNone(await self.bundle(self.bob, original))

    async def test_invalid_edits_are_not_bundled(self) -> None:
        await self.arrange()
        await self.edit(self.bob, self.root)
        await self.send(
            self.alice, self.room_id, "no new content", **relation("m.replace", self.root)
        )
        new = {"m.new_content": {"body": "x"}, **relation("m.replace", self.root)}
        await self.send_event(self.alice, self.room_id, "org.example.other", new)
        await self.set_state(self.alice, self.room_id, "m.room.message", new)
        self.assertIsNone(await self.bundle(self.alice, self.root))

    async def test_edits_of_edits_and_of_state_are_not_bundled(self) -> None:
        await self.arrange()
        edit = await self.edit(self.alice, self.root)
        await self.edit(self.alice, edit)
        self.assertIsNone(await self.bundle(self.alice, edit))
        name = await self.set_state(self.alice, self.room_id, "m.room.name", {"name": "n"})
        await self.send(self.alice, self.room_id, **relation("m.thread", name))
        self.assertIsNone(await self.bundle(self.alice, name))

    async def test_encrypted_edits(self) -> None:
        await self.arrange()
        cipher = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"}
        type_ = "m.room.encrypted"
        original = await self.send_event(self.alice, self.room_id, type_, cipher)
        content = {**cipher, **relation("m.replace", original)}
        edit = await self.send_event(self.alice, self.room_id, type_, content)
        bundle = await self.bundle(self.bob, original)
        self.assertEqual(bundle["m.replace"]["event_id"], edit)

    async def test_a_redacted_event_has_no_edits_but_its_other_relations(self) -> None:
        await self.arrange()
        await self.edit(self.alice, self.root)
        child = await self.say_in_thread(self.bob, self.root)
        await self.redact(self.alice, self.room_id, self.root)
        await self.edit(self.alice, self.root)
        bundle = await self.bundle(self.alice, self.root)
        self.assertEqual(list(bundle), ["m.thread"])
        self.assertEqual(bundle["m.thread"]["latest_event"]["event_id"], child)
        found = await self.children(self.alice, self.root, "m.replace")
        self.assertEqual(len(found["chunk"]), 2)


class BundleTests(RelationsTestCase):
    async def test_threads(self) -> None:
        await self.arrange()
        carol = await self.register("carol")
        await self.join(carol, self.room_id)
        await self.say_in_thread(self.bob, self.root)
        last = await self.say_in_thread(self.bob, self.root)
        edit = await self.edit(self.bob, last)
        for token, participated in ((self.alice, True), (self.bob, True), (carol, False)):
            thread = (await self.bundle(token, self.root))["m.thread"]
            self.assertEqual(thread["count"], 2)
            self.assertIs(thread["current_user_participated"], participated)
            latest = thread["latest_event"]
            self.assertEqual(latest["event_id"], last)
            replaced = latest["unsigned"]["m.relations"]["m.replace"]
            self.assertEqual(replaced["event_id"], edit)

    async def test_redacted_events_leave_the_thread(self) -> None:
        await self.arrange()
        first = await self.say_in_thread(self.bob, self.root)
        last = await self.say_in_thread(self.bob, self.root)
        await self.redact(self.bob, self.room_id, last)
        thread = (await self.bundle(self.alice, self.root))["m.thread"]
        self.assertEqual((thread["count"], thread["latest_event"]["event_id"]), (1, first))
        await self.redact(self.bob, self.room_id, first)
        self.assertIsNone(await self.bundle(self.alice, self.root))

    async def test_references_and_no_annotations(self) -> None:
        await self.arrange()
        references = [
            await self.send(self.bob, self.room_id, **relation("m.reference", self.root))
            for _ in range(3)
        ]
        await self.react(self.bob, self.root)
        chunk = [{"event_id": event_id} for event_id in references]
        self.assertEqual(
            await self.bundle(self.alice, self.root), {"m.reference": {"chunk": chunk}}
        )

    async def test_events_of_ignored_users_do_not_count(self) -> None:
        await self.arrange()
        carol = await self.register("carol")
        await self.join(carol, self.room_id)
        own = await self.send(self.bob, self.room_id)
        await self.edit(self.bob, own)
        seen = await self.say_in_thread(self.alice, self.root)
        await self.say_in_thread(self.bob, self.root)
        await self.send(self.bob, self.room_id, **relation("m.reference", self.root))
        await self.ignore(carol, "@carol:test", "@bob:test")
        bundle = await self.bundle(carol, self.root)
        self.assertEqual(list(bundle), ["m.thread"])
        self.assertEqual(bundle["m.thread"]["count"], 1)
        self.assertEqual(bundle["m.thread"]["latest_event"]["event_id"], seen)
        self.assertIsNone(await self.bundle(carol, own))

    async def test_who_has_left_sees_no_later_edit(self) -> None:
        await self.arrange()
        await self.leave(self.bob, self.room_id)
        await self.edit(self.alice, self.root, "secret")
        await self.say_in_thread(self.alice, self.root, "secret")
        await self.send(self.alice, self.room_id, **relation("m.reference", self.root))
        self.assertIsNone(await self.bundle(self.bob, self.root))
        self.assertEqual((await self.children(self.bob, self.root))["chunk"], [])
        self.assertEqual((await self.threads(self.bob))["chunk"], [])

    async def test_who_was_away_sees_nothing_that_the_history_hides(self) -> None:
        await self.arrange()
        hidden = {"history_visibility": "joined"}
        await self.set_state(self.alice, self.room_id, "m.room.history_visibility", hidden)
        await self.leave(self.bob, self.room_id)
        await self.edit(self.alice, self.root, "secret")
        await self.say_in_thread(self.alice, self.root, "secret")
        await self.send(self.alice, self.room_id, **relation("m.reference", self.root))
        await self.join(self.bob, self.room_id)
        self.assertIsNone(await self.bundle(self.bob, self.root))
        self.assertEqual((await self.children(self.bob, self.root))["chunk"], [])
        self.assertEqual(len(await self.bundle(self.alice, self.root)), 3)
        definition = json.dumps({"room": {"timeline": {"limit": 9}}})
        whole = await self.sync(self.bob, filter=definition)
        self.assertNotIn("secret", str(whole))

    async def test_every_endpoint_bundles(self) -> None:
        await self.arrange()
        edit = await self.edit(self.alice, self.root)
        await self.say_in_thread(self.bob, self.root)
        context = await self.ok(
            "GET", room_path(self.room_id, f"/context/{quote(edit, safe='$')}"), token=self.bob
        )
        pages = [
            (await self.messages(self.bob, self.room_id))["chunk"],
            context["events_before"],
            (await self.threads(self.bob))["chunk"],
        ]
        for page in pages:
            (root,) = [event for event in page if event["event_id"] == self.root]
            self.assertEqual(root["unsigned"]["m.relations"]["m.replace"]["event_id"], edit)
        child = await self.send(self.bob, self.room_id, **relation("m.reference", self.root))
        reply = await self.send(self.bob, self.room_id, **relation("m.reference", child))
        (event,) = (await self.children(self.bob, self.root, "m.reference"))["chunk"]
        bundled = event["unsigned"]["m.relations"]["m.reference"]["chunk"]
        self.assertEqual(bundled, [{"event_id": reply}])


class ChildrenTests(RelationsTestCase):
    async def test_by_kind_and_type(self) -> None:
        await self.arrange()
        edit = await self.edit(self.alice, self.root)
        reaction = await self.react(self.bob, self.root)
        children = self.children
        everything = await children(self.bob, self.root)
        self.assertEqual(ids(everything["chunk"]), [reaction, edit])
        self.assertNotIn("next_batch", everything)
        self.assertNotIn("prev_batch", everything)
        self.assertNotIn("recursion_depth", everything)
        for kind, expected in (
            (["m.annotation"], [reaction]),
            (["m.annotation", "m.reaction"], [reaction]),
            (["m.annotation", "m.room.message"], []),
            (["m.replace", "never.seen"], []),
        ):
            found = await children(self.bob, self.root, *kind)
            self.assertEqual(ids(found["chunk"]), expected)

    async def test_pages_in_both_directions(self) -> None:
        await self.arrange()
        sent = [await self.say_in_thread(self.bob, self.root) for _ in range(5)]
        for direction, order in (("f", sent), ("b", sent[::-1])):
            query: dict[str, Any] = {"dir": direction, "limit": 2}
            found: list[str] = []
            pages = 0
            while True:
                page = await self.children(self.alice, self.root, **query)
                self.assertEqual(page.get("prev_batch"), query.get("from"))
                found += ids(page["chunk"])
                pages += 1
                if "next_batch" not in page:
                    break
                query["from"] = page["next_batch"]
            self.assertEqual((found, pages), (order, 3))

    async def test_tokens_of_messages_and_sync(self) -> None:
        await self.arrange()
        first = await self.say_in_thread(self.bob, self.root)
        token = (await self.sync(self.alice))["next_batch"]
        second = await self.say_in_thread(self.bob, self.root)
        start = (await self.messages(self.alice, self.room_id))["start"]
        for query, expected in (
            ({"from": token}, [first]),
            ({"from": token, "dir": "f"}, [second]),
            ({"to": token}, [second]),
            ({"to": token, "dir": "f"}, [first]),
            ({"from": start, "to": token}, [second]),
            ({"from": token, "to": start}, []),
        ):
            found = await self.children(self.alice, self.root, **query)
            self.assertEqual(ids(found["chunk"]), expected, str(query))

    async def test_recursion(self) -> None:
        await self.arrange()
        child = await self.say_in_thread(self.bob, self.root)
        reaction = await self.react(self.alice, child)
        third = await self.send(self.bob, self.room_id, **relation("m.reference", reaction))
        await self.send(self.bob, self.room_id, **relation("m.reference", third))
        found = await self.children(self.alice, self.root, recurse="true")
        self.assertEqual(ids(found["chunk"]), [third, reaction, child])
        self.assertEqual(found["recursion_depth"], 3)
        # The filter holds for what lies between, too.
        found = await self.children(self.alice, self.root, "m.annotation", recurse="true")
        self.assertEqual(found["chunk"], [])
        found = await self.children(self.alice, self.root, recurse="false")
        self.assertEqual((ids(found["chunk"]), found["recursion_depth"]), ([child], 1))
        found = await self.children(self.alice, self.root, recurse="true", limit=2)
        self.assertEqual(ids(found["chunk"]), [third, reaction])
        token = found["next_batch"]
        found = await self.children(self.alice, self.root, recurse="true", **{"from": token})
        self.assertEqual(ids(found["chunk"]), [child])

    async def test_redacted_children_are_gone(self) -> None:
        await self.arrange()
        reaction = await self.react(self.bob, self.root)
        await self.redact(self.bob, self.room_id, reaction)
        self.assertEqual((await self.children(self.alice, self.root))["chunk"], [])

    async def test_bad_queries(self) -> None:
        await self.arrange()
        base = self.path(f"/relations/{quote(self.root, safe='$')}")
        for query in ("dir=x", "limit=0", "limit=a", "from=x", "to=t", "recurse=maybe"):
            await self.refused(400, "M_INVALID_PARAM", "GET", f"{base}?{query}", token=self.alice)
        for query in ("include=x", "limit=0", "from=s1_1", "from=x"):
            path = self.path(f"/threads?{query}")
            await self.refused(400, "M_INVALID_PARAM", "GET", path, token=self.alice)


class ThreadsTests(RelationsTestCase):
    async def test_the_thread_with_the_newest_event_comes_first(self) -> None:
        await self.arrange()
        other = await self.send(self.alice, self.room_id)
        third = await self.send(self.alice, self.room_id)
        for root in (self.root, other, third, self.root):
            await self.say_in_thread(self.alice, root)
        found = await self.threads(self.bob)
        self.assertEqual(ids(found["chunk"]), [self.root, third, other])
        self.assertNotIn("next_batch", found)
        first = await self.threads(self.bob, limit=2)
        self.assertEqual(ids(first["chunk"]), [self.root, third])
        rest = await self.threads(self.bob, limit=2, **{"from": first["next_batch"]})
        self.assertEqual(ids(rest["chunk"]), [other])
        self.assertNotIn("next_batch", rest)

    async def test_the_path_of_the_proposal(self) -> None:
        await self.arrange()
        await self.say_in_thread(self.bob, self.root)
        path = self.path("/threads").replace("/v1/", "/unstable/org.matrix.msc3856/")
        found = await self.ok("GET", path, token=self.bob)
        self.assertEqual(ids(found["chunk"]), [self.root])

    async def test_those_with_the_user(self) -> None:
        await self.arrange()
        other = await self.send(self.alice, self.room_id)
        bobs = await self.send(self.bob, self.room_id)
        for token, root in ((self.bob, self.root), (self.alice, other), (self.alice, bobs)):
            await self.say_in_thread(token, root)
        found = await self.threads(self.bob, include="participated")
        self.assertEqual(ids(found["chunk"]), [bobs, self.root])

    async def test_ignored_users(self) -> None:
        await self.arrange()
        bobs = await self.send(self.bob, self.room_id, "spam")
        await self.say_in_thread(self.alice, bobs)
        await self.say_in_thread(self.bob, self.root)
        await self.ignore(self.alice, "@alice:test", "@bob:test")
        (root,) = (await self.threads(self.alice))["chunk"]
        self.assertEqual((root["event_id"], root["content"]), (bobs, {}))
        self.assertIn("m.thread", root["unsigned"]["m.relations"])


class FilterTests(RelationsTestCase):
    async def page(self, token: str, **definition: Any) -> list[str]:
        """The ids of the events in the order of the timeline."""
        definition["types"] = ["m.room.message", "m.reaction"]
        page = await self.messages(token, self.room_id, "f", filter=json.dumps(definition))
        return ids(page["chunk"])

    async def test_by_what_relates_to_events(self) -> None:
        await self.arrange()
        other = await self.send(self.alice, self.room_id)
        await self.say_in_thread(self.bob, self.root)
        await self.react(self.alice, other)
        for definition, expected in (
            ({"related_by_rel_types": ["m.thread", "x\0", "m.annotation"]}, [self.root, other]),
            ({"related_by_rel_types": ["m.thread"]}, [self.root]),
            ({"related_by_rel_types": []}, []),
            ({"related_by_senders": ["@alice:test", "@nobody:test", "@x\0:test"]}, [other]),
            (
                {
                    "related_by_senders": ["@alice:test"],
                    "related_by_rel_types": ["m.thread"],
                },
                [],
            ),
        ):
            found = await self.page(self.bob, **definition)
            self.assertEqual(found, expected, str(definition))

    async def test_who_has_left_does_not_learn_what_relates_since(self) -> None:
        await self.arrange()
        await self.leave(self.bob, self.room_id)
        await self.say_in_thread(self.alice, self.root)
        definition = {"related_by_rel_types": ["m.thread"]}
        self.assertEqual(await self.page(self.alice, **definition), [self.root])
        self.assertEqual(await self.page(self.bob, **definition), [])

    async def test_by_what_events_relate_to(self) -> None:
        await self.arrange()
        child = await self.say_in_thread(self.bob, self.root)
        reaction = await self.react(self.bob, self.root)
        for definition, expected in (
            ({"rel_types": ["m.thread"]}, [child]),
            ({"not_rel_types": ["m.thread"]}, [self.root, reaction]),
            ({"rel_types": ["m.thread"], "not_rel_types": ["m.thread"]}, []),
        ):
            found = await self.page(self.alice, **definition)
            self.assertEqual(found, expected, str(definition))

    async def test_bad_filters(self) -> None:
        await self.arrange()
        for definition in ({"related_by_senders": "x"}, {"rel_types": [1]}):
            text = urlencode({"dir": "b", "filter": json.dumps(definition)})
            path = room_path(self.room_id, f"/messages?{text}")
            await self.refused(400, "M_BAD_JSON", "GET", path, token=self.alice)


class SyncTests(RelationsTestCase):
    async def room(self, token: str, **query: Any) -> Any:
        return (await self.sync(token, **query))["rooms"]["join"][self.room_id]["timeline"]

    async def arrange_limited(self) -> dict[str, Any]:
        """An edited thread root at which a limited timeline of one event begins; the query."""
        await self.arrange()
        carol = await self.register("carol")
        self.carol = carol
        await self.join(carol, self.room_id)
        self.before = (await self.sync(carol))["next_batch"]
        await self.send(self.alice, self.room_id, "pushed out of the timeline")
        self.root = await self.send(self.alice, self.room_id, "root")
        await self.say_in_thread(self.bob, self.root)
        self.edited = await self.edit(self.alice, self.root)
        definition = {"room": {"timeline": {"limit": 3}}}
        return {"filter": json.dumps(definition)}

    async def test_a_limited_timeline_has_bundles_for_each_user(self) -> None:
        query = await self.arrange_limited()
        for since in ({}, {"since": self.before}):
            for token, participated in (
                (self.alice, True),
                (self.bob, True),
                (self.carol, False),
            ):
                timeline = await self.room(token, **query, **since)
                self.assertTrue(timeline["limited"])
                event = timeline["events"][0]
                self.assertEqual(event["event_id"], self.root)
                bundle = event["unsigned"]["m.relations"]
                self.assertEqual(bundle["m.replace"]["event_id"], self.edited)
                self.assertEqual(bundle["m.thread"]["count"], 1)
                self.assertIs(bundle["m.thread"]["current_user_participated"], participated)

    async def test_bundles_in_the_federation_format_and_with_fields(self) -> None:
        await self.arrange_limited()
        for more in (
            {"event_format": "federation"},
            {"event_fields": ["unsigned.m\\.relations", "event_id"]},
        ):
            definition = {"room": {"timeline": {"limit": 3}}, **more}
            timeline = await self.room(self.carol, filter=json.dumps(definition))
            bundle = timeline["events"][0]["unsigned"]["m.relations"]
            self.assertEqual(bundle["m.replace"]["event_id"], self.edited)

    async def test_what_is_not_limited_has_no_bundles(self) -> None:
        await self.arrange_limited()
        timeline = await self.room(self.carol, since=self.before)
        self.assertFalse(timeline["limited"])
        self.assertEqual(len(timeline["events"]), 4)
        self.assertNotIn("m.relations", str(timeline))

    async def test_sliding_sync_bundles_in_all_timelines(self) -> None:
        await self.arrange_limited()
        first = await self.slide(3, None)
        self.assertTrue(first["limited"])
        whole = await self.slide(50, None)
        self.assertFalse(whole["limited"])
        for timeline in (first, whole):
            (root,) = [e for e in timeline["timeline"] if e["event_id"] == self.root]
            bundle = root["unsigned"]["m.relations"]
            self.assertEqual(bundle["m.replace"]["event_id"], self.edited)
            self.assertEqual(bundle["m.thread"]["count"], 1)
        # Also in what is new.
        message = await self.send(self.bob, self.room_id)
        edit = await self.edit(self.bob, message)
        news = (await self.slide(50, self.pos))["timeline"]
        self.assertEqual(ids(news), [message, edit])
        self.assertEqual(news[0]["unsigned"]["m.relations"]["m.replace"]["event_id"], edit)
        self.assertNotIn("m.relations", news[1]["unsigned"])

    async def slide(self, limit: int, pos: str | None) -> Any:
        """Carol's view of the room by sliding sync."""
        path = sliding_path(pos)
        answer = await self.ok(
            "POST", path, {"lists": {"a": a_list(limit=limit)}}, token=self.carol
        )
        self.pos = answer["pos"]
        return answer["rooms"][self.room_id]

    async def test_who_has_left_gets_bundles_of_what_they_may_see(self) -> None:
        query = await self.arrange_limited()
        await self.leave(self.carol, self.room_id)
        self.advance(1)
        await self.edit(self.alice, self.root, "secret")
        query["filter"] = query["filter"].replace("3", "4")
        left = await self.sync(self.carol, since=self.before, **query)
        self.assertNotIn("secret", str(left))
        root = left["rooms"]["leave"][self.room_id]["timeline"]["events"][0]
        self.assertEqual(root["event_id"], self.root)
        self.assertEqual(list(root["unsigned"]["m.relations"]), ["m.thread"])


class OlderDatabaseTests(RelationsTestCase):
    async def test_relations_of_before_the_table_are_filled_in(self) -> None:
        await self.arrange()
        await self.edit(self.alice, self.root)
        await self.say_in_thread(self.bob, self.root)
        await self.redact(self.alice, self.room_id, await self.react(self.alice, self.root))
        before = await self.database.fetch("SELECT * FROM relations ORDER BY event_nid")
        self.assertEqual(len(before), 2)

        def forget(txn: Transaction, items: list[None]) -> None:
            txn.execute("DELETE FROM relations")
            txn.execute("INSERT INTO background_updates (name) VALUES ('relations')")

        await self.database.write(forget, None)
        pace = Pace(default_batch_size=3, sleep_enabled=False)
        updates = {"relations": fill_relations}
        await BackgroundUpdates(self.database, self.clock, updates, pace).run()
        after = await self.database.fetch("SELECT * FROM relations ORDER BY event_nid")
        self.assertEqual(after, before)
        self.assertEqual(await self.database.fetch("SELECT * FROM background_updates"), [])
