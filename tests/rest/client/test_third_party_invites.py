"""Client API: inviting by e-mail address, and joining with such an invitation."""

from typing import Any
from unittest.mock import patch

from synapse.config.ratelimiting import RateLimit
from tests.rest.identity_service import KEY, UNKNOWN_HOST, IdentityTestCase
from tests.rest.rooms import V3, room_path

ALICE, BOB = "@alice:test", "@bob:test"
# The specification's example: "bob@example.com email matrixrocks"
BOBS_ADDRESS = "bob@example.com"
BOBS_HASH = "LJwSazmv46n0hlMlsb_iYxI0_HXEqy_yj6Jm636cdT8"
INVITE = "m.room.third_party_invite"
DENIED = "M_THREEPID_DENIED"
AUTH_FAILED = "M_THREEPID_AUTH_FAILED"


class ThirdPartyTestCase(IdentityTestCase):
    async def people(self, **room: Any) -> None:
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.room_id = await self.create(self.alice, **room)

    async def invite(self, address: str = BOBS_ADDRESS, **more: Any) -> None:
        path = room_path(self.room_id, "/invite")
        await self.ok("POST", path, self.wish(address, **more), token=self.alice)

    async def denied(self, status: int = 403, errcode: str = DENIED, **more: Any) -> str:
        path = room_path(self.room_id, "/invite")
        body = {**self.wish(BOBS_ADDRESS), **more}
        answer = await self.refused(status, errcode, "POST", path, body, token=self.alice)
        return str(answer.json["error"])

    async def invitations(self) -> dict[str, Any]:
        """Token → content, of those in the room's state."""
        state = await self.state(self.alice, self.room_id)
        return {key: event["content"] for (type, key), event in state.items() if type == INVITE}


