"""Account registration."""

from twisted.internet.defer import Deferred, gatherResults

from synapse.config.ratelimiting import RateLimit
from tests.rest.base import PASSWORD, RestTestCase
from tests.rest.hostile import assert_survives

REGISTER = "/_matrix/client/v3/register"
DUMMY = {"type": "m.login.dummy"}


class RegisterTests(RestTestCase):
    async def test_client_is_asked_to_authenticate_first(self) -> None:
        for body in ({}, {"username": "alice", "password": PASSWORD}):
            answer = await self.fetch("POST", REGISTER, body)
            self.assertEqual(answer.status, 401)
            self.assertEqual(answer.json["flows"], [{"stages": ["m.login.dummy"]}])
            self.assertEqual(answer.json["params"], {})
            self.assertNotIn("errcode", answer.json)
            self.assertNotIn("completed", answer.json)
            self.assertTrue(answer.json["session"])

    async def test_registering_logs_in(self) -> None:
        body = {"username": "alice", "password": PASSWORD, "device_id": "PHONE"}
        session = (await self.fetch("POST", REGISTER, body)).json["session"]
        answer = await self.fetch("POST", REGISTER, {**body, "auth": {**DUMMY, "session": session}})
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json["user_id"], "@alice:test")
        self.assertEqual(answer.json["home_server"], "test")
        whoami = await self.whoami(answer.json["access_token"])
        self.assertEqual(
            whoami.json, {"user_id": "@alice:test", "device_id": "PHONE", "is_guest": False}
        )
        self.assertEqual((await self.server.stores.users.user("@alice:test")) is not None, True)
        self.assertEqual(
            await self.server.stores.profiles.profile("@alice:test"), {"displayname": "alice"}
        )

    async def test_repeated_request_finds_its_account(self) -> None:
        body = {
            "username": "alice",
            "password": PASSWORD,
            "auth": {**DUMMY, "session": "abcdefghijklmnop"},
        }
        first = await self.fetch("POST", REGISTER, body)
        again = await self.fetch("POST", REGISTER, body)
        self.assertEqual((again.status, again.json["user_id"]), (200, "@alice:test"))
        self.assertNotEqual(again.json["access_token"], first.json["access_token"])

    async def test_a_finished_session_registers_nobody_else(self) -> None:
        auth = {**DUMMY, "session": "abcdefghijklmnop"}
        await self.registered("alice", auth=auth)
        body = {"username": "bob", "password": PASSWORD, "auth": auth}
        self.assertEqual((await self.fetch("POST", REGISTER, body)).status, 403)

    async def test_of_two_who_want_a_name_one_gets_it(self) -> None:
        bodies = [
            {"username": "alice", "password": password, "auth": DUMMY}
            for password in ("one password", "another")
        ]
        answers = await gatherResults(
            [Deferred.fromCoroutine(self.fetch("POST", REGISTER, body)) for body in bodies]
        )
        self.assertEqual(sorted(answer.status for answer in answers), [200, 400])
        self.assertIn("M_USER_IN_USE", [answer.json.get("errcode") for answer in answers])

    async def test_which_names_are_allowed(self) -> None:
        for username, errcode in (
            ("alice", None),
            ("Bob", None),  # becomes "bob"
            ("a.b_c=d-e/f+g", None),
            ("alice", "M_USER_IN_USE"),
            ("BOB", "M_USER_IN_USE"),
            ("", "M_INVALID_USERNAME"),
            ("_service", "M_INVALID_USERNAME"),
            ("1234", "M_INVALID_USERNAME"),
            ("@carol:test", "M_INVALID_USERNAME"),
            ("c:d", "M_INVALID_USERNAME"),
            ("ünï", "M_INVALID_USERNAME"),
            ("a\0", "M_INVALID_USERNAME"),
            ("x" * 249, None),
            ("x" * 250, "M_INVALID_USERNAME"),
        ):
            with self.subTest(username=username):
                body = {"username": username, "password": PASSWORD, "auth": DUMMY}
                answer = await self.fetch("POST", REGISTER, body)
                self.assertEqual(answer.json.get("errcode"), errcode)
                if errcode is None:
                    self.assertEqual(answer.json["user_id"], f"@{username.lower()}:test")

    async def test_underscore_when_the_administrator_allows_it(self) -> None:
        self.reconfigure(registration={"allow_underscore_prefixed_registration": True})
        await self.register("_alice")

    async def test_without_a_name_one_is_found(self) -> None:
        answer = await self.fetch("POST", REGISTER, {"password": PASSWORD, "auth": DUMMY})
        self.assertRegex(answer.json["user_id"], r"^@[0-9]+:test$")

    async def test_without_a_password_nothing_is_made(self) -> None:
        answer = await self.fetch("POST", REGISTER, {"username": "alice", "auth": DUMMY})
        self.assertEqual((answer.status, answer.json["errcode"]), (400, "M_MISSING_PARAM"))

    async def test_inhibit_login(self) -> None:
        answer = await self.registered("alice", inhibit_login=True)
        self.assertEqual(answer, {"user_id": "@alice:test", "home_server": "test"})

    async def test_closed_registration(self) -> None:
        self.reconfigure(registration={"enable_registration": False})
        for method, path, body in (
            ("POST", REGISTER, {}),
            ("GET", f"{REGISTER}/available?username=alice", None),
        ):
            answer = await self.fetch(method, path, body)
            self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_FORBIDDEN"))

    async def test_weak_passwords_are_refused(self) -> None:
        policy = type(self.config.passwords.policy)(
            enabled=True, minimum_length=8, require_digit=True, require_uppercase=True
        )
        self.reconfigure(passwords={"policy": policy})
        for password, status in (("Ab1", 400), ("abcdefgh1", 400), ("Abcdefgh1", 200)):
            body = {"username": "alice", "password": password, "auth": DUMMY}
            answer = await self.fetch("POST", REGISTER, body)
            self.assertEqual(answer.status, status, password)
            if status == 400:
                self.assertEqual(answer.json["errcode"], "M_WEAK_PASSWORD")

    async def test_registrations_from_one_address_are_limited(self) -> None:
        limit = RateLimit(per_second=0.1, burst_count=2)
        self.reconfigure(rate_limits={"rc_registration": limit})
        await self.register("alice")
        await self.register("bob")
        body = {"username": "carol", "password": PASSWORD, "auth": DUMMY}
        answer = await self.fetch("POST", REGISTER, body)
        self.assertEqual((answer.status, answer.json["errcode"]), (429, "M_LIMIT_EXCEEDED"))

    async def test_hostile_bodies(self) -> None:
        good = {
            "username": "alice",
            "password": PASSWORD,
            "auth": {"type": "m.login.dummy", "session": "abc"},
            "device_id": "D",
            "initial_device_display_name": "Phone",
            "inhibit_login": False,
            "refresh_token": True,
        }
        await assert_survives(self, "POST", REGISTER, good)


