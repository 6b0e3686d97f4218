"""A room of a real Synapse with some dozens of members, which come after the room itself."""

from tests.interop.federating import FederatingTestCase, Person, room_path, wait_for, wait_to_see

_CROWD = 24


class MembersAfterwardsTests(FederatingTestCase):
    def test_a_room_is_in_use_at_once_and_whole_soon(self) -> None:
        room = self.bob.create("10", name="Crowded")
        crowd = [Person(self.theirs, f"crowd{number}") for number in range(_CROWD)]
        for person in crowd:
            person.join(room)
        self.alice.join(room, self.bob)
        self.bob.say(room, "welcome")
        self.alice.say(room, "hello")
        crowd[0].say(room, "one of many")
        said = {"welcome", "hello", "one of many"}
        for person in (self.alice, self.bob):
            wait_for(lambda: said <= set(person.heard(room)))  # noqa: B023
        joined = self.alice.ask("GET", room_path(room, "joined_members"))["joined"]
        self.assertEqual(set(joined), {self.alice.id, self.bob.id, *(p.id for p in crowd)})
        wait_to_see(lambda: self.alice.whole_state(room), self.bob.whole_state(room))
        self.assertIn(f"The room {room} is whole", self.ours.output())