class InvitingTests(ThirdPartyTestCase):
    async def test_who_has_an_account_is_invited_to_it(self) -> None:
        await self.people()
        self.service.bound[BOBS_HASH] = BOB
        await self.invite()
        self.assertEqual(await self.membership(self.alice, self.room_id, BOB), "invite")
        self.assertEqual(await self.invitations(), {})
        self.assertEqual(self.service.invites, [])

    async def test_for_anybody_else_the_identity_server_keeps_the_invitation(self) -> None:
        await self.people(name="Tea", room_alias_name="tea")
        await self.invite()
        (stored,) = self.service.invites
        expected = {
            "medium": "email",
            "address": BOBS_ADDRESS,
            "room_id": self.room_id,
            "sender": ALICE,
            "room_name": "Tea",
            "room_alias": "#tea:test",
            "room_join_rules": "invite",
            "sender_display_name": "alice",
            "token": "token-0",
        }
        self.assertEqual(stored, expected)
        url = f"https://{self.service.name}/_matrix/identity/v2/pubkey/isvalid"
        key = {"public_key": KEY.verify_key.base64, "key_validity_url": url}
        content = {"display_name": "b…@e…", **key, "public_keys": [key]}
        self.assertEqual(await self.invitations(), {"token-0": content})

    async def test_addresses_are_looked_up_as_hashes_of_their_canonical_form(self) -> None:
        await self.people()
        await self.invite("  BOB@Example.com")
        self.assertEqual(self.service.hashes, [BOBS_HASH])
        self.assertEqual(self.service.invites[0]["address"], BOBS_ADDRESS)
        self.service.bound["nlo35_T5fzSGZzJApqu8lgIudJvmOQtDaHtr-I4rU7I"] = BOB
        await self.invite("18005552067", medium="msisdn")
        self.assertEqual(await self.membership(self.alice, self.room_id, BOB), "invite")

    async def test_a_pepper_that_was_just_replaced(self) -> None:
        await self.people()
        self.service.says["/hash_details"] = (
            200,
            {
                "lookup_pepper": "old",
                "algorithms": ["sha256"],
            },
        )
        self.assertIn("M_INVALID_PEPPER", await self.denied())
        self.assertEqual(self.service.asked.count("/lookup"), 2)

    async def test_who_gets_an_account_meanwhile(self) -> None:
        await self.people()
        in_use = {"errcode": "M_THREEPID_IN_USE", "error": "known", "mxid": "@mallory:test"}
        self.service.says["/store-invite"] = 400, in_use
        self.assertIn("M_THREEPID_IN_USE", await self.denied())
        looked_up = self.service.answer

        def answer(request: bytes) -> bytes:
            if b"/store-invite" in request:
                self.service.bound[BOBS_HASH] = BOB
            return looked_up(request)

        self.service.answer = answer  # type: ignore[method-assign]
        await self.invite()
        self.assertEqual(await self.membership(self.alice, self.room_id, BOB), "invite")

    async def test_nothing_leaves_the_server_for_who_may_not_invite(self) -> None:
        await self.people(power_level_content_override={"invite": 50})
        body, path = self.wish(BOBS_ADDRESS), room_path(self.room_id, "/invite")
        await self.refused(403, "M_FORBIDDEN", "POST", path, body, token=self.bob)
        await self.change_membership(self.alice, self.room_id, "invite", BOB)
        await self.refused(403, "M_FORBIDDEN", "POST", path, body, token=self.bob)
        await self.join(self.bob, self.room_id)
        await self.refused(403, "M_FORBIDDEN", "POST", path, body, token=self.bob)
        unknown = room_path("!unknown:test", "/invite")
        await self.refused(403, "M_FORBIDDEN", "POST", unknown, body, token=self.bob)
        _, guest = await self.guest()
        await self.refused(403, "M_GUEST_ACCESS_FORBIDDEN", "POST", path, body, token=guest)
        self.reconfigure(rooms={"block_non_admin_invites": True})
        await self.denied(errcode="M_FORBIDDEN")
        self.reconfigure(rooms={"block_non_admin_invites": False, "enable_3pid_lookup": False})
        await self.denied()
        self.outbound = None
        self.reconfigure(rooms={"enable_3pid_lookup": True})
        await self.denied()
        self.assertEqual(self.service.asked, [])

    async def test_how_often(self) -> None:
        await self.people()
        limit = RateLimit(per_second=0.1, burst_count=2)
        self.reconfigure(rate_limits={"rc_third_party_invite": limit})
        await self.invite()
        await self.invite("carol@example.com")
        asked = len(self.service.asked)
        await self.denied(429, "M_LIMIT_EXCEEDED")
        body = {"invite_3pid": [self.wish(BOBS_ADDRESS)]}
        path = f"{V3}/createRoom"
        await self.refused(429, "M_LIMIT_EXCEEDED", "POST", path, body, token=self.alice)
        self.assertEqual(len(self.service.asked), asked)

    async def test_what_cannot_be_asked(self) -> None:
        await self.people()
        for more, errcode in (
            ({"id_server": "https://id.example"}, "M_INVALID_PARAM"),
            ({"id_server": "id.example/path"}, "M_INVALID_PARAM"),
            ({"id_server": "user@id.example"}, "M_INVALID_PARAM"),
            ({"id_server": ""}, "M_INVALID_PARAM"),
            ({"id_server": None}, "M_BAD_JSON"),
            ({"id_access_token": "a\r\nb"}, "M_INVALID_PARAM"),
            ({"id_access_token": ""}, "M_INVALID_PARAM"),
            ({"id_access_token": "x" * 5_000}, "M_INVALID_PARAM"),
            ({"address": ""}, "M_INVALID_PARAM"),
            ({"address": "bob"}, "M_INVALID_PARAM"),
            ({"address": "<bob@example.com>"}, "M_INVALID_PARAM"),
            ({"address": "b\0b@example.com"}, "M_INVALID_PARAM"),
            ({"address": "b@" + "x" * 600}, "M_INVALID_PARAM"),
            ({"address": "+49 123", "medium": "msisdn"}, "M_INVALID_PARAM"),
            ({"medium": "pigeon"}, "M_THREEPID_MEDIUM_NOT_SUPPORTED"),
        ):
            with self.subTest(**more):
                await self.denied(400, errcode, **more)
        self.assertEqual(self.service.asked, [])

    async def test_a_phone_number_that_nobody_has(self) -> None:
        await self.people()
        await self.denied(address="18005552067", medium="msisdn")
        self.assertEqual(self.service.invites, [])

    async def test_users_of_other_servers_are_invited_through_these(self) -> None:
        await self.people()
        self.service.bound[BOBS_HASH] = "@bob:elsewhere"
        await self.denied(502, "M_UNKNOWN")
        self.assertIn("/v2/invite/", self.network.requests[-1][1])


