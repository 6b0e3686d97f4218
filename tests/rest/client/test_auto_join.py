"""The rooms that new accounts find themselves in."""

from tests.rest.rooms import V3, RoomTestCase


class AutoJoinTests(RoomTestCase):
    async def rooms_of_new(self, name: str) -> list[str]:
        token = await self.register(name)
        await self.finish_background()
        answer = await self.ok("GET", f"{V3}/joined_rooms", token=token)
        return list(answer["joined_rooms"])

    async def test_the_first_user_makes_the_room(self) -> None:
        self.reconfigure(registration={"auto_join_rooms": ("#lobby:test",)})
        first = await self.rooms_of_new("alice")
        self.assertEqual(len(first), 1)
        self.assertEqual(await self.rooms_of_new("bob"), first)
        found = await self.ok("GET", f"{V3}/directory/room/%23lobby:test", token=None)
        self.assertEqual(found["room_id"], first[0])

    async def test_rooms_are_not_made_unless_wanted(self) -> None:
        self.reconfigure(
            registration={
                "auto_join_rooms": ("#lobby:test",),
                "autocreate_auto_join_rooms": False,
            }
        )
        self.assertEqual(await self.rooms_of_new("alice"), [])

    async def test_a_host_invites_into_a_private_room(self) -> None:
        await self.register("host")
        self.reconfigure(
            registration={
                "auto_join_rooms": ("#lobby:test",),
                "auto_join_mxid_localpart": "host",
                "autocreate_auto_join_room_preset": "private_chat",
            }
        )
        self.assertEqual(len(await self.rooms_of_new("alice")), 1)

    async def test_guests_as_configured(self) -> None:
        for wanted in (True, False):
            self.reconfigure(
                registration={
                    "auto_join_rooms": ("#lobby:test",),
                    "auto_join_rooms_for_guests": wanted,
                }
            )
            await self.rooms_of_new(f"alice{wanted}".lower())
            _, guest = await self.guest()
            await self.finish_background()
            answer = await self.ok("GET", f"{V3}/joined_rooms", token=guest)
            # A room that does not admit guests takes none in, whatever is configured.
            self.assertEqual(answer["joined_rooms"], [])
