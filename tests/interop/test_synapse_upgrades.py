"""Rooms shared with a real Synapse are upgraded by either of both."""

from tests.interop.federating import (
    FederatingTestCase,
    Person,
    in_versions,
    room_path,
    wait_for,
    wait_to_see,
)


class UpgradeTests(FederatingTestCase):
    @in_versions("6", "10")
    def test_members_on_the_other_server_follow(
        self, version: str, owner: Person, guest: Person
    ) -> None:
        old = owner.create(version, name="Tea")
        guest.join(old, owner)
        tags = {"tags": {"m.favourite": {"order": 0.5}}}
        guest.ask("PUT", f"/user/{guest.id}{room_path(old, 'account_data', 'm.tag')}", tags)
        new = owner.ask("POST", room_path(old, "upgrade"), {"new_version": "11"})[
            "replacement_room"
        ]
        wait_for(lambda: guest.state(old, "m.room.tombstone"))
        tombstone = guest.state(old, "m.room.tombstone")
        self.assertEqual(tombstone["replacement_room"], new)
        guest.join(new, owner)
        creation = guest.state(new, "m.room.create")
        self.assertEqual(creation["predecessor"]["room_id"], old)
        self.assertEqual(guest.state(new, "m.room.name"), {"name": "Tea"})
        wait_to_see(lambda: owner.whole_state(new), guest.whole_state(new))
        wait_to_see(lambda: owner.whole_state(old), guest.whole_state(old))
        if guest.server is self.ours:  # on Synapse they don't follow into another server's room
            path = f"/user/{guest.id}{room_path(new, 'account_data', 'm.tag')}"
            self.assertEqual(guest.ask("GET", path), tags)
        for speaker, listener in ((owner, guest), (guest, owner)):
            speaker.say(new, f"from {speaker.id}")
            wait_for(lambda: f"from {speaker.id}" in listener.heard(new))  # noqa: B023
        # Each server has its own words for it.
        guest.refused("PUT", room_path(old, "send", "m.room.message", "late"), {"body": "x"})
