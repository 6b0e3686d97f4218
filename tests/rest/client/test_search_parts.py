"""Client API: searching what stands in the middle of words, and scripts without spaces."""

from synapse.storage.migrations import known_migrations, migrate
from tests.rest.client.test_search import SearchTestCase
from tests.rest.rooms import V3
from tests.storage import fresh


class PartsOfWordsTests(SearchTestCase):
    async def words(self) -> set[str]:
        """Those that are searched by their parts, whoever may read the messages."""
        rows = await self.database.fetch("SELECT word FROM search_words")
        return {word for (word,) in rows}

    async def test_the_middle_and_the_end_of_words_are_found(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        compound = await self.send(self.alice, room_id, "Donaudampfschifffahrt, MÄRZ")
        russian = await self.send(self.alice, room_id, "Добрый вечер, комната")
        korean = await self.send(self.alice, room_id, "서울대학교에서")
        for term, expected in (
            ("dampf", compound),
            ("DAMPFSCHIFF donau", compound),
            ("fahrt märz", compound),
            ("ната веч", russian),
            ("학교", korean),
        ):
            self.assertEqual(await self.found(self.alice, term), [expected], term)
        for nothing in ("dampfer", "fschiffs", "marzi", "donau dampf x", "ah", "mpf rzz"):
            self.assertEqual(await self.found(self.alice, nothing), [], nothing)
        answer = await self.search(self.alice, "fahrt")
        self.assertEqual(answer["highlights"], ["donaudampfschifffahrt"])

    async def test_beginnings_of_words_rank_above_their_parts(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        begins = await self.send(self.alice, room_id, "men " + "and so on " * 20)
        for _ in range(20):
            await self.send(self.alice, room_id, "mend")
        holds = await self.send(self.alice, room_id, "women")
        ranked = await self.search(self.alice, "men", order_by="rank", filter={"limit": 100})
        found = [result["result"]["event_id"] for result in ranked["results"]]
        self.assertEqual(found[-2:], [begins, holds])
        self.assertEqual(ranked["count"], 22)
        recent = await self.search(self.alice, "men", filter={"limit": 1})
        self.assertEqual(recent["results"][0]["result"]["event_id"], holds)

    async def test_others_words_are_no_answer(self) -> None:
        await self.arrange()
        room_id = await self.create(self.bob)
        await self.send(self.bob, room_id, "topsecret")
        await self.index()
        answer = await self.search(self.alice, "secret")
        self.assertEqual((answer["results"], answer["count"]), ([], 0))
        self.assertEqual(answer["highlights"], [])

    async def test_the_shortest_words_are_searched_if_too_many_hold_a_part(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        last = await self.send(self.alice, room_id, "a-xpart")
        for start in range(0, 240, 40):
            words = (f"part{n} zzz{n:04}part" for n in range(start, start + 40))
            await self.send(self.alice, room_id, " ".join(words))
        self.assertIn(last, await self.found(self.alice, "part", filter={"limit": 100}))
        self.assertEqual(await self.found(self.alice, "part xpart"), [last])

    async def test_what_no_message_holds_any_more_is_forgotten(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        first = await self.send(self.alice, room_id, "common secrets")
        second = await self.send(self.alice, room_id, "common things")
        third = await self.send(self.alice, room_id, "common")
        await self.index()
        self.assertEqual(await self.words(), {"common", "secrets", "things"})
        await self.redact(self.alice, room_id, first)
        self.assertEqual(await self.found(self.alice, "ommon"), [third, second])
        self.assertEqual(await self.words(), {"common", "things"})
        self.assertEqual(await self.found(self.alice, "ecret"), [])
        await self.redact(self.alice, room_id, third)
        self.assertEqual(await self.found(self.alice, "ommon"), [second])
        await self.redact(self.alice, room_id, second)
        self.assertEqual(await self.found(self.alice, "ommon"), [])
        self.assertEqual(await self.words(), set())
        again = await self.send(self.alice, room_id, "uncommon secrets")
        self.assertEqual(await self.found(self.alice, "common crets"), [again])

    async def test_scripts_without_spaces(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        chinese = await self.send(self.alice, room_id, "我们在東京都见面")
        pairs = await self.send(self.alice, room_id, "京都と東京")
        thai = await self.send(self.alice, room_id, "ไปเที่ยวกรุงเทพมหานครกัน")
        names = await self.send(self.alice, room_id, "ナオミ・ワッツとパリ人々")
        for term, expected in (
            ("東京", [pairs, chinese]),
            ("東京都", [chinese]),
            ("京都", [pairs, chinese]),
            ("在東京都见", [chinese]),
            ("面 我们", [chinese]),
            ("กรุงเทพ", [thai]),
            ("เทพกรุง", []),
            ("ワッツ", [names]),
            ("ハリ", []),  # パリ is another word
            ("パリ", [names]),
            ("人々", [names]),
        ):
            self.assertEqual(await self.found(self.alice, term), expected, term)
        answer = await self.search(self.alice, "東京都")
        self.assertEqual(answer["highlights"], ["東京都"])
        await self.redact(self.alice, room_id, chinese)
        self.assertEqual(await self.found(self.alice, "東京"), [pairs])

    async def test_scripts_whose_vowels_are_marks(self) -> None:
        await self.arrange()
        room_id = await self.create(self.alice)
        hindi = await self.send(self.alice, room_id, "नमस्ते दुनिया")
        tamil = await self.send(self.alice, room_id, "தமிழ்மொழி")
        await self.send(self.alice, room_id, "नमक")
        self.assertEqual(await self.found(self.alice, "नमस्ते"), [hindi])
        self.assertEqual(await self.found(self.alice, "மொழி"), [tamil])
        self.assertEqual(await self.found(self.alice, "मस्ते"), [hindi])


class OlderIndexTests(SearchTestCase):
    """An index that an earlier version has made, whose words were others."""

    migrated = False

    def prepare(self) -> None:
        connection = self.engine.connect()
        known = known_migrations()
        (anew,) = (migration for migration in known if migration.name == "word_parts")
        older = [migration for migration in known if migration.number < anew.number]
        migrate(self.engine, connection, fresh.SERVER_NAME, older)
        if self.on_postgres:
            sql = "INSERT INTO search_index VALUES (1, '''hello'' ''secret''')"
        else:
            sql = "INSERT INTO search_index (rowid, words) VALUES (1, 'hello secret')"
        connection.fetch(sql, ())
        connection.fetch("UPDATE stream_readers SET position = 7", ())
        connection.close()
        self.database = self.open()

    async def test_it_is_made_anew(self) -> None:
        ((position,),) = await self.database.fetch(
            "SELECT position FROM stream_readers WHERE name = 'search'"
        )
        self.assertEqual(position, 0)
        await self.arrange()
        room_id = await self.create(self.alice)
        sent = await self.send(self.alice, room_id, "hello")
        self.assertEqual(await self.found(self.alice, "hello"), [sent])
        self.assertEqual(await self.found(self.alice, "ello"), [sent])
        await self.ok("POST", f"{V3}/rooms/{room_id}/leave", {}, token=self.alice)
