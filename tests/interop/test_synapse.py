"""Rooms shared with a real Synapse, over TLS on loopback: who is in them, and what is said."""

from typing import Any

from tests.interop.federating import (
    FederatingTestCase,
    Person,
    in_versions,
    room_path,
    wait_for,
    wait_to_see,
)

VERSIONS = ("1", "6", "10", "12")
KNOCKING = ("7", "10", "12")
RESTRICTED = ("8", "10", "12")


def wait_for_membership(room: str, person: Person, expected: str, *at: Person) -> None:
    """Until all of these see somebody so."""
    for watcher in at:
        wait_to_see(lambda: watcher.membership(room, person), expected)  # noqa: B023 (called here)


class RoomTests(FederatingTestCase):
    @in_versions(*VERSIONS)
    def test_messages_reach_both(self, version: str, owner: Person, guest: Person) -> None:
        room = owner.create(version)
        guest.join(room, owner)
        owner.say(room, "from the owner")
        guest.say(room, "from the guest")
        for person in (owner, guest):
            wait_for(lambda: {"from the owner", "from the guest"} <= set(person.heard(room)))  # noqa: B023

    @in_versions(*VERSIONS)
    def test_state_is_changed_by_both(self, version: str, owner: Person, guest: Person) -> None:
        room = owner.create(version)
        guest.join(room, owner)
        owner.set(room, "m.room.topic", {"topic": "one"})
        wait_to_see(lambda: guest.state(room, "m.room.topic"), {"topic": "one"})
        self.assertEqual(
            guest.refused("PUT", room_path(room, "state", "m.room.topic", ""), {"topic": "no"}),
            (403, "M_FORBIDDEN"),
        )
        levels = owner.state(room, "m.room.power_levels")
        levels["users"] = levels.get("users", {}) | {guest.id: 50}
        owner.set(room, "m.room.power_levels", levels)
        wait_to_see(lambda: guest.state(room, "m.room.power_levels"), levels)
        guest.set(room, "m.room.topic", {"topic": "two"})
        wait_to_see(lambda: owner.state(room, "m.room.topic"), {"topic": "two"})
        wait_to_see(lambda: owner.whole_state(room), guest.whole_state(room))

    @in_versions(*VERSIONS)
    def test_who_goes_or_is_sent_away_may_come_back(
        self, version: str, owner: Person, guest: Person
    ) -> None:
        room = owner.create(version)
        for action, membership in (("leave", "leave"), ("kick", "leave"), ("ban", "ban")):
            guest.join(room, owner)
            wait_for_membership(room, guest, "join", owner)
            if action == "leave":
                guest.move("leave", room)
            else:
                owner.move(action, room, guest)
            wait_for_membership(room, guest, membership, owner)
            wait_for(lambda: room not in guest.ask("GET", "/joined_rooms")["joined_rooms"])
        self.assertEqual(
            guest.refused("POST", f"/join/{room}", {}, via=owner.server.server_name),
            (403, "M_FORBIDDEN"),
        )
        owner.move("unban", room, guest)
        guest.join(room, owner)
        guest.say(room, "again")
        wait_for(lambda: "again" in owner.heard(room))

    @in_versions(*VERSIONS)
    def test_invitations_are_accepted_or_refused(
        self, version: str, owner: Person, guest: Person
    ) -> None:
        room = owner.create(version, preset="private_chat", name="A name")
        self.invite(owner, room, guest)
        guest.move("leave", room)
        wait_for_membership(room, guest, "leave", owner)
        self.invite(owner, room, guest)
        guest.join(room)
        wait_for_membership(room, guest, "join", owner)
        guest.say(room, "thank you")
        wait_for(lambda: "thank you" in owner.heard(room))

    def invite(self, owner: Person, room: str, guest: Person) -> None:
        """Returns when the guest knows of it."""
        owner.move("invite", room, guest)
        invited = wait_for(lambda: invitation(guest.sync(), room))
        self.assertIn("m.room.member", {event["type"] for event in invited})
        names = [e["content"] for e in invited if e["type"] == "m.room.name"]
        self.assertEqual(names, [{"name": "A name"}])

    @in_versions(*VERSIONS)
    def test_an_invitation_is_taken_back(self, version: str, owner: Person, guest: Person) -> None:
        room = owner.create(version, preset="private_chat", name="A name")
        self.invite(owner, room, guest)
        owner.move("kick", room, guest)
        wait_for(lambda: invitation(guest.sync(), room) is None)

    @in_versions(*KNOCKING)
    def test_knocks_are_heard(self, version: str, owner: Person, guest: Person) -> None:
        room = owner.create(version, initial_state=[rule({"join_rule": "knock"})])
        # Synapse (1.163) tells nobody of a knock that is taken back.
        withdrawn = ["withdrawn"] if guest.server is self.ours else []
        for outcome in (*withdrawn, "refused", "accepted"):
            guest.ask("POST", f"/knock/{room}", {}, via=owner.server.server_name)
            wait_for_membership(room, guest, "knock", owner)
            wait_for(lambda: is_knocking(guest.sync(), room))
            if outcome == "withdrawn":
                guest.move("leave", room)
                wait_for_membership(room, guest, "leave", owner)
            elif outcome == "refused":
                owner.move("kick", room, guest)
                # Synapse (1.163) neither tells the guest's server of this, nor hears of it.
                wait_for_membership(room, guest, "leave", owner)
            else:
                owner.move("invite", room, guest)
                wait_for(lambda: invitation(guest.sync(), room))
        guest.join(room)
        wait_for_membership(room, guest, "join", owner)

    @in_versions(*RESTRICTED)
    def test_restricted_rooms_let_members_in(
        self, version: str, owner: Person, guest: Person
    ) -> None:
        club = owner.create(version)
        allow = [{"type": "m.room_membership", "room_id": club}]
        rules = {"join_rule": "restricted", "allow": allow}
        room = owner.create(version, initial_state=[rule(rules)])
        status, _ = guest.refused("POST", f"/join/{room}", {}, via=owner.server.server_name)
        self.assertEqual(status, 403)
        guest.join(club, owner)
        wait_for_membership(club, guest, "join", owner)
        guest.join(room, owner)
        wait_for_membership(room, guest, "join", owner)
        # Now both servers are in the room, but only the owner's users may let others in.
        other = next(p for p in self.newcomers() if p.server is guest.server)
        other.join(club, owner)
        wait_for_membership(club, other, "join", owner)
        other.join(room, owner)
        wait_for_membership(room, other, "join", owner, guest)

    @in_versions(*VERSIONS)
    def test_redactions_hold_on_both(self, version: str, owner: Person, guest: Person) -> None:
        room = owner.create(version)
        guest.join(room, owner)
        for sender, watcher in ((owner, guest), (guest, owner)):
            event_id = sender.say(room, "a secret")
            wait_for(lambda: watcher.event(room, event_id))  # noqa: B023
            owner.ask("PUT", room_path(room, "redact", event_id, event_id[-9:]), {"reason": "x"})
            for person in (owner, guest):
                wait_to_see(lambda: person.event(room, event_id)["content"], {})  # noqa: B023

    @in_versions("1", "10", "12")
    def test_events_about_events(self, version: str, owner: Person, guest: Person) -> None:
        room = owner.create(version)
        guest.join(room, owner)
        root = owner.say(room, "a thought")
        wait_for(lambda: guest.event(room, root))
        about: dict[str, Any] = {"event_id": root}
        guest.say(room, "reply", **{"m.relates_to": about | {"rel_type": "m.thread"}})
        reaction = {"m.relates_to": about | {"rel_type": "m.annotation", "key": "+"}}
        guest.send(room, "m.reaction", reaction)
        new = {"msgtype": "m.text", "body": "a better thought"}
        edit = about | {"rel_type": "m.replace"}
        owner.say(room, "* a better thought", **{"m.new_content": new, "m.relates_to": edit})
        for person in (owner, guest):
            path = f"/_matrix/client/v1/rooms/{room}/relations/{root}"
            wait_for(lambda: len(person.ask("GET", path)["chunk"]) == 3)  # noqa: B023
            bundled = person.event(room, root)["unsigned"]["m.relations"]
            self.assertEqual(bundled["m.thread"]["count"], 1)
            self.assertIn("m.replace", bundled)


def rule(content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "m.room.join_rules", "state_key": "", "content": content}


def is_knocking(answer: Any, room: str) -> bool:
    return room in answer.get("rooms", {}).get("knock", {})


def invitation(answer: Any, room: str) -> Any:
    """What a sync shows of the room that the user is invited to."""
    invited = answer.get("rooms", {}).get("invite", {})
    return invited[room]["invite_state"]["events"] if room in invited else None
