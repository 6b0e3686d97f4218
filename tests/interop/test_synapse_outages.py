"""Our server and a real Synapse lose sight of each other, and find together again."""

from typing import Any

from tests.interop.federating import FederatingTestCase, Person, in_versions, wait_for, wait_to_see
from tests.interop.test_synapse import VERSIONS


class OutageTests(FederatingTestCase):
    @in_versions("10")
    def test_what_was_said_meanwhile_comes_later(
        self, version: str, owner: Person, guest: Person
    ) -> None:
        room = owner.create(version)
        guest.join(room, owner)
        wait_to_see(lambda: owner.membership(room, guest), "join")
        guest.server.stop()
        said = [f"meanwhile {number}" for number in range(30)]
        for body in said:
            owner.say(room, body)
        guest.server.start()
        guest.say(room, "back again")
        for person in (owner, guest):
            wait_to_see(lambda: set(person.heard(room)), {*said, "back again"})  # noqa: B023
        self.assertEqual([body for body in guest.heard(room) if body in said], said)


class PartitionTests(FederatingTestCase):
    def cut(self) -> None:
        for gate in self.gates:
            self.addCleanup(gate.open)
            gate.cut()

    def heal(self) -> None:
        for gate in self.gates:
            gate.open()

    def test_both_sides_come_to_the_same_state(self) -> None:
        shared = []
        for version in VERSIONS:
            for owner, guest in ((self.alice, self.bob), (self.bob, self.alice)):
                room = owner.create(version)
                others = self.newcomers()
                for person in (guest, *others):
                    if person.server is not owner.server or person in others:
                        person.join(room, owner)
                levels = owner.state(room, "m.room.power_levels")
                levels["users"] = levels.get("users", {}) | {guest.id: 90, others[0].id: 50}
                levels["events"]["m.room.power_levels"] = 80
                owner.set(room, "m.room.power_levels", levels)
                wait_to_see(lambda: guest.state(room, "m.room.power_levels"), levels)  # noqa: B023
                wait_to_see(lambda: guest.whole_state(room), owner.whole_state(room))  # noqa: B023
                shared.append((room, owner, guest, others))
        self.cut()
        for room, owner, guest, others in shared:
            self.quarrel(room, owner, guest, others)
        self.heal()
        for room, owner, guest, _ in shared:
            owner.say(room, "over")
            guest.say(room, "here, too")
            for person in (owner, guest):
                wait_for(lambda: {"over", "here, too"} <= set(person.heard(room)))  # noqa: B023
            wait_to_see(lambda: difference(owner, guest, room), {})  # noqa: B023

    def quarrel(self, room: str, owner: Person, guest: Person, others: list[Person]) -> None:
        """Each side changes what the other one changes as well."""
        victim, bystander = others
        owner.set(room, "m.room.topic", {"topic": "ours"})
        owner.set(room, "m.room.name", {"name": "ours"})
        owner.move("ban", room, bystander)
        levels = owner.state(room, "m.room.power_levels")
        levels["users"][guest.id] = 10
        owner.set(room, "m.room.power_levels", levels)
        guest.set(room, "m.room.topic", {"topic": "theirs"})
        guest.move("kick", room, victim)
        levels = guest.state(room, "m.room.power_levels")
        levels["users"][victim.id] = 0
        levels["events_default"] = 1
        levels["users"][bystander.id] = 60
        guest.set(room, "m.room.power_levels", levels)
        guest.set(room, "m.room.name", {"name": "theirs"})


def difference(one: Person, other: Person, room: str) -> dict[tuple[str, str], Any]:
    """The slots of the state that they see with different events."""
    ours, theirs = one.whole_state(room), other.whole_state(room)
    slots = {slot for slot in ours | theirs if ours.get(slot) != theirs.get(slot)}
    return {slot: (one.state(room, *slot), other.state(room, *slot)) for slot in slots}
