"""Rooms on three servers: two of ours, and a real Synapse between them."""

import atexit
import shutil
import time
from functools import cache

from tests.interop.federating import (
    FederatingTestCase,
    Person,
    federate,
    running_pair,
    wait_for,
    wait_to_see,
)
from tests.interop.gate import Gate
from tests.interop.server import ServerProcess, free_port, temporary_directory
from tests.interop.test_synapse import VERSIONS


class ThreeServersTests(FederatingTestCase):
    """alice is on ours, bob on theirs, carol on the third, which is ours as well."""

    def setUp(self) -> None:
        super().setUp()
        self.third, self.third_gate = third_server()
        self.carol = Person(self.third, f"carol{time.time_ns()}")
        self.people = (self.alice, self.bob, self.carol)

    def meet(self, version: str) -> str:
        """A room of bob's, to which alice comes through him, and carol through alice."""
        room = self.bob.create(version)
        self.alice.join(room, self.bob)
        self.carol.join(room, self.alice)
        for person in self.people:
            wait_to_see(lambda: person.membership(room, self.carol), "join")  # noqa: B023
        return room

    def wait_until_alike(self, room: str, *bodies: str) -> None:
        """Until all have the same state, and have heard all of these."""
        for person in self.people:
            wait_for(lambda: set(bodies) <= set(person.heard(room)))  # noqa: B023
        for person in (self.bob, self.carol):
            wait_to_see(
                lambda: person.whole_state(room),  # noqa: B023
                self.alice.whole_state(room),
            )

    def test_everybody_hears_everybody(self) -> None:
        for version in VERSIONS:
            room = self.meet(version)
            for person in self.people:
                person.say(room, f"{person.id} is here")
            self.bob.set(room, "m.room.topic", {"topic": version})
            self.wait_until_alike(room, *(f"{person.id} is here" for person in self.people))
            self.alice.move("leave", room)
            # Who led carol in is gone, which keeps the other two apart from nobody.
            for person in (self.bob, self.carol):
                wait_to_see(lambda: person.membership(room, self.alice), "leave")  # noqa: B023
            self.carol.say(room, "still there?")
            wait_for(lambda: "still there?" in self.bob.heard(room))  # noqa: B023

    def test_one_is_cut_off_while_all_change_the_same(self) -> None:
        rooms = [self.meet(version) for version in VERSIONS]
        for room in rooms:
            levels = self.bob.state(room, "m.room.power_levels")
            powers = {self.alice.id: 60, self.carol.id: 60}
            levels["users"] = levels.get("users", {}) | powers
            self.bob.set(room, "m.room.power_levels", levels)
            for person in self.people:
                wait_to_see(lambda: person.state(room, "m.room.power_levels"), levels)  # noqa: B023
        self.third_gate.cut()
        self.addCleanup(self.third_gate.open)
        for room in rooms:
            for person in self.people:
                person.set(room, "m.room.topic", {"topic": person.id})
                person.set(room, "m.room.name", {"name": person.id})
                person.say(room, f"{person.id} while it is cut off")
            self.alice.set(room, "m.room.topic", {"topic": "alice again"})
        self.third_gate.open()
        for room in rooms:
            for person in self.people:
                person.say(room, f"{person.id} after all")
        for room in rooms:
            said = [f"{person.id} while it is cut off" for person in self.people]
            self.wait_until_alike(
                room, *said, *(f"{person.id} after all" for person in self.people)
            )

    def test_one_is_killed_and_comes_back(self) -> None:
        room = self.meet("10")
        self.third.kill()
        for number in range(20):
            self.alice.say(room, f"alice {number}")
            self.bob.say(room, f"bob {number}")
        self.bob.set(room, "m.room.topic", {"topic": "while it was down"})
        self.third.start()
        self.carol.say(room, "back again")
        said = [f"{name} {number}" for name in ("alice", "bob") for number in range(20)]
        self.wait_until_alike(room, *said, "back again")


@cache
def third_server() -> tuple[ServerProcess, Gate]:
    """One more of ours, and its gate. It ends with the process."""
    pair = running_pair()
    directory = temporary_directory()
    atexit.register(shutil.rmtree, directory)
    port = free_port()
    server = ServerProcess(directory, server_name=f"localhost:{port}")
    gate = Gate(port, federate(server, pair.certificate, pair.key))
    atexit.register(gate.close)
    atexit.register(server.kill)
    gate.open()
    server.start()
    return server, gate
