"""Logging in and out."""

from tests.rest.base import PASSWORD, RestTestCase
from tests.rest.hostile import assert_survives

LOGIN = "/_matrix/client/v3/login"


class LoginTests(RestTestCase):
    async def test_flows_offer_the_password(self) -> None:
        answer = await self.fetch("GET", LOGIN)
        self.assertEqual(answer.json, {"flows": [{"type": "m.login.password"}]})

    async def test_disabled_passwords_are_not_offered_and_not_accepted(self) -> None:
        await self.register("alice")
        self.reconfigure(passwords={"enabled": False})
        self.assertEqual((await self.fetch("GET", LOGIN)).json, {"flows": []})
        self.assertEqual((await self.login("alice")).status, 400)

    async def test_log_in_by_localpart_or_full_id_in_any_case(self) -> None:
        await self.register("alice")
        for name in ("alice", "@alice:test", "Alice", "@ALICE:test"):
            answer = await self.login(name)
            self.assertEqual(answer.status, 200, name)
            self.assertEqual(answer.json["user_id"], "@alice:test")

    async def test_log_in_with_the_old_form(self) -> None:
        await self.register("alice")
        body = {"type": "m.login.password", "user": "alice", "password": PASSWORD}
        self.assertEqual((await self.fetch("POST", LOGIN, body)).status, 200)

    async def test_unknown_user_and_wrong_password_look_the_same(self) -> None:
        await self.register("alice")
        wrong = await self.login("alice", "wrong")
        for name in ("nobody", "@alice:elsewhere", "@", "a\0b", "", "x" * 300):
            self.assertEqual((await self.login(name)).json, wrong.json, name)
        self.assertEqual(wrong.status, 403)
        self.assertEqual(wrong.json["errcode"], "M_FORBIDDEN")

    async def test_third_party_identifiers_are_unknown(self) -> None:
        for identifier in (
            {"type": "m.id.thirdparty", "medium": "email", "address": "a@example.com"},
            {"type": "m.id.phone", "country": "GB", "phone": "07700900001"},
        ):
            answer = await self.login("", identifier=identifier)
            self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_FORBIDDEN"))

    async def test_device_of_the_clients_choice(self) -> None:
        await self.register("alice")
        answer = await self.login("alice", device_id="PHONE", initial_device_display_name="Phone")
        self.assertEqual(answer.json["device_id"], "PHONE")
        token = answer.json["access_token"]
        device = await self.fetch("GET", "/_matrix/client/v3/devices/PHONE", token=token)
        self.assertEqual(device.json["display_name"], "Phone")

    async def test_logging_in_again_on_a_device_replaces_its_token_and_keeps_its_name(
        self,
    ) -> None:
        await self.register("alice")
        first = await self.login("alice", device_id="PHONE", initial_device_display_name="Phone")
        self.assertEqual((await self.whoami(first.json["access_token"])).status, 200)
        second = await self.login("alice", device_id="PHONE", initial_device_display_name="New")
        self.assertEqual((await self.whoami(first.json["access_token"])).status, 401)
        token = second.json["access_token"]
        device = await self.fetch("GET", "/_matrix/client/v3/devices/PHONE", token=token)
        self.assertEqual(device.json["display_name"], "Phone")

    async def test_token_has_the_form_that_scanners_know(self) -> None:
        await self.register("alice")
        token = (await self.login("alice")).json["access_token"]
        self.assertRegex(token, r"^syt_YWxpY2U_[A-Za-z]{20}_[0-9A-Za-z]{6}$")

    async def test_failed_attempts_are_limited_also_for_the_right_password(self) -> None:
        await self.register("alice")
        limits = self.config.rate_limits.rc_login
        limit = type(limits.account)(per_second=0.1, burst_count=2)
        self.reconfigure(
            rate_limits={"rc_login": type(limits)(failed_attempts=limit, address=limits.address)}
        )
        for _ in range(2):
            self.assertEqual((await self.login("alice", "wrong")).status, 403)
        answer = await self.login("alice")
        self.assertEqual((answer.status, answer.json["errcode"]), (429, "M_LIMIT_EXCEEDED"))
        self.assertEqual(answer.headers["retry-after"], "10")
        self.advance(10)
        self.assertEqual((await self.login("alice")).status, 200)

    async def test_logins_from_one_address_are_limited(self) -> None:
        limits = self.config.rate_limits.rc_login
        limit = type(limits.account)(per_second=0.1, burst_count=2)
        self.reconfigure(
            rate_limits={
                "rc_login": type(limits)(address=limit, failed_attempts=limits.failed_attempts)
            }
        )
        for name in ("a", "b"):
            self.assertEqual((await self.login(name)).status, 403)
        self.assertEqual((await self.login("c")).status, 429)

    async def test_hostile_bodies(self) -> None:
        await self.register("alice")
        good = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "alice"},
            "password": PASSWORD,
            "device_id": "D",
            "initial_device_display_name": "Phone",
            "refresh_token": True,
        }
        await assert_survives(self, "POST", LOGIN, good)


class LogoutTests(RestTestCase):
    async def test_logout_ends_the_token_and_removes_the_device(self) -> None:
        token = await self.register("alice")
        other = (await self.login("alice", device_id="OTHER")).json["access_token"]
        answer = await self.fetch("POST", "/_matrix/client/v3/logout", {}, token=token)
        self.assertEqual((answer.status, answer.json), (200, {}))
        refused = await self.whoami(token)
        self.assertEqual((refused.status, refused.json["errcode"]), (401, "M_UNKNOWN_TOKEN"))
        self.assertFalse(refused.json["soft_logout"])
        devices = await self.fetch("GET", "/_matrix/client/v3/devices", token=other)
        self.assertEqual([d["device_id"] for d in devices.json["devices"]], ["OTHER"])

    async def test_logout_everywhere(self) -> None:
        tokens = [await self.register("alice"), (await self.login("alice")).json["access_token"]]
        for token in tokens:
            self.assertEqual((await self.whoami(token)).status, 200)
        await self.fetch("POST", "/_matrix/client/v3/logout/all", {}, token=tokens[0])
        for token in tokens:
            self.assertEqual((await self.whoami(token)).status, 401)

    async def test_logout_needs_a_token(self) -> None:
        answer = await self.fetch("POST", "/_matrix/client/v3/logout")
        self.assertEqual((answer.status, answer.json["errcode"]), (401, "M_MISSING_TOKEN"))
