"""Client API: searching messages."""

from typing import Any

from synapse.app.chores import Chores
from synapse.storage.transaction import Transaction
from tests.rest.rooms import V3, RoomTestCase, ids

ALICE, BOB = "@alice:test", "@bob:test"


class SearchTestCase(RoomTestCase):
    async def arrange(self) -> None:
        self.alice = await self.register("alice")
        self.bob = await self.register("bob")

    async def index(self) -> None:
        await self.server.discovery.search_reader.catch_up()

    async def search(
        self, token: str, term: str, next_batch: str | None = None, **criteria: Any
    ) -> Any:
        await self.index()
        criteria = {"order_by": "recent", "search_term": term, **criteria}
        path = f"{V3}/search" + (f"?next_batch={next_batch}" if next_batch else "")
        body = {"search_categories": {"room_events": criteria}}
        answer = await self.ok("POST", path, body, token=token)
        return answer["search_categories"]["room_events"]

    async def found(self, token: str, term: str, **criteria: Any) -> list[str]:
        """The ids of the events on the first page; the count says as many."""
        answer = await self.search(token, term, **criteria)
        self.assertEqual(answer["count"], len(answer["results"]))
        self.assertNotIn("next_batch", answer)
        return ids([result["result"] for result in answer["results"]])


class SearchTests(SearchTestCase):
    async def test_words_are_found_by_their_beginning_newest_first(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        first = await self.send(self.alice, room_id, "Martians and men")
        second = await self.send(self.alice, room_id, "MEN of mars")
        await self.send(self.alice, room_id, "mean")
        self.assertEqual(await self.found(self.alice, "men"), [second, first])
        self.assertEqual(await self.found(self.alice, "mart, MÉN!"), [first])
        for nothing in ("rtis", "", "!?", "men nobody", '"', "a OR men", "#1", "''' ) :*"):
            self.assertEqual(await self.found(self.alice, nothing), [], nothing)

    async def test_keys(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        message = await self.send(self.alice, room_id, "green tea")
        name = await self.set_state(self.alice, room_id, "m.room.name", {"name": "Green room"})
        text = [{"body": "Grass"}, {"body": "<b>hay</b>", "mimetype": "text/html"}]
        topic = await self.set_state(
            self.alice, room_id, "m.room.topic", {"topic": "Greens", "m.topic": {"m.text": text}}
        )
        await self.set_state(self.alice, room_id, "org.example", {"body": "green", "name": "green"})
        self.assertEqual(await self.found(self.alice, "green"), [topic, name, message])
        for key, event_id in (
            ("content.body", message),
            ("content.name", name),
            ("content.topic", topic),
        ):
            self.assertEqual(await self.found(self.alice, "green", keys=[key]), [event_id])
        self.assertEqual(await self.found(self.alice, "green", keys=[]), [])
        self.assertEqual(await self.found(self.alice, "grass"), [topic])
        self.assertEqual(await self.found(self.alice, "hay"), [])

    async def test_filters(self) -> None:
        await self.arrange()
        rooms = [await self.create_public(self.alice) for _ in range(2)]
        mine = [await self.send(self.alice, room_id) for room_id in rooms]
        await self.join(self.bob, rooms[0])
        his = await self.send(self.bob, rooms[0], url="mxc://a/b")
        for wanted, expected in (
            ({"rooms": [rooms[1], "!unknown:test"]}, [mine[1]]),
            ({"not_rooms": [rooms[1]]}, [his, mine[0]]),
            ({"senders": [BOB]}, [his]),
            ({"senders": ["@unknown:test", "@a\0b:test"]}, []),
            ({"not_senders": [BOB]}, [mine[1], mine[0]]),
            ({"types": ["m.room.name"]}, []),
            ({"contains_url": True}, [his]),
            ({"limit": 0}, []),
        ):
            self.assertEqual(await self.found(self.alice, "hello", filter=wanted), expected)

    async def test_only_what_the_user_may_see(self) -> None:
        await self.arrange()
        joined_only = {"type": "m.room.history_visibility", "content": {}}
        joined_only["content"] = {"history_visibility": "joined"}
        room_id = await self.create_public(self.alice, initial_state=[joined_only])
        await self.send(self.alice, room_id, "hello early")
        self.assertEqual(await self.found(self.bob, "hello"), [])
        await self.join(self.bob, room_id)
        self.assertEqual(await self.found(self.bob, "hello"), [])
        present = await self.send(self.alice, room_id, "hello present")
        await self.leave(self.bob, room_id)
        await self.send(self.alice, room_id, "hello late")
        self.assertEqual(await self.found(self.bob, "hello"), [present])
        # Nothing tells of what is hidden: neither a token nor the count.
        for order in ("recent", "rank"):
            answer = await self.search(
                self.bob,
                "hello",
                order_by=order,
                filter={"limit": 1},
                groupings={"group_by": [{"key": "room_id"}]},
            )
            self.assertEqual(answer["count"], 1)
            self.assertNotIn("next_batch", answer)
            self.assertNotIn("next_batch", answer["groups"]["room_id"][room_id])
        await self.ok("POST", f"{V3}/rooms/{room_id}/forget", {}, token=self.bob)
        self.assertEqual(await self.found(self.bob, "hello"), [])

    async def test_shared_history_is_found_by_who_joins_later(self) -> None:
        await self.arrange()
        room_id = await self.create_public(self.alice)
        event_id = await self.send(self.alice, room_id)
        await self.join(self.bob, room_id)
        self.assertEqual(await self.found(self.bob, "hello"), [event_id])

    async def test_redacted_events_leave_the_index(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        before = await self.send(self.alice, room_id, "hello secret")
        await self.index()
        await self.redact(self.alice, room_id, before)
        # Already before the reader has come by.
        body = {"search_categories": {"room_events": {"search_term": "secret"}}}
        answer = await self.ok("POST", f"{V3}/search", body, token=self.alice)
        self.assertEqual(answer["search_categories"]["room_events"]["results"], [])
        unseen = await self.send(self.alice, room_id, "hello secret")
        for _ in range(2):
            await self.redact(self.alice, room_id, unseen)
        kept = await self.send(self.alice, room_id, "hello")
        self.assertEqual(await self.found(self.alice, "hello"), [kept])
        await self.redact(self.alice, room_id, before)
        self.assertEqual(await self.found(self.alice, "hello"), [kept])
        self.assertEqual(await self._indexed_words("secret"), 0)
        self.assertEqual(await self._indexed_words("hello"), 1)

    async def test_what_a_ban_takes_away_leaves_the_index(self) -> None:
        await self.arrange()
        room_id = await self.create_public(self.alice)
        await self.join(self.bob, room_id)
        await self.send(self.bob, room_id, "hello spam")
        await self.index()
        unseen = await self.send(self.bob, room_id, "hello spam")
        body = {"user_id": "@bob:test", "org.matrix.msc4293.redact_events": True}
        await self.ok("POST", f"{V3}/rooms/{room_id}/ban", body, token=self.alice)
        self.assertEqual(await self.found(self.alice, "hello"), [])
        event = await self.ok("GET", f"{V3}/rooms/{room_id}/event/{unseen}", token=self.alice)
        self.assertEqual(event["content"], {})
        self.assertEqual(await self._indexed_words("spam"), 0)

    async def test_after_a_restart_the_index_goes_on_where_it_was(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        first = await self.send(self.alice, room_id)
        await self.index()
        second = await self.send(self.alice, room_id)
        await self.redact(self.alice, room_id, first)
        third = await self.send(self.alice, room_id)
        self.start(self.config)
        self.assertEqual(await self.found(self.alice, "hello"), [third, second])
        self.assertEqual(await self._indexed_words("hello"), 2)

    async def test_what_is_sent_while_search_is_off_is_found_later(self) -> None:
        await self.arrange()
        self.reconfigure(search={"enable_search": False})
        chores = Chores(self.server)
        chores.start()
        self.addCleanup(chores.stop)
        room_id = await self.create(self.alice)
        event_id = await self.send(self.alice, room_id)
        self.advance(10)
        await self.finish_background()
        self.assertEqual(await self._indexed_words("hello"), 0)
        self.reconfigure(search={"enable_search": True})
        self.assertEqual(await self.found(self.alice, "hello"), [event_id])

    async def test_the_index_follows_by_itself(self) -> None:
        await self.arrange()
        chores = Chores(self.server)
        chores.start()
        self.addCleanup(chores.stop)
        await self.send(self.alice, await self.create(self.alice))
        self.assertEqual(await self._indexed_words("hello"), 0)
        self.advance(1)
        await self.finish_background()
        self.assertEqual(await self._indexed_words("hello"), 1)

    async def _indexed_words(self, word: str) -> int:
        """In how many documents a word stands, whoever may see them."""
        sql = "SELECT count(*) FROM search_index WHERE search_index MATCH ?"
        if self.on_postgres:
            sql = "SELECT count(*) FROM search_index WHERE words @@ CAST(? AS tsquery)"
        ((count,),) = await self.database.fetch(sql, word)
        return int(count)

    async def test_encrypted_rooms_are_not_searched(self) -> None:
        await self.arrange()
        encrypted = {"type": "m.room.encryption", "content": {"algorithm": "x"}}
        room_id = await self.create(self.alice, initial_state=[encrypted])
        await self.send(self.alice, room_id)
        other = await self.create(self.alice)
        await self.send(self.alice, other)
        await self.index()
        self.assertEqual(await self._indexed_words("hello"), 1)
        await self.set_state(self.alice, other, "m.room.encryption", {"algorithm": "x"})
        self.assertEqual(await self.found(self.alice, "hello"), [])

    async def test_the_predecessors_of_a_room_are_searched_with_it(self) -> None:
        await self.arrange()
        old = await self.create(self.alice)
        event_id = await self.send(self.alice, old)
        new = await self.create(self.alice, creation_content={"predecessor": {"room_id": old}})
        unseen = await self.create(self.bob)
        await self.send(self.bob, unseen)
        foreign = {"predecessor": {"room_id": unseen}}
        newest = await self.create(self.alice, creation_content=foreign)
        self.assertEqual(await self.found(self.alice, "hello", filter={"rooms": [new]}), [event_id])
        self.assertEqual(await self.found(self.alice, "hello", filter={"rooms": [newest]}), [])

    async def test_strange_texts(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        for message in ({"body": 7}, {"body": ["hello"]}, {}, {"body": "\0 \u202e"}):
            await self.send_event(self.alice, room_id, "m.room.message", message)
        for topic in (7, {}, {"m.text": 7}, {"m.text": [7]}, {"m.text": [{"body": 7}]}):
            content = {"topic": "x", "m.topic": topic}
            await self.set_state(self.alice, room_id, "m.room.topic", content)
        long = await self.send(self.alice, room_id, "x" * 30_000 + " hello " + "y z " * 5_000)
        self.assertEqual(await self.found(self.alice, "hello"), [long])
        self.assertEqual(await self.found(self.alice, "x" * 30_000), [long])
        chinese = await self.send(self.alice, room_id, "我们在東京都见面")
        self.assertEqual(await self.found(self.alice, "東京"), [chinese])
        self.assertEqual(await self.found(self.alice, "面"), [chinese])


class SearchAnswerTests(SearchTestCase):
    async def test_pages(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        sent = [await self.send(self.alice, room_id, f"hello {n}" + " x" * n) for n in range(7)]
        for order, expected in (("recent", sent[::-1]), ("rank", None)):
            pages, token = [], None
            while True:
                answer = await self.search(
                    self.alice, "hello", token, order_by=order, filter={"limit": 3}
                )
                self.assertEqual(answer["count"], 7)
                pages.append(answer["results"])
                token = answer.get("next_batch")
                if token is None:
                    break
                # What comes in between doesn't move the pages.
                await self.send(self.alice, room_id, "hello")
            results = [result for page in pages for result in page]
            event_ids = ids([result["result"] for result in results])
            self.assertEqual([len(page) for page in pages], [3, 3, 1])
            self.assertEqual(event_ids, expected or event_ids)
            self.assertEqual(sorted(event_ids), sorted(sent))
            if order == "rank":
                ranks = [result["rank"] for result in results]
                self.assertEqual(ranks, sorted(ranks, reverse=True))
            for event_id in await self.found(self.alice, "hello", filter={"limit": 100}):
                if event_id not in sent:
                    await self.redact(self.alice, room_id, event_id)

    async def test_the_closest_come_first_unless_the_newest_are_wanted(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        close = await self.send(self.alice, room_id, "hello")
        far = await self.send(self.alice, room_id, "hello " + "and so on " * 20)
        self.assertEqual(await self.found(self.alice, "hello", order_by="rank"), [close, far])
        self.assertEqual(await self.found(self.alice, "hello", order_by=None), [close, far])

    async def test_groups_and_their_pages(self) -> None:
        await self.arrange()
        rooms = [await self.create_public(self.alice) for _ in range(2)]
        await self.join(self.bob, rooms[0])
        sent = [
            await self.send(token, rooms[index], "hello")
            for token, index in (
                (self.alice, 0),
                (self.alice, 1),
                (self.bob, 0),
                (self.alice, 0),
                (self.alice, 1),
            )
        ]
        for order in ("recent", "rank"):
            criteria: dict[str, Any] = {
                "order_by": order,
                "groupings": {"group_by": [{"key": "room_id"}, {"key": "sender"}]},
                "filter": {"limit": 2},
            }
            answer = await self.search(self.alice, "hello", **criteria)
            groups = answer["groups"]
            self.assertEqual(list(groups["room_id"]), [rooms[1], rooms[0]])
            self.assertEqual(groups["room_id"][rooms[1]]["results"], [sent[4]])
            self.assertEqual(groups["room_id"][rooms[0]]["order"], 1)
            self.assertEqual(groups["sender"][ALICE]["results"], [sent[4], sent[3]])
            for key, name, expected in (
                ("room_id", rooms[1], [sent[1]]),
                ("room_id", rooms[0], [sent[2], sent[0]]),
                ("sender", ALICE, [sent[1], sent[0]]),
            ):
                token = groups[key][name]["next_batch"]
                page = await self.search(self.alice, "hello", token, **criteria)
                self.assertEqual(ids([r["result"] for r in page["results"]]), expected)
                self.assertNotIn("next_batch", page)

    async def test_context_profiles_and_state(self) -> None:
        await self.arrange()
        room_id = await self.create_public(self.alice)
        await self.join(self.bob, room_id)
        texts = ["one", "two", "hello", "three"]
        sent = [await self.send(self.bob, room_id, text) for text in texts]
        path = f"{V3}/profile/{BOB}/displayname"
        await self.ok("PUT", path, {"displayname": "Robert"}, token=self.bob)
        await self.finish_background()
        answer = await self.search(
            self.alice,
            "hello",
            include_state=True,
            event_context={"before_limit": 2, "after_limit": 1, "include_profile": True},
        )
        (result,) = answer["results"]
        context = result["context"]
        self.assertEqual(ids(context["events_before"]), [sent[1], sent[0]])
        self.assertEqual(ids(context["events_after"]), [sent[3]])
        self.assertEqual(context["profile_info"], {BOB: {"displayname": "bob"}})
        page = await self.messages(self.alice, room_id, "f", **{"from": context["end"]})
        self.assertEqual(page["chunk"][0]["content"]["displayname"], "Robert")
        page = await self.messages(self.alice, room_id, "b", **{"from": context["start"]})
        self.assertEqual(page["chunk"][0]["type"], "m.room.member")
        state = {(e["type"], e["state_key"]): e for e in answer["state"][room_id]}
        self.assertEqual(state["m.room.member", BOB]["content"]["displayname"], "Robert")
        self.assertEqual(answer["highlights"], ["hello"])
        plain = await self.search(self.alice, "hel", event_context={"before_limit": 0})
        self.assertNotIn("profile_info", plain["results"][0]["context"])
        self.assertEqual(plain["results"][0]["context"]["events_before"], [])
        self.assertEqual(plain["highlights"], ["hello"])
        self.assertNotIn("state", plain)

    async def test_wrong_requests(self) -> None:
        await self.arrange()
        term = {"search_term": "x"}
        for criteria, errcode in (
            ({}, "M_MISSING_PARAM"),
            ({"search_term": 7}, "M_BAD_JSON"),
            ({**term, "order_by": "age"}, "M_INVALID_PARAM"),
            ({**term, "keys": ["content.url"]}, "M_INVALID_PARAM"),
            ({**term, "keys": "content.body"}, "M_BAD_JSON"),
            ({**term, "filter": {"limit": -1}}, "M_BAD_JSON"),
            ({**term, "event_context": {"before_limit": -1}}, "M_INVALID_PARAM"),
            ({**term, "groupings": {"group_by": [{"key": "age"}]}}, "M_INVALID_PARAM"),
            ({**term, "groupings": {"group_by": ["sender"]}}, "M_BAD_JSON"),
        ):
            body = {"search_categories": {"room_events": criteria}}
            await self.refused(400, errcode, "POST", f"{V3}/search", body, token=self.alice)
        await self.refused(400, "M_MISSING_PARAM", "POST", f"{V3}/search", {}, token=self.alice)
        body = {"search_categories": {"room_events": term}}
        for token in ("x", "n1_0_0", "r1_1", "r1_0_0_x1", "r-1_0_0"):
            path = f"{V3}/search?next_batch={token}"
            await self.refused(400, "M_INVALID_PARAM", "POST", path, body, token=self.alice)
        for token in ("r1_99_0", "r999999999999999999_0_0", "r1_0_0_r999", "r1_0_0_s999"):
            await self.ok("POST", f"{V3}/search?next_batch={token}", body, token=self.alice)
        answer = await self.ok("POST", f"{V3}/search", {"search_categories": {}}, token=self.alice)
        self.assertEqual(answer, {"search_categories": {}})

    async def test_guests_do_not_search(self) -> None:
        _, guest = await self.guest()
        await self.refused(403, "M_GUEST_ACCESS_FORBIDDEN", "POST", f"{V3}/search", token=guest)

    async def test_disabled(self) -> None:
        self.reconfigure(search={"enable_search": False})
        await self.arrange()
        body = {"search_categories": {"room_events": {"search_term": "x"}}}
        await self.refused(400, "M_UNKNOWN", "POST", f"{V3}/search", body, token=self.alice)

    async def test_a_token_of_a_group_leads_nowhere_else(self) -> None:
        await self.arrange()
        foreign = await self.create(self.bob)
        await self.send(self.bob, foreign)
        await self.index()
        ((room_nid,),) = await self.database.fetch(
            "SELECT room_nid FROM rooms WHERE room_id = ?", foreign
        )
        answer = await self.search(self.alice, "hello", f"n999999_0_0_r{room_nid}")
        self.assertEqual(answer["results"], [])

    async def test_many_rooms(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        event_id = await self.send(self.alice, room_id)
        await self.index()
        ((user_nid,),) = await self.database.fetch("SELECT nid FROM names WHERE name = ?", ALICE)

        def add(txn: Transaction, counts: list[int]) -> None:
            ((event_nid,),) = txn.execute("SELECT max(event_nid) FROM members")
            for count in counts:
                txn.execute_many(
                    "INSERT INTO members (user_nid, room_nid, membership, event_nid, since)"
                    " VALUES (?, ?, 1, ?, ?)",
                    [(user_nid, 1000 * count + n, event_nid, event_nid) for n in range(count)],
                )
                txn.execute_many(
                    """INSERT INTO rooms (room_nid, room_id, version, head, pos, first_pos, depth,
                           last_nid, tips, state_nid, joined, invited, local_joined, created_ms)
                       VALUES (?, ?, '12', 0, 0, 1, 0, 0, '[]', 0, 0, 0, 0, 0)""",
                    [(1000 * count + n, f"!{count}_{n}:test") for n in range(count)],
                )

        for count in (900, 1_000):
            await self.database.write(add, count)
            self.assertEqual(await self.found(self.alice, "hello"), [event_id])