class UnhelpfulServersTests(ThirdPartyTestCase):
    """Whatever an identity server does, it is no 5xx, no 401, and nothing gets into the room."""

    async def test_refusals(self) -> None:
        await self.people()
        terms = {"errcode": "M_TERMS_NOT_SIGNED", "error": "Read this"}
        for path in ("/hash_details", "/lookup", "/store-invite"):
            for status, said, errcode in (
                (403, terms, "M_TERMS_NOT_SIGNED"),
                (401, {"errcode": "M_UNAUTHORIZED", "error": "x"}, DENIED),
                (429, {"errcode": "M_LIMIT_EXCEEDED", "error": "x"}, DENIED),
                (500, b"<html>", DENIED),
                (302, b"", DENIED),
                (404, {"errcode": ["M_UNRECOGNIZED"]}, DENIED),
                (400, {"errcode": "<script>", "error": "x"}, DENIED),
            ):
                with self.subTest(path=path, status=status):
                    self.service.says = {path: (status, said)}
                    error = await self.denied(errcode=errcode)
                    self.assertNotIn("<", error)
        self.service.says = {}
        self.assertIn("M_UNAUTHORIZED", await self.denied(id_access_token="wrong"))
        self.assertEqual(await self.invitations(), {})

    async def test_answers_that_are_none(self) -> None:
        await self.people()
        url = "https://id.example/valid"
        key = {"public_key": KEY.verify_key.base64, "key_validity_url": url}
        stored = {"token": "t", "display_name": "b", "public_keys": [key]}
        peppers = {"lookup_pepper": "p", "algorithms": ["sha256"]}
        huge = b'{"a":"' + b"x" * 100_000 + b'"}'
        for path, said in (
            *((path, bad) for path in ("/hash_details", "/lookup") for bad in _NO_OBJECTS),
            *(("/store-invite", bad) for bad in _NO_OBJECTS),
            ("/hash_details", huge),
            ("/hash_details", {**peppers, "lookup_pepper": 1}),
            ("/hash_details", {**peppers, "lookup_pepper": "x" * 1_000}),
            ("/hash_details", {**peppers, "algorithms": ["none"]}),
            ("/hash_details", {**peppers, "algorithms": "sha256"}),
            ("/lookup", {"mappings": []}),
            ("/lookup", {"mappings": {BOBS_HASH: 1}}),
            ("/lookup", {"mappings": {BOBS_HASH: "bob"}}),
            ("/lookup", huge),
            ("/store-invite", huge),
            ("/store-invite", {**stored, "token": ""}),
            ("/store-invite", {**stored, "token": "a b"}),
            ("/store-invite", {**stored, "token": "x" * 256}),
            ("/store-invite", {**stored, "display_name": None}),
            ("/store-invite", {**stored, "display_name": "x" * 60_000}),
            ("/store-invite", {**stored, "public_keys": []}),
            ("/store-invite", {**stored, "public_keys": [key] * 500}),
            ("/store-invite", {**stored, "public_keys": [1]}),
            ("/store-invite", {**stored, "public_keys": [{**key, "public_key": "x"}]}),
            ("/store-invite", {**stored, "public_keys": [{**key, "public_key": "\u00e9"}]}),
            (
                "/store-invite",
                {**stored, "public_keys": [{**key, "key_validity_url": "http://id.example/"}]},
            ),
        ):
            with self.subTest(path=path, said=str(said)[:100]):
                self.service.says = {path: (200, said)}
                await self.denied()
        self.assertEqual(await self.invitations(), {})

    async def test_a_token_that_is_in_use_replaces_no_invitation(self) -> None:
        await self.people()
        await self.invite()
        before = await self.invitations()
        self.service.invites.clear()
        await self.denied()
        self.assertEqual(await self.invitations(), before)

    async def test_why_a_server_cannot_be_reached_is_not_told(self) -> None:
        await self.people()
        errors = set()
        for name in (
            f"{UNKNOWN_HOST}:443",
            "id.example:1",  # nobody listens
            f"other.example:{self.service.port}",  # another certificate
            f"10.0.0.1:{self.service.port}",  # a blocked address
            f"[::ffff:10.0.0.1]:{self.service.port}",
        ):
            error = await self.denied(id_server=name)
            errors.add(error.replace(name, "NAME"))
        self.assertEqual(errors, {"The identity server NAME can't be reached"})
        self.assertEqual(self.service.asked, [])

    async def test_a_server_that_never_answers(self) -> None:
        await self.people()
        self.service.answer = lambda request: b""  # type: ignore[method-assign]
        with patch("synapse.handlers.identity_server._TIMEOUT_S", 0.2):
            await self.denied()


