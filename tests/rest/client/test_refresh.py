"""Refreshing access tokens, and tokens that expire."""

from typing import Any

from tests.http.client import Answer
from tests.rest.base import RestTestCase
from tests.rest.hostile import assert_survives

REFRESH = "/_matrix/client/v3/refresh"


class RefreshTests(RestTestCase):
    async def refresh(self, session: dict[str, Any]) -> Answer:
        body = {"refresh_token": session["refresh_token"]}
        return await self.fetch("POST", REFRESH, body)

    async def test_clients_that_do_not_ask_get_a_lasting_token(self) -> None:
        session = await self.registered("alice")
        self.assertNotIn("refresh_token", session)
        self.assertNotIn("expires_in_ms", session)
        self.advance(10 * 365 * 24 * 3600)
        self.assertEqual((await self.whoami(session["access_token"])).status, 200)

    async def test_expired_token_is_a_soft_logout_and_can_be_refreshed(self) -> None:
        first = await self.registered("alice", refresh_token=True)
        self.assertEqual(first["expires_in_ms"], 5 * 60 * 1000)
        self.assertRegex(first["refresh_token"], r"^syr_YWxpY2U_[A-Za-z]{20}_[0-9A-Za-z]{6}$")
        self.advance(5 * 60)
        expired = await self.whoami(first["access_token"])
        self.assertEqual((expired.status, expired.json["errcode"]), (401, "M_UNKNOWN_TOKEN"))
        self.assertTrue(expired.json["soft_logout"])
        second = (await self.refresh(first)).json
        whoami = await self.whoami(second["access_token"])
        self.assertEqual(whoami.json["device_id"], first["device_id"])

    async def test_first_use_of_the_new_token_ends_the_old_ones(self) -> None:
        first = await self.registered("alice", refresh_token=True)
        second = (await self.refresh(first)).json
        self.assertEqual((await self.whoami(first["access_token"])).status, 200)
        self.assertEqual((await self.whoami(second["access_token"])).status, 200)
        self.assertEqual((await self.whoami(first["access_token"])).status, 401)
        refused = await self.refresh(first)
        self.assertEqual((refused.status, refused.json["errcode"]), (401, "M_UNKNOWN_TOKEN"))

    async def test_refreshing_the_new_token_ends_the_old_ones(self) -> None:
        first = await self.registered("alice", refresh_token=True)
        second = (await self.refresh(first)).json
        third = (await self.refresh(second)).json
        self.assertEqual((await self.whoami(first["access_token"])).status, 401)
        self.assertEqual((await self.refresh(first)).status, 401)
        self.assertEqual((await self.whoami(third["access_token"])).status, 200)
        self.assertEqual((await self.refresh(second)).status, 401)

    async def test_client_that_lost_the_answer_can_ask_again(self) -> None:
        first = await self.registered("alice", refresh_token=True)
        lost = (await self.refresh(first)).json
        second = (await self.refresh(first)).json
        self.assertEqual((await self.whoami(lost["access_token"])).status, 401)
        self.assertEqual((await self.refresh(lost)).status, 401)
        self.assertEqual((await self.whoami(second["access_token"])).status, 200)

    async def test_refresh_token_and_session_have_lifetimes(self) -> None:
        self.reconfigure(
            registration={
                "refresh_token_lifetime_ms": 600_000,
                "session_lifetime_ms": 1_500_000,
                "refreshable_access_token_lifetime_ms": 400_000,
            }
        )
        session = await self.registered("alice", refresh_token=True)
        for _ in range(2):
            self.advance(599)
            session = (await self.refresh(session)).json
        self.assertEqual(session["expires_in_ms"], 302_000)  # what is left of the session
        self.advance(303)
        refused = await self.refresh(session)
        self.assertEqual((refused.status, refused.json["soft_logout"]), (401, True))

    async def test_logging_out_ends_the_refresh_token(self) -> None:
        session = await self.registered("alice", refresh_token=True)
        await self.fetch("POST", "/_matrix/client/v3/logout", {}, token=session["access_token"])
        self.assertEqual((await self.refresh(session)).status, 401)

    async def test_lifetime_of_tokens_that_cannot_be_refreshed(self) -> None:
        self.reconfigure(registration={"nonrefreshable_access_token_lifetime_ms": 60_000})
        session = await self.registered("alice")
        self.assertEqual(session["expires_in_ms"], 60_000)
        self.advance(60)
        self.assertTrue((await self.whoami(session["access_token"])).json["soft_logout"])
        again = await self.login("alice", device_id=session["device_id"])
        self.assertEqual((await self.whoami(again.json["access_token"])).status, 200)

    async def test_hostile_bodies(self) -> None:
        session = await self.registered("alice", refresh_token=True)
        await assert_survives(self, "POST", REFRESH, {"refresh_token": session["refresh_token"]})


class LockTests(RestTestCase):
    async def test_locked_account_can_only_log_out(self) -> None:
        session = await self.registered("alice", refresh_token=True)
        await self.database.write(
            lambda txn, items: [txn.execute("UPDATE users SET locked = 1")], None
        )
        user = await self.server.stores.users.user("@alice:test")
        assert user is not None
        self.server.access.auth.forget(user.user_nid)
        body = {"refresh_token": session["refresh_token"]}
        for answer in (
            await self.whoami(session["access_token"]),
            await self.login("alice"),
            await self.fetch("POST", REFRESH, body),
        ):
            self.assertEqual((answer.status, answer.json["errcode"]), (401, "M_USER_LOCKED"))
            self.assertTrue(answer.json["soft_logout"])
        token = session["access_token"]
        logout = await self.fetch("POST", "/_matrix/client/v3/logout", {}, token=token)
        self.assertEqual(logout.status, 200)