class AvailableTests(RestTestCase):
    async def test_free_taken_and_invalid_names(self) -> None:
        await self.register("alice")
        for username, status, errcode in (
            ("bob", 200, None),
            ("alice", 400, "M_USER_IN_USE"),
            ("Alice", 400, "M_USER_IN_USE"),
            ("a%20b", 400, "M_INVALID_USERNAME"),
            ("", 400, "M_INVALID_USERNAME"),
            ("%ff", 400, "M_INVALID_PARAM"),
        ):
            answer = await self.fetch("GET", f"{REGISTER}/available?username={username}")
            self.assertEqual((answer.status, answer.json.get("errcode")), (status, errcode))

    async def test_name_is_required(self) -> None:
        answer = await self.fetch("GET", f"{REGISTER}/available")
        self.assertEqual((answer.status, answer.json["errcode"]), (400, "M_MISSING_PARAM"))

    async def test_taken_names_can_be_kept_secret(self) -> None:
        self.reconfigure(registration={"inhibit_user_in_use_error": True})
        await self.register("alice")
        answer = await self.fetch("GET", f"{REGISTER}/available?username=alice")
        self.assertEqual(answer.json, {"available": True})

    async def test_names_cannot_be_tried_out_in_bulk(self) -> None:
        paths = [f"{REGISTER}/available?username=user{n}" for n in range(30)]
        statuses = {(await self.fetch("GET", path)).status for path in paths}
        self.assertEqual(statuses, {200, 429})


class GuestTests(RestTestCase):
    async def guest(self) -> str:
        answer = await self.fetch("POST", f"{REGISTER}?kind=guest", {"username": "ignored"})
        self.assertEqual(answer.status, 200, str(answer))
        return str(answer.json["access_token"])

    async def test_guest_gets_a_name_and_a_device(self) -> None:
        whoami = await self.whoami(await self.guest())
        self.assertRegex(whoami.json["user_id"], r"^@[0-9]+:test$")
        self.assertTrue(whoami.json["is_guest"])

    async def test_guest_who_registers_keeps_the_account(self) -> None:
        token = await self.guest()
        user_id = str((await self.whoami(token)).json["user_id"])
        localpart = user_id[1:].partition(":")[0]
        body = {"username": localpart, "password": PASSWORD, "guest_access_token": token}
        for wrong in ({"username": "someone"}, {"guest_access_token": "syt_wrong"}):
            answer = await self.fetch("POST", REGISTER, {**body, **wrong, "auth": DUMMY})
            self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_FORBIDDEN"))
        answer = await self.fetch("POST", REGISTER, {**body, "auth": DUMMY})
        self.assertEqual((answer.status, answer.json["user_id"]), (200, user_id))
        for still_good in (token, answer.json["access_token"]):
            whoami = await self.whoami(still_good)
            self.assertEqual((whoami.json["user_id"], whoami.json["is_guest"]), (user_id, False))
        self.assertEqual((await self.login(localpart)).status, 200)
        again = await self.fetch("POST", REGISTER, {**body, "auth": DUMMY})
        self.assertEqual(again.status, 403, "nobody's guest any more")

    async def test_guests_may_not_go_everywhere(self) -> None:
        token = await self.guest()
        answer = await self.fetch("POST", "/_matrix/client/v3/account/password", {}, token=token)
        self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_GUEST_ACCESS_FORBIDDEN"))
        devices = await self.fetch("GET", "/_matrix/client/v3/devices", token=token)
        self.assertEqual(devices.status, 200)

    async def test_guests_can_be_kept_out(self) -> None:
        self.reconfigure(registration={"allow_guest_access": False})
        answer = await self.fetch("POST", f"{REGISTER}?kind=guest", {})
        self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_FORBIDDEN"))

    async def test_unknown_kind(self) -> None:
        answer = await self.fetch("POST", f"{REGISTER}?kind=king", {})
        self.assertEqual((answer.status, answer.json["errcode"]), (400, "M_INVALID_PARAM"))
