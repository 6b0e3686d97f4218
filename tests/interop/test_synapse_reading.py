"""What people on our server and on a real Synapse read of each other, besides what is sent now."""

from typing import Any
from urllib.parse import quote

from tests.interop.federating import (
    FederatingTestCase,
    Person,
    in_versions,
    room_path,
    wait_for,
    wait_to_see,
)
from tests.interop.test_synapse import VERSIONS


class HistoryTests(FederatingTestCase):
    @in_versions(*VERSIONS)
    def test_what_was_said_before_one_came(
        self, version: str, owner: Person, guest: Person
    ) -> None:
        room = owner.create(version)
        said = [f"number {number}" for number in range(15)]
        for body in said:
            owner.say(room, body)
        guest.join(room, owner)
        wait_to_see(lambda: self.walked_back(guest, room), said)

    def walked_back(self, person: Person, room: str) -> list[str]:
        """All that was said, read in pages."""
        bodies: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = person.ask("GET", room_path(room, "messages"), dir="b", limit=7, **token)
            bodies += [e["content"]["body"] for e in page["chunk"] if "body" in e["content"]]
            if "end" not in page:
                return bodies[::-1]
            token = {"from": page["end"]}

    @in_versions("10")
    def test_history_is_for_members_only(self, version: str, owner: Person, guest: Person) -> None:
        visibility = {
            "type": "m.room.history_visibility",
            "state_key": "",
            "content": {"history_visibility": "joined"},
        }
        room = owner.create(version, initial_state=[visibility])
        owner.say(room, "among us")
        guest.join(room, owner)
        owner.say(room, "to all")
        wait_for(lambda: "to all" in guest.heard(room))
        self.assertEqual(self.walked_back(guest, room), ["to all"])

    @in_versions("10")
    def test_an_event_is_found_by_its_time(
        self, version: str, owner: Person, guest: Person
    ) -> None:
        room = owner.create(version)
        event_id = owner.say(room, "that day")
        sent_ms = owner.event(room, event_id)["origin_server_ts"]
        guest.join(room, owner)
        path = f"/_matrix/client/v1/rooms/{quote(room, safe='')}/timestamp_to_event"
        wait_to_see(
            lambda: guest.answer("GET", path, ts=sent_ms, dir="f")[1].get("event_id"), event_id
        )


class QuestionTests(FederatingTestCase):
    @in_versions("10", "12")
    def test_rooms_are_found(self, version: str, owner: Person, guest: Person) -> None:
        alias = f"room-of-{version}"
        name = f"Version {version}"
        room = owner.create(version, room_alias_name=alias, name=name, visibility="public")
        full = f"#{alias}:{owner.server.server_name}"
        found = guest.ask("GET", f"/directory/room/{quote(full)}")
        self.assertEqual(found["room_id"], room)
        self.assertIn(owner.server.server_name, found["servers"])
        listed = wait_for(lambda: self.listed(guest, owner, name))
        self.assertEqual((listed["name"], listed["num_joined_members"]), (name, 1))
        guest.ask("POST", f"/join/{quote(full)}", {})
        wait_to_see(lambda: owner.membership(room, guest), "join")

    def listed(self, guest: Person, owner: Person, name: str) -> Any:
        """How a room stands in the other server's directory."""
        # A search: lists that aren't searched are remembered by Synapse for a while.
        wish = {"filter": {"generic_search_term": name}}
        answer = guest.ask("POST", "/publicRooms", wish, server=owner.server.server_name)
        return next(iter(answer["chunk"]), None)

    @in_versions("10", "12")
    def test_spaces_are_walked(self, version: str, owner: Person, guest: Person) -> None:
        space = owner.create(version, creation_content={"type": "m.space"}, name="A space")
        room = owner.create(version, name="In the space")
        owner.set(space, "m.space.child", {"via": [owner.server.server_name]}, room)
        guest.join(space, owner)
        path = f"/_matrix/client/v1/rooms/{quote(space, safe='')}/hierarchy"
        names = [found["name"] for found in guest.ask("GET", path)["rooms"]]
        self.assertEqual(names, ["A space", "In the space"])

    def test_profiles(self) -> None:
        for owner, guest in ((self.alice, self.bob), (self.bob, self.alice)):
            path = f"/profile/{quote(owner.id)}"
            owner.ask("PUT", f"{path}/displayname", {"displayname": "Somebody"})
            self.assertEqual(guest.ask("GET", path)["displayname"], "Somebody")
            nobody = quote(f"@nobody:{owner.server.server_name}")
            self.assertEqual(guest.refused("GET", f"/profile/{nobody}"), (404, "M_NOT_FOUND"))


class PresentTests(FederatingTestCase):
    @in_versions("10", "12")
    def test_who_types_and_has_read(self, version: str, owner: Person, guest: Person) -> None:
        room = owner.create(version)
        guest.join(room, owner)
        event_id = owner.say(room, "read this")
        wait_for(lambda: guest.event(room, event_id))
        for actor, watcher in ((guest, owner), (owner, guest)):
            path = room_path(room, "typing", actor.id)
            actor.ask("PUT", path, {"typing": True, "timeout": 30_000})
            wait_for(lambda: actor.id in typing(watcher.sync(), room))  # noqa: B023
            actor.ask("PUT", path, {"typing": False})
            wait_for(lambda: actor.id not in typing(watcher.sync(), room))  # noqa: B023
        guest.ask("POST", room_path(room, "receipt", "m.read", event_id), {})
        owner.until_synced(
            lambda answer: guest.id in receipts(answer, room).get(event_id, {}).get("m.read", {})
        )

    @in_versions("10")
    def test_who_is_present(self, version: str, owner: Person, guest: Person) -> None:
        room = owner.create(version)
        guest.join(room, owner)
        for actor, watcher in ((guest, owner), (owner, guest)):
            status = {"presence": "online", "status_msg": f"in {room}"}
            actor.ask("PUT", f"/presence/{quote(actor.id)}/status", status)
            watcher.until_synced(
                lambda answer: f"in {room}" in statuses(answer, actor)  # noqa: B023
            )


def ephemeral(answer: Any, room: str, event_type: str) -> dict[str, Any]:
    """The content of what passes in a room."""
    joined = answer.get("rooms", {}).get("join", {}).get(room, {})
    events = joined.get("ephemeral", {}).get("events", [])
    return next((event["content"] for event in events if event["type"] == event_type), {})


def typing(answer: Any, room: str) -> list[str]:
    return list(ephemeral(answer, room, "m.typing").get("user_ids", []))


def receipts(answer: Any, room: str) -> dict[str, Any]:
    return ephemeral(answer, room, "m.receipt")


def statuses(answer: Any, person: Person) -> list[str]:
    events = answer.get("presence", {}).get("events", [])
    return [e["content"].get("status_msg", "") for e in events if e["sender"] == person.id]
