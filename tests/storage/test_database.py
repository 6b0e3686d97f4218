"""Reads and writes, as the stores see them."""

from twisted.internet.defer import Deferred, gatherResults

from synapse.logging.context import RequestContext, enter
from synapse.storage.errors import ConstraintViolated, Unavailable
from synapse.storage.transaction import Reader, Transaction
from tests.storage.base import StoreTestCase


def add_names(tx: Transaction, names: list[str]) -> list[int]:
    """Give each name a number of its own, and say which."""
    first = tx.stream(len(names))
    numbers = list(range(first, first + len(names)))
    tx.execute_many(
        "INSERT INTO names (nid, name) VALUES (?, ?)", list(zip(numbers, names, strict=True))
    )
    return numbers


class ReadTests(StoreTestCase):
    async def test_a_write_is_readable_when_it_has_been_awaited(self) -> None:
        nid = await self.database.write(add_names, "@a:test")
        found = await self.database.fetch_one("SELECT name FROM names WHERE nid = ?", nid)
        self.assertEqual(found, ("@a:test",))

    async def test_a_missing_row_is_none(self) -> None:
        self.assertIsNone(await self.database.fetch_one("SELECT 1 FROM names WHERE nid = ?", 5))

    async def test_any_takes_lists_of_numbers_and_texts_also_empty_ones(self) -> None:
        for name in ("a", "b", "c"):
            await self.database.write(add_names, name)
        by_name = "SELECT name FROM names WHERE name = ANY(?) ORDER BY name"
        by_number = "SELECT name FROM names WHERE nid = ANY(?) ORDER BY name"
        self.assertEqual(await self.database.fetch(by_name, ["a", "c", "x"]), [("a",), ("c",)])
        self.assertEqual(await self.database.fetch(by_number, [2, 2**40]), [("b",)])
        self.assertEqual(await self.database.fetch(by_name, []), [])
        self.assertEqual(await self.database.fetch(by_number, []), [])

    async def test_values_come_back_as_they_went_in(self) -> None:
        def write(tx: Transaction, items: list[bytes]) -> None:
            sql = "INSERT INTO redacted_events (event_nid, redacted_ms, json) VALUES (?, ?, ?)"
            tx.execute(sql, 2**62, True, items[0])

        await self.database.write(write, b"\x00\xff'\\%")
        row = await self.database.fetch_one(
            "SELECT event_nid, redacted_ms, json FROM redacted_events"
        )
        self.assertEqual(row, (2**62, 1, b"\x00\xff'\\%"))
        total = await self.database.fetch_one("SELECT sum(event_nid) FROM redacted_events")
        assert total is not None
        self.assertIs(type(total[0]), int)

    async def test_like_tells_upper_from_lower_case(self) -> None:
        await self.database.write(add_names, "Abc")
        found = await self.database.fetch("SELECT name FROM names WHERE name LIKE 'ab%'")
        self.assertEqual(found, [])

    async def test_several_reads_see_one_snapshot(self) -> None:
        other = self.open()

        def twice(reader: Reader) -> tuple[object, object]:
            before = reader.fetch_one("SELECT count(*) FROM names")
            return before, reader.fetch_one("SELECT count(*) FROM names")

        writing = Deferred.fromCoroutine(other.write(add_names, "a"))
        before, after = await self.database.read(twice)
        self.assertEqual(before, after)
        await writing

    async def test_a_scan_reads_what_is_committed(self) -> None:
        await self.database.write(add_names, "a")
        count = await self.database.scan(lambda reader: reader.fetch("SELECT name FROM names"))
        self.assertEqual(count, [("a",)])

    async def test_a_read_that_fails_harms_no_later_one(self) -> None:
        with self.assertRaises(Exception):  # noqa: B017 (each driver has its own)
            await self.database.read(lambda reader: reader.fetch("SELECT nonsense"))
        self.assertEqual(await self.database.read(lambda reader: reader.fetch("SELECT 1")), [(1,)])

    async def test_a_reader_can_not_write(self) -> None:
        with self.assertRaises(Exception):  # noqa: B017 (each driver has its own)
            await self.database.fetch("INSERT INTO names (name) VALUES ('a')")


class CostTests(StoreTestCase):
    async def test_time_is_counted_by_statement_and_for_the_request(self) -> None:
        context = RequestContext("GET-1")
        enter(context)
        await self.database.fetch("SELECT name FROM names")
        await self.database.write(add_names, "a")
        self.assertEqual(self.database.timings["select_names"].count, 1)
        self.assertEqual(self.database.timings["add_names"].count, 1)
        self.assertEqual(context.db_transactions, 2)
        self.assertGreater(context.db_seconds, 0)


class ManyRowsTests(StoreTestCase):
    async def test_rows_touched_are_counted(self) -> None:
        def change(tx: Transaction, items: list[str]) -> list[list[int]]:
            sql = "INSERT INTO names (nid, name) VALUES (?, ?) ON CONFLICT DO NOTHING"
            inserted = tx.execute_many(sql, [(nid, f"n{nid}") for nid in range(2500)])
            again = tx.execute_many(sql, [(nid, f"n{nid}") for nid in range(2499, 2502)])
            sql = "UPDATE names SET name = ? WHERE nid = ?"
            updated = tx.execute_many(sql, [("a", 1), ("b", 2), ("c", 9999)])
            return [[inserted, again, updated, tx.execute_many(sql, [])]]

        self.assertEqual(await self.database.write(change, ""), [2500, 2, 2, 0])

    async def test_an_update_from_values_is_one_statement(self) -> None:
        def change(tx: Transaction, items: list[str]) -> list[int]:
            tx.execute_many("INSERT INTO names (nid, name) VALUES (?, ?)", [(1, "a"), (2, "b")])
            sql = (
                "WITH v (nid, name) AS (VALUES (?, ?)) "
                "UPDATE names SET name = v.name FROM v WHERE names.nid = v.nid"
            )
            return [tx.execute_many(sql, [(1, "x"), (2, "y")])]

        self.assertEqual(await self.database.write(change, ""), 2)
        found = await self.database.fetch("SELECT name FROM names ORDER BY nid")
        self.assertEqual(found, [("x",), ("y",)])


class CloseTests(StoreTestCase):
    migrated = False

    async def test_closing_writes_what_is_queued_and_refuses_more(self) -> None:
        database = self.open_unmanaged()
        queued = gatherResults(
            [Deferred.fromCoroutine(database.write(add_names, name)) for name in ("a", "b")]
        )
        await database.close()
        self.assertEqual(await queued, [1, 2])
        with self.assertRaises(Unavailable):
            await database.write(add_names, "c")
        reopened = self.open()
        self.assertEqual(await reopened.fetch("SELECT count(*) FROM names"), [(2,)])
        self.assertEqual(reopened.position, 2)


class ConstraintTests(StoreTestCase):
    async def test_both_engines_name_a_broken_constraint_alike(self) -> None:
        await self.database.write(add_names, "a")
        with self.assertRaises(ConstraintViolated):
            await self.database.write(add_names, "a")
        self.assertEqual(await self.database.write(add_names, "b"), 2)
