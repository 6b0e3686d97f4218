"""The requester's account, and user-interactive authentication."""

from typing import Any

from synapse.storage.stores.users import Deactivation
from tests.http.client import Answer
from tests.rest.base import PASSWORD, RestTestCase
from tests.rest.hostile import assert_survives
from tests.rest.rooms import RoomTestCase

CHANGE = "/_matrix/client/v3/account/password"
DEACTIVATE = "/_matrix/client/v3/account/deactivate"


def password_stage(user: str = "alice", password: str = PASSWORD, **more: Any) -> dict[str, Any]:
    identifier = {"type": "m.id.user", "user": user}
    return {"type": "m.login.password", "identifier": identifier, "password": password, **more}


class PasswordTests(RestTestCase):
    async def change(self, token: str, **body: Any) -> Answer:
        return await self.fetch("POST", CHANGE, {"new_password": "new one", **body}, token=token)

    async def test_the_old_password_is_asked_for(self) -> None:
        token = await self.register("alice")
        asked = await self.change(token)
        self.assertEqual(asked.status, 401)
        self.assertEqual(asked.json["flows"], [{"stages": ["m.login.password"]}])
        auth = password_stage(session=asked.json["session"])
        self.assertEqual((await self.change(token, auth=auth)).json, {})
        self.assertEqual((await self.login("alice")).status, 403)
        self.assertEqual((await self.login("alice", "new one")).status, 200)

    async def test_wrong_password_may_be_tried_again(self) -> None:
        token = await self.register("alice")
        session = (await self.change(token)).json["session"]
        wrong = await self.change(token, auth=password_stage(password="no", session=session))
        self.assertEqual((wrong.status, wrong.json["errcode"]), (401, "M_FORBIDDEN"))
        self.assertEqual(wrong.json["session"], session)
        right = await self.change(token, auth=password_stage(session=session))
        self.assertEqual(right.status, 200)

    async def test_password_of_somebody_else_does_not_do(self) -> None:
        token = await self.register("alice")
        await self.register("bob")
        answer = await self.change(token, auth=password_stage("bob"))
        self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_FORBIDDEN"))
        self.assertEqual((await self.login("alice")).status, 200)

    async def test_other_stages_do_not_do(self) -> None:
        token = await self.register("alice")
        for stage in ("m.login.dummy", "m.login.nonsense"):
            answer = await self.change(token, auth={"type": stage})
            self.assertEqual((answer.status, answer.json["errcode"]), (401, "M_FORBIDDEN"))

    async def test_other_devices_are_logged_out_unless_kept(self) -> None:
        token = await self.register("alice")
        other = (await self.login("alice")).json["access_token"]
        await self.change(token, auth=password_stage(), logout_devices=False)
        self.assertEqual((await self.whoami(other)).status, 200)
        await self.change(token, auth=password_stage(password="new one"))
        self.assertEqual((await self.whoami(other)).status, 401)
        self.assertEqual((await self.whoami(token)).status, 200)

    async def test_grace_period_after_logging_in(self) -> None:
        self.reconfigure(ui_auth={"session_timeout_ms": 60_000})
        token = await self.register("alice")
        self.assertEqual((await self.change(token)).status, 200)
        self.advance(61)
        self.assertEqual((await self.change(token)).status, 401)
        await self.change(token, auth=password_stage(password="new one"))
        self.advance(59)
        self.assertEqual((await self.change(token)).status, 200)

    async def test_hostile_bodies(self) -> None:
        token = await self.register("alice")
        good = {"new_password": "new one", "logout_devices": False, "auth": password_stage()}
        await assert_survives(self, "POST", CHANGE, good, token=token)


class DeactivateTests(RoomTestCase):
    async def deactivate(self, token: str, **body: Any) -> Answer:
        return await self.fetch("POST", DEACTIVATE, body, token=token)

    async def test_account_is_closed_for_good(self) -> None:
        token = await self.register("alice")
        self.assertEqual((await self.deactivate(token)).status, 401)
        answer = await self.deactivate(token, auth=password_stage())
        self.assertEqual(answer.json, {"id_server_unbind_result": "success"})
        self.assertEqual((await self.whoami(token)).status, 401)
        login = await self.login("alice")
        self.assertEqual((login.status, login.json["errcode"]), (403, "M_USER_DEACTIVATED"))

    async def test_name_is_not_given_out_again(self) -> None:
        token = await self.register("alice")
        await self.deactivate(token, auth=password_stage())
        answer = await self.fetch(
            "POST", "/_matrix/client/v3/register", {"username": "alice", "password": "x"}
        )
        self.assertEqual(answer.json["errcode"], "M_USER_IN_USE")

    async def test_interrupted_leaving_goes_on_at_the_next_start(self) -> None:
        alice, bob = await self.register("alice"), await self.register("bob")
        room_id = await self.create_public(bob)
        await self.join(alice, room_id)
        user = await self.server.stores.users.user("@alice:test")
        assert user is not None
        # The process dies between that and the leaving.
        await self.server.stores.users.deactivate(Deactivation(user.user_nid, erase=False))
        self.start(self.config)
        await self.server.users.accounts.resume()
        await self.finish_background()
        self.assertEqual(await self.membership(bob, room_id, "@alice:test"), "leave")
        self.assertEqual(await self.server.stores.users.unfinished_deactivations(), [])

    async def test_erasing_takes_the_profile_away(self) -> None:
        for erase, left in ((False, {"displayname": "bob"}), (True, {})):
            name = "alice" if erase else "bob"
            token = await self.register(name)
            await self.deactivate(token, auth=password_stage(name), erase=erase)
            self.assertEqual(await self.server.stores.profiles.profile(f"@{name}:test"), left)

    async def test_hostile_bodies(self) -> None:
        token = await self.register("alice")
        good = {"erase": True, "id_server": "example.com", "auth": {"type": "m.login.dummy"}}
        await assert_survives(self, "POST", DEACTIVATE, good, token=token, may_be_empty=True)


class WhoAmITests(RestTestCase):
    async def test_tokens_that_are_none(self) -> None:
        path = "/_matrix/client/v3/account/whoami"
        await self.register("alice")
        for header in ("Bearer nonsense", "Bearer \xff\xfe", "bearer x" + "y" * 5000, "Bearer a b"):
            answer = await self.site.fetch("GET", path, headers={"Authorization": header})
            self.assertEqual((answer.status, answer.json["errcode"]), (401, "M_UNKNOWN_TOKEN"))
        for header in ("Bearer ", "Bearer", "Basic abc", ""):
            answer = await self.site.fetch("GET", path, headers={"Authorization": header})
            self.assertEqual((answer.status, answer.json["errcode"]), (401, "M_MISSING_TOKEN"))

    async def test_token_in_the_query(self) -> None:
        token = await self.register("alice")
        answer = await self.fetch("GET", f"/_matrix/client/v3/account/whoami?access_token={token}")
        self.assertEqual(answer.json["user_id"], "@alice:test")
