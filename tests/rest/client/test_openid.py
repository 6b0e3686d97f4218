"""Client API: OpenID tokens."""

from synapse.handlers.token_format import token_hash
from synapse.storage.transaction import Transaction
from tests.rest.rooms import V3, RoomTestCase


class OpenIdTests(RoomTestCase):
    path = f"{V3}/user/@alice:test/openid/request_token"

    async def token(self) -> str:
        self.alice = await self.register("alice")
        answer = await self.ok("POST", self.path, {}, token=self.alice)
        self.assertEqual(
            {key: value for key, value in answer.items() if key != "access_token"},
            {"token_type": "Bearer", "matrix_server_name": "test", "expires_in": 3600},
        )
        return str(answer["access_token"])

    async def user_of(self, token: str) -> str | None:
        return await self.server.stores.openid.user_of(token_hash(token), self.clock.now_ms())

    async def test_proves_who_the_user_is_for_an_hour(self) -> None:
        token = await self.token()
        self.assertEqual(await self.user_of(token), "@alice:test")
        self.assertIsNone(await self.user_of(token + "x"))
        self.advance(3599)
        self.assertEqual(await self.user_of(token), "@alice:test")
        self.advance(1)
        self.assertIsNone(await self.user_of(token))

    async def test_opens_no_session_and_is_not_kept_as_it_is(self) -> None:
        token = await self.token()
        self.assertEqual((await self.whoami(token)).status, 401)
        rows = await self.database.fetch("SELECT token_hash FROM openid_tokens")
        self.assertEqual([bytes(hashed) for (hashed,) in rows], [token_hash(token)])

    async def test_expired_ones_are_forgotten(self) -> None:
        token = await self.token()
        await self.server.stores.openid.forget_expired(self.clock.now_ms())
        self.assertEqual(await self.user_of(token), "@alice:test")
        self.advance(3600)
        await self.server.stores.openid.forget_expired(self.clock.now_ms())
        self.assertEqual(await self.database.fetch("SELECT * FROM openid_tokens"), [])

    async def test_a_locked_or_deactivated_account_proves_nothing(self) -> None:
        token = await self.token()
        for column in ("locked", "deactivated"):
            await self.set_flag(column, 1)
            self.assertIsNone(await self.user_of(token), column)
            await self.set_flag(column, 0)
        self.assertEqual(await self.user_of(token), "@alice:test")

    async def set_flag(self, column: str, value: int) -> None:
        def update(txn: Transaction, values: list[int]) -> None:
            txn.execute(f"UPDATE users SET {column} = ?", values[-1])

        await self.database.write(update, value)

    async def test_only_for_oneself(self) -> None:
        bob = await self.register("bob")
        await self.refused(403, "M_FORBIDDEN", "POST", self.path, {}, token=bob)
        user_id, guest = await self.guest()
        path = f"{V3}/user/{user_id}/openid/request_token"
        await self.refused(403, "M_GUEST_ACCESS_FORBIDDEN", "POST", path, {}, token=guest)