_NO_OBJECTS: list[Any] = [b"", b"<html>", b"[" * 10_000, b'{"a":1,"a":2}', b"\xff", [], "x", {}]


class CreatingTests(ThirdPartyTestCase):
    async def test_known_and_unknown_people_are_invited_to_a_new_room(self) -> None:
        await self.people()
        self.service.bound[BOBS_HASH] = BOB
        wishes = [self.wish(BOBS_ADDRESS), self.wish("carol@example.com")]
        for version in ("11", "12"):
            self.service.invites.clear()
            self.room_id = await self.create(
                self.alice, room_version=version, invite_3pid=wishes, is_direct=True
            )
            member = await self.content(self.alice, self.room_id, "m.room.member", BOB)
            self.assertEqual((member["membership"], member["is_direct"]), ("invite", True))
            self.assertEqual(list(await self.invitations()), ["token-0"])
            self.assertEqual(self.service.invites[0]["room_id"], self.room_id)

    async def test_those_whom_a_room_trusts(self) -> None:
        await self.people()
        self.service.bound[BOBS_HASH] = BOB
        room_id = await self.create(
            self.alice,
            room_version="11",
            preset="trusted_private_chat",
            invite_3pid=[self.wish(BOBS_ADDRESS)],
        )
        levels = await self.content(self.alice, room_id, "m.room.power_levels")
        self.assertEqual(levels["users"], {ALICE: 100, BOB: 100})

    async def test_a_room_that_was_made_in_spite_of_a_late_refusal(self) -> None:
        await self.people()
        self.service.says["/store-invite"] = 403, {"errcode": "M_FORBIDDEN", "error": "no"}
        path, body = f"{V3}/createRoom", {"invite_3pid": [self.wish(BOBS_ADDRESS)]}
        answer = await self.refused(403, DENIED, "POST", path, body, token=self.alice)
        rooms = await self.ok("GET", f"{V3}/joined_rooms", token=self.alice)
        (made,) = set(rooms["joined_rooms"]) - {self.room_id}
        self.assertIn(f"The room {made} was made", answer.json["error"])

    async def test_no_room_is_made_if_nobody_can_be_asked(self) -> None:
        await self.people()
        path = f"{V3}/createRoom"
        for wishes, status, errcode in (
            ([self.wish(BOBS_ADDRESS, id_server=UNKNOWN_HOST)], 403, DENIED),
            ([self.wish("18005552067", medium="msisdn")], 403, DENIED),
            ([self.wish(BOBS_ADDRESS, id_access_token="wrong")], 403, DENIED),
            ([{"medium": "email"}], 400, "M_MISSING_PARAM"),
            (["x"], 400, "M_BAD_JSON"),
            ([self.wish(BOBS_ADDRESS)] * 21, 400, "M_INVALID_PARAM"),
        ):
            body = {"invite_3pid": wishes}
            await self.refused(status, errcode, "POST", path, body, token=self.alice)
        rooms = await self.ok("GET", f"{V3}/joined_rooms", token=self.alice)
        self.assertEqual(rooms["joined_rooms"], [self.room_id])
        await self.create(self.alice, invite_3pid=[])


