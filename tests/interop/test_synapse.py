"""Rooms shared with a real Synapse, over TLS on loopback."""

from tests.interop.federating import FederatingTestCase, wait_for

VERSIONS = ("1", "6", "10", "12")


class RoomTests(FederatingTestCase):
    def test_messages_reach_both_servers(self) -> None:
        for version in VERSIONS:
            for owner, guest in self.both_ways():
                room = owner.create(version)
                guest.join(room, owner)
                owner.say(room, "from the owner")
                guest.say(room, "from the guest")
                for person in (owner, guest):
                    said = {"from the owner", "from the guest"}
                    wait_for(
                        f"{person.id} hears both in {version}",
                        lambda p=person, r=room: said <= set(p.heard(r)),
                    )
