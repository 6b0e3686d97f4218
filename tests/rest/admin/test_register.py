"""Registration with the shared secret."""

import hashlib
import hmac
from typing import Any

from tests.http.client import Answer
from tests.rest.base import RestTestCase
from tests.rest.hostile import assert_survives

REGISTER = "/_synapse/admin/v1/register"


class SharedSecretTests(RestTestCase):
    async def nonce(self) -> str:
        return str((await self.fetch("GET", REGISTER)).json["nonce"])

    async def signed(self, secret: str = "shared", **body: Any) -> dict[str, Any]:
        body = {"nonce": await self.nonce(), "username": "alice", "password": "pw", **body}
        parts = [body["nonce"], body["username"], body["password"]]
        parts.append("admin" if body.get("admin") else "notadmin")
        if "user_type" in body:
            parts.append(body["user_type"])
        mac = hmac.new(secret.encode(), "\0".join(parts).encode(), hashlib.sha1)
        return {**body, "mac": mac.hexdigest()}

    async def post(self, body: dict[str, Any]) -> Answer:
        return await self.fetch("POST", REGISTER, body)

    async def test_account_is_made_even_when_registration_is_closed(self) -> None:
        self.reconfigure(registration={"enable_registration": False})
        answer = await self.post(await self.signed(admin=True, displayname="Alice L."))
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json["user_id"], "@alice:test")
        self.assertEqual((await self.whoami(answer.json["access_token"])).status, 200)
        user = await self.server.stores.users.user("@alice:test")
        assert user is not None
        self.assertTrue(user.is_admin)
        profile = await self.server.stores.profiles.profile("@alice:test")
        self.assertEqual(profile, {"displayname": "Alice L."})
        self.assertEqual((await self.login("alice", "pw")).status, 200)

    async def test_user_types(self) -> None:
        self.assertEqual((await self.post(await self.signed(user_type="bot"))).status, 200)
        answer = await self.post(await self.signed(username="bob", user_type="king"))
        self.assertEqual((answer.status, answer.json["errcode"]), (400, "M_INVALID_PARAM"))

    async def test_taken_name(self) -> None:
        await self.post(await self.signed())
        answer = await self.post(await self.signed())
        self.assertEqual((answer.status, answer.json["errcode"]), (400, "M_USER_IN_USE"))

    async def test_wrong_hmac(self) -> None:
        for body in (
            await self.signed("another secret"),
            {**await self.signed(), "admin": True},
            {**await self.signed(), "mac": "é"},
        ):
            answer = await self.post(body)
            self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_UNKNOWN"))

    async def test_nonces_that_are_not_ours_or_too_old(self) -> None:
        old = await self.signed()
        self.advance(60)
        for body in (old, await self.signed(nonce="abc"), await self.signed(nonce="0" * 128)):
            answer = await self.post(body)
            self.assertEqual((answer.status, answer.json["errcode"]), (400, "M_UNKNOWN"))

    async def test_without_a_secret(self) -> None:
        body = await self.signed()
        self.reconfigure(registration={"registration_shared_secret": None})
        for answer in (await self.fetch("GET", REGISTER), await self.post(body)):
            self.assertEqual(answer.status, 400)
            self.assertIn("not enabled", answer.json["error"])

    async def test_hostile_bodies(self) -> None:
        await assert_survives(
            self, "POST", REGISTER, await self.signed(admin=True, displayname="A", user_type="bot")
        )
        for username in ("", "a\0b", "\u202e", "x" * 300, "A B"):
            answer = await self.post(await self.signed(username=username))
            self.assertEqual(answer.status, 400, username)
