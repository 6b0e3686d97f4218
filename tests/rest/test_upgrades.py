"""Databases that earlier versions of the server have left behind, upgraded and used.

`tests/storage/landed/NNNN.json` holds what a server of schema NNNN wrote.
"""

import json
from pathlib import Path
from typing import Any

from synapse.app.chores import Chores
from synapse.storage.engines.base import Connection
from synapse.storage.migrations import known_migrations, migrate
from tests.rest.rooms import V3, RoomTestCase, room_path
from tests.storage import fresh

_LANDED = Path(fresh.__file__).with_name("landed")
# The tables whose numbers the database gives.
_SERIALS = {"names": "nid", "devices": "device_nid", "rooms": "room_nid", "slots": "slot_nid"}


class UpgradeTests(RoomTestCase):
    migrated = False

    def prepare(self) -> None:
        landed = json.loads((_LANDED / "0001.json").read_text("utf-8"))
        self.facts: dict[str, Any] = landed["facts"]
        self.alice, self.bob = self.facts["alice_token"], self.facts["bob_token"]
        connection = self.engine.connect()
        migrate(self.engine, connection, fresh.SERVER_NAME, known_migrations()[:1])
        for table, content in landed["tables"].items():
            self._fill(connection, table, content)
        connection.close()
        self.database = self.open()

    def _fill(self, connection: Connection, table: str, content: dict[str, Any]) -> None:
        connection.fetch(f"DELETE FROM {table}", ())
        columns = ", ".join(content["columns"])
        marks = ", ".join("?" for _ in content["columns"])
        connection.execute_many(
            f"INSERT INTO {table} ({columns}) VALUES ({marks})",
            [[_value(value) for value in row] for row in content["rows"]],
        )
        if self.on_postgres and table in _SERIALS:
            column = _SERIALS[table]
            connection.fetch(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column}))"
                f" FROM {table}",
                (),
            )

    async def catch_up(self) -> None:
        """What the server does in the background after an upgrade."""
        chores = Chores(self.server)
        await chores.updates.run()
        await self.server.discovery.search_reader.catch_up()
        await self.server.discovery.directory_reader.catch_up()

    async def test_sessions_and_tokens_go_on(self) -> None:
        answer = await self.sync(self.bob, since=self.facts["bob_since"])
        self.assertNotIn("rooms", answer)
        message = await self.send(self.alice, self.facts["room_id"], "after the upgrade")
        room = (await self.sync(self.bob, since=self.facts["bob_since"]))["rooms"]["join"]
        events = room[self.facts["room_id"]]["timeline"]["events"]
        self.assertEqual([event["event_id"] for event in events], [message])

    async def test_what_was_there_counts_as_read(self) -> None:
        room_id = self.facts["room_id"]
        rooms = (await self.sync(self.bob))["rooms"]["join"]
        self.assertEqual(rooms[room_id]["unread_notifications"]["notification_count"], 0)
        await self.send(self.alice, room_id)
        rooms = (await self.sync(self.bob))["rooms"]["join"]
        self.assertEqual(rooms[room_id]["unread_notifications"]["notification_count"], 1)

    async def test_relations_are_known(self) -> None:
        await self.catch_up()
        first, second, *_ = self.facts["message_ids"]
        path = f"/_matrix/client/v1/rooms/{self.facts['room_id']}/relations/{first}"
        chunk = (await self.ok("GET", path, token=self.bob))["chunk"]
        self.assertEqual([event["type"] for event in chunk], ["m.reaction"])
        path = room_path(self.facts["room_id"], f"/event/{second}")
        edited = (await self.ok("GET", path, token=self.bob))["unsigned"]["m.relations"]
        self.assertEqual(edited["m.replace"]["content"]["m.new_content"]["body"], "edited")

    async def test_messages_and_people_are_found(self) -> None:
        await self.catch_up()
        wish = {"search_categories": {"room_events": {"search_term": "elephant"}}}
        found = await self.ok("POST", f"{V3}/search", wish, token=self.bob)
        self.assertEqual(found["search_categories"]["room_events"]["count"], 6)
        path = f"{V3}/user_directory/search"
        people = await self.ok("POST", path, {"search_term": "lovel"}, token=self.bob)
        self.assertEqual([user["user_id"] for user in people["results"]], ["@alice:test"])


def _value(value: Any) -> Any:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