class JoiningTests(ThirdPartyTestCase):
    async def invited(self, **room: Any) -> dict[str, Any]:
        """What the identity server signed for bob, whose address alice has invited."""
        await self.people(**room)
        await self.invite()
        return self.service.signed(BOB, self.service.invites[0])

    async def join_with(self, signed: Any, token: str | None = None) -> None:
        path = room_path(self.room_id, "/join")
        body = {"third_party_signed": signed}
        await self.ok("POST", path, body, token=token or self.bob)

    async def no_entry(self, signed: Any, errcode: str = "M_FORBIDDEN") -> None:
        path, body = room_path(self.room_id, "/join"), {"third_party_signed": signed}
        await self.refused(403, errcode, "POST", path, body, token=self.bob)
        self.assertNotIn(("m.room.member", BOB), await self.state(self.alice, self.room_id))

    async def test_an_invitation_is_exchanged(self) -> None:
        for version in ("1", "11", "12"):
            if version == "1":
                signed = await self.invited(room_version="1")
            else:
                self.service.invites.clear()
                self.room_id = await self.create(self.alice, room_version=version)
                await self.invite()
                signed = self.service.signed(BOB, self.service.invites[0])
            await self.join_with(signed)
            events = (await self.messages(self.alice, self.room_id, "b"))["chunk"]
            join, invite = [e for e in events if e.get("state_key") == BOB]
            self.assertEqual(join["content"]["membership"], "join")
            self.assertEqual((invite["sender"], invite["content"]["membership"]), (ALICE, "invite"))
            third_party = {"display_name": "b…@e…", "signed": signed}
            self.assertEqual(invite["content"]["third_party_invite"], third_party)
            self.assertEqual(self.service.asked[-1], "/pubkey/isvalid")

    async def test_joining_by_an_alias(self) -> None:
        signed = await self.invited(room_alias_name="tea")
        body = {"third_party_signed": signed}
        await self.ok("POST", f"{V3}/join/%23tea:test", body, token=self.bob)

    async def test_a_second_try_after_the_first_got_no_further_than_the_invite(self) -> None:
        signed = await self.invited()
        await self.change_membership(self.alice, self.room_id, "invite", BOB)
        await self.join_with(signed)
        await self.join_with(signed)
        await self.leave(self.bob, self.room_id)
        await self.join_with(signed)

    async def test_only_what_was_signed_counts(self) -> None:
        signed = await self.invited()
        signatures = signed["signatures"]
        other = self.service.signed(ALICE, self.service.invites[0])
        for wrong in (
            {},
            {**signed, "signatures": {}},
            {**signed, "signatures": None},
            {**signed, "token": "token-1"},
            {**signed, "token": ["token-0"]},
            {**signed, "token": "a\0b"},
            {**signed, "sender": BOB},
            {**signed, "mxid": ALICE},
            {**signed, "more": 1},
            {**signed, "more": 1.5},
            other,
            {**other, "mxid": BOB},
            {**signed, "signatures": {"id.example": {"ed25519:0": "A" * 86}}},
            {**signed, "signatures": {"id.example": {"rsa:0": signatures}}},
        ):
            with self.subTest(wrong=wrong):
                await self.no_entry(wrong)
        self.assertNotIn("/pubkey/isvalid", self.service.asked)
        nothing: list[Any] = [1, "x", []]
        for none in nothing:
            path, body = room_path(self.room_id, "/join"), {"third_party_signed": none}
            await self.refused(400, "M_BAD_JSON", "POST", path, body, token=self.bob)

    async def test_only_in_its_room(self) -> None:
        signed = await self.invited()
        self.room_id = await self.create(self.alice)
        await self.no_entry(signed)

    async def test_a_key_that_no_longer_counts(self) -> None:
        signed = await self.invited()
        self.service.valid_keys.clear()
        await self.no_entry(signed, AUTH_FAILED)
        for status, said in (
            (200, b"yes"),
            (200, {"valid": "true"}),
            (200, {"valid": 1}),
            (200, []),
            (404, {"valid": True}),
            (200, b" " * 100_000 + b'{"valid":true}'),
        ):
            self.service.says["/pubkey/isvalid"] = status, said
            await self.no_entry(signed, AUTH_FAILED)

    async def test_where_the_inviter_sends_us_to_ask(self) -> None:
        signed = await self.invited()
        content = (await self.invitations())["token-0"]
        name = self.service.name
        for url in (
            f"http://{name}/_matrix/identity/v2/pubkey/isvalid",
            f"https://10.0.0.1:{self.service.port}/_matrix/identity/v2/pubkey/isvalid",
            f"https://user@{name}/_matrix/identity/v2/pubkey/isvalid",
            f"https://{name}/_matrix/identity/v2/pubkey/isvalid#x",
            "file:///etc/passwd",
            "https://",
            "https://[",
            "https://\U0001f600/",
        ):
            key = {"public_key": KEY.verify_key.base64, "key_validity_url": url}
            changed = {**content, **key, "public_keys": [key]}
            await self.set_state(self.alice, self.room_id, INVITE, changed, "token-0")
            asked = len(self.service.asked)
            await self.no_entry(signed, AUTH_FAILED)
            self.assertEqual(len(self.service.asked), asked, url)

    async def test_a_key_without_an_url_counts(self) -> None:
        signed = await self.invited()
        key = {"public_key": KEY.verify_key.base64}
        content = {"display_name": "b", **key}
        await self.set_state(self.alice, self.room_id, INVITE, content, "token-0")
        await self.join_with(signed)

    async def test_an_invitation_that_was_taken_back(self) -> None:
        signed = await self.invited()
        await self.set_state(self.alice, self.room_id, INVITE, {}, "token-0")
        await self.no_entry(signed)

    async def test_who_is_banned_stays_out(self) -> None:
        signed = await self.invited()
        await self.change_membership(self.alice, self.room_id, "ban", BOB)
        path, body = room_path(self.room_id, "/join"), {"third_party_signed": signed}
        await self.refused(403, "M_FORBIDDEN", "POST", path, body, token=self.bob)
        self.assertEqual(await self.membership(self.alice, self.room_id, BOB), "ban")

    async def test_nobody_speaks_for_a_closed_account(self) -> None:
        signed = await self.invited(invite=["@carol:test"])
        carol = await self.register("carol")
        await self.join(carol, self.room_id)
        auth = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "alice"},
            "password": "correct horse",
        }
        await self.ok("POST", f"{V3}/account/deactivate", {"auth": auth}, token=self.alice)
        self.alice = carol
        await self.no_entry(signed)

    async def test_a_public_room_needs_no_proof(self) -> None:
        signed = await self.invited(preset="public_chat")
        await self.join_with({**signed, "signatures": {}})

    async def test_an_unknown_room(self) -> None:
        signed = await self.invited()
        path, body = room_path("!unknown:test", "/join"), {"third_party_signed": signed}
        await self.refused(404, "M_NOT_FOUND", "POST", path, body, token=self.bob)
