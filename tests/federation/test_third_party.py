"""Invitations of e-mail addresses, between servers."""

from typing import Any

from synapse.crypto.signing import SigningKey, sign_json
from synapse.federation.errors import RemoteError
from tests.federation.rooms import ONE, THREE, TWO, V3, SharedRoomTestCase, path
from tests.http.client import Answer

KEY = SigningKey("0", b"k" * 32)
V1 = "/_matrix/federation/v1"
VERSIONS = ("1", "6", "12")


class ThirdPartyTests(SharedRoomTestCase):
    """Alice has invited an address, and the identity server says that it is Bob's."""

    async def invited(self, version: str = "12") -> str:
        room_id = await self.create(preset="private_chat", room_version=version)
        key = KEY.verify_key.base64
        await self.ask(
            "alice",
            "PUT",
            path(room_id, "/state/m.room.third_party_invite/token"),
            {"display_name": "b…", "public_key": key, "public_keys": [{"public_key": key}]},
        )
        return room_id

    def signed(self, user_id: str, **more: Any) -> dict[str, Any]:
        return sign_json({"mxid": user_id, "token": "token", **more}, "id.test", KEY)

    async def bound(self, room_id: str, method: str = "PUT", /, **changes: Any) -> Answer:
        """What Bob's server answers the identity server."""
        bob = self.user("bob")
        invite = {
            "medium": "email",
            "address": "bob@example.org",
            "mxid": bob,
            "room_id": room_id,
            "sender": self.user("alice"),
            "signed": self.signed(bob),
            **changes,
        }
        body = {**invite, "invites": [invite]}
        return await self.fetch(TWO, method, f"{V1}/3pid/onbind", body)

    async def test_the_inviters_server_invites(self) -> None:
        await self.arrange()
        for version in VERSIONS:
            for method in ("PUT", "POST"):
                with self.subTest(version=version, method=method):
                    room_id = await self.invited(version)
                    self.assertEqual((await self.bound(room_id, method)).json, {})
                    sync = await self.ask("bob", "GET", f"{V3}/sync")
                    self.assertIn(room_id, sync["rooms"]["invite"])
                    await self.join("bob", room_id)
                    self.assertEqual(
                        await self.state_ids(ONE, room_id), await self.state_ids(TWO, room_id)
                    )

    async def test_a_server_in_the_room_needs_nobody(self) -> None:
        await self.arrange()
        self.homes["dave"] = TWO
        self.tokens["dave"] = await self.register(TWO, "dave")
        for version in VERSIONS:
            with self.subTest(version=version):
                room_id = await self.invited(version)
                await self.ask(
                    "alice", "POST", path(room_id, "/invite"), {"user_id": self.user("dave")}
                )
                await self.join("dave", room_id)
                self.network.log.clear()
                await self.bound(room_id)
                self.assertEqual(self.requests("exchange"), [])
                slot = ("m.room.member", self.user("bob"))
                invite = (await self.state_ids(TWO, room_id))[slot]
                await self.carry(TWO, ONE, invite)
                self.assertEqual((await self.state_ids(ONE, room_id))[slot], invite)

    async def test_joining_with_the_proof(self) -> None:
        await self.arrange()
        room_id = await self.invited()
        signed = self.signed(self.user("bob"), sender=self.user("alice"))
        url = f"{V3}/join/{room_id}?via={ONE}"
        await self.ask("bob", "POST", url, {"third_party_signed": signed})
        self.assertEqual(await self.membership(ONE, room_id, self.user("bob")), "join")

    async def test_what_is_no_proof(self) -> None:
        await self.arrange()
        room_id = await self.invited()
        alice, bob = self.user("alice"), self.user("bob")
        for name, changes in (
            ("another user's", {"signed": self.signed(alice)}),
            ("another token's", {"signed": {**self.signed(bob), "token": "x"}}),
            ("nobody's", {"signed": {**self.signed(bob), "signatures": {}}}),
            ("of another sender", {"sender": "@mallory:one.test"}),
            ("of a sender nowhere", {"sender": "@mallory:nowhere.test"}),
            ("of our own", {"sender": bob}),
            ("of no user", {"sender": "x"}),
            ("in no room", {"room_id": "x"}),
        ):
            with self.subTest(name=name):
                self.assertEqual((await self.bound(room_id, **changes)).json, {})
                self.assertIsNone(await self.membership(ONE, room_id, bob))

    async def test_what_cannot_be_bound(self) -> None:
        await self.arrange()
        room_id = await self.invited()
        url = f"{V1}/3pid/onbind"
        for body, status in (
            ({"mxid": self.user("alice"), "invites": []}, 404),
            ({"mxid": "@nobody:two.test", "invites": []}, 404),
            ({"mxid": self.user("bob"), "invites": [{}] * 21}, 400),
            ({"mxid": self.user("bob"), "invites": [{}]}, 400),
            ({"mxid": self.user("bob"), "invites": {}}, 400),
            ({}, 400),
        ):
            self.assertEqual((await self.fetch(TWO, "PUT", url, body)).status, status)
        self.assertIsNone(await self.membership(ONE, room_id, self.user("bob")))

    async def test_what_is_not_exchanged(self) -> None:
        await self.arrange(ONE, TWO, THREE)
        room_id = await self.invited("10")
        bob = self.user("bob")
        good: dict[str, Any] = {
            "type": "m.room.member",
            "room_id": room_id,
            "sender": self.user("alice"),
            "state_key": bob,
            "content": {
                "membership": "invite",
                "third_party_invite": {"display_name": "x", "signed": self.signed(bob)},
            },
        }
        for changes, expected in (
            ({"room_id": "!x:one.test"}, 400),
            ({"type": "m.room.topic"}, 400),
            ({"state_key": self.user("carol")}, 403),
            ({"sender": "@mallory:one.test"}, 403),
            ({"content": {"membership": "invite"}}, 400),
            ({"content": {**good["content"], "membership": "ban"}}, 400),
        ):
            with self.subTest(changes=changes):
                status = await self.exchange(room_id, {**good, **changes})
                self.assertEqual(status, expected)
        self.assertEqual(
            await self.exchange("!x:one.test", {**good, "room_id": "!x:one.test"}), 404
        )

    async def exchange(self, room_id: str, body: Any) -> int:
        url = f"{V1}/exchange_third_party_invite/{room_id}"
        try:
            await self.network.links[TWO].request(ONE, "PUT", url, json=body)
        except RemoteError as error:
            return error.status
        return 200
