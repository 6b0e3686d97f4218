"""Client API: joining, inviting, leaving, kicking, banning, knocking, forgetting."""

from typing import Any

from synapse.config.ratelimiting import JoinLimits, RateLimit
from tests.rest.rooms import V3, RoomTestCase, room_path

ALICE, BOB, CAROL = "@alice:test", "@bob:test", "@carol:test"

# What bob was in alice's invite-only room, who does what to him, and what comes of it.
TRANSITIONS: list[tuple[str, str, str, int, str]] = [
    # before, who, action, status, after
    ("none", "bob", "join", 403, "none"),
    ("none", "bob", "leave", 403, "none"),
    ("none", "bob", "knock", 403, "none"),
    ("none", "bob", "forget", 404, "none"),
    ("none", "alice", "invite", 200, "invite"),
    ("none", "alice", "kick", 403, "none"),
    ("none", "alice", "ban", 200, "ban"),
    ("none", "alice", "unban", 403, "none"),
    ("none", "mallory", "invite", 403, "none"),
    ("none", "mallory", "ban", 403, "none"),
    ("invite", "bob", "join", 200, "join"),
    ("invite", "bob", "leave", 200, "leave"),
    ("invite", "bob", "forget", 400, "invite"),
    ("invite", "alice", "invite", 200, "invite"),
    ("invite", "alice", "kick", 200, "leave"),
    ("invite", "alice", "ban", 200, "ban"),
    ("invite", "mallory", "kick", 403, "invite"),
    ("join", "bob", "join", 200, "join"),
    ("join", "bob", "leave", 200, "leave"),
    ("join", "bob", "forget", 400, "join"),
    ("join", "bob", "knock", 403, "join"),
    ("join", "alice", "invite", 403, "join"),
    ("join", "alice", "kick", 200, "leave"),
    ("join", "alice", "ban", 200, "ban"),
    ("join", "alice", "unban", 403, "join"),
    ("join", "mallory", "kick", 403, "join"),
    ("leave", "bob", "join", 403, "leave"),
    ("leave", "bob", "leave", 200, "leave"),
    ("leave", "bob", "forget", 200, "leave"),
    ("leave", "alice", "invite", 200, "invite"),
    ("leave", "alice", "kick", 403, "leave"),
    ("leave", "alice", "ban", 200, "ban"),
    ("leave", "alice", "unban", 403, "leave"),
    ("ban", "bob", "join", 403, "ban"),
    ("ban", "bob", "leave", 403, "ban"),
    ("ban", "bob", "forget", 200, "ban"),
    ("ban", "alice", "invite", 403, "ban"),
    ("ban", "alice", "kick", 403, "ban"),
    ("ban", "alice", "ban", 200, "ban"),
    ("ban", "alice", "unban", 200, "leave"),
    ("ban", "mallory", "unban", 403, "ban"),
]
OWN_ACTIONS = ("join", "leave", "forget")


class MembershipTestCase(RoomTestCase):
    async def people(self) -> None:
        self.alice = await self.register("alice")
        self.bob = await self.register("bob")
        self.tokens = {"alice": self.alice, "bob": self.bob}

    async def put_into(self, room_id: str, membership: str) -> None:
        """Make bob's membership of alice's room this one."""
        if membership in ("invite", "join", "leave"):
            await self.change_membership(self.alice, room_id, "invite", BOB)
        if membership in ("join", "leave"):
            await self.join(self.bob, room_id)
        if membership == "leave":
            await self.leave(self.bob, room_id)
        if membership == "ban":
            await self.change_membership(self.alice, room_id, "ban", BOB)

    async def bobs_membership(self, room_id: str) -> str:
        state = await self.state(self.alice, room_id)
        event = state.get(("m.room.member", BOB))
        return "none" if event is None else str(event["content"]["membership"])

    async def put_member(self, token: str, room_id: str, user: str, **content: Any) -> Any:
        path = room_path(room_id, f"/state/m.room.member/{user}")
        return await self.fetch("PUT", path, content, token=token)


class TransitionTests(MembershipTestCase):
    async def test_transitions(self) -> None:
        await self.people()
        self.tokens["mallory"] = await self.register("mallory")
        for before, who, action, status, after in TRANSITIONS:
            what = f"{who}: {action} when bob is {before}"
            room_id = await self.create(self.alice)
            await self.put_into(room_id, before)
            path, body = room_path(room_id, f"/{action}"), {"user_id": BOB}
            if action in OWN_ACTIONS:
                body = {}
            elif action == "knock":
                path, body = f"{V3}/knock/{room_id}", {}
            answer = await self.fetch("POST", path, body, token=self.tokens[who])
            self.assertEqual(answer.status, status, f"{what}: {answer}")
            if status == 403:
                self.assertEqual(answer.json["errcode"], "M_FORBIDDEN", what)
            self.assertEqual(await self.bobs_membership(room_id), after, what)

    async def test_transitions_sent_as_state(self) -> None:
        await self.people()
        self.tokens["mallory"] = await self.register("mallory")
        memberships = {"invite": "invite", "kick": "leave", "ban": "ban", "leave": "leave"}
        memberships["join"] = "join"
        for before, who, action, status, after in TRANSITIONS:
            if action not in memberships or (action == "kick" and before == "ban"):
                continue  # as state, a leave of someone who is banned lifts the ban
            what = f"{who}: {action} when bob is {before}"
            room_id = await self.create(self.alice)
            await self.put_into(room_id, before)
            answer = await self.put_member(
                self.tokens[who], room_id, BOB, membership=memberships[action]
            )
            self.assertEqual(answer.status, status, f"{what}: {answer}")
            self.assertEqual(await self.bobs_membership(room_id), after, what)

    async def test_nobody_joins_for_somebody_else(self) -> None:
        await self.people()
        room_id = await self.create_public(self.alice)
        answer = await self.put_member(self.alice, room_id, BOB, membership="join")
        self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_FORBIDDEN"))

    async def test_moderators_do_not_remove_their_equals(self) -> None:
        await self.people()
        room_id = await self.create_public(self.alice, room_version="11")
        await self.join(self.bob, room_id)
        levels = await self.content(self.alice, room_id, "m.room.power_levels")
        levels["users"][BOB] = 100
        await self.set_state(self.alice, room_id, "m.room.power_levels", levels)
        for action in ("kick", "ban"):
            await self.refused(
                403,
                "M_FORBIDDEN",
                "POST",
                room_path(room_id, f"/{action}"),
                {"user_id": BOB},
                token=self.alice,
            )

    async def test_reasons_are_told(self) -> None:
        await self.people()
        room_id = await self.create_public(self.alice)
        for token, action, body in (
            (self.bob, "join", {}),
            (self.bob, "leave", {}),
            (self.alice, "invite", {"user_id": BOB}),
            (self.alice, "kick", {"user_id": BOB}),
            (self.alice, "ban", {"user_id": BOB}),
            (self.alice, "unban", {"user_id": BOB}),
        ):
            body = {**body, "reason": f"because of {action}"}
            await self.ok("POST", room_path(room_id, f"/{action}"), body, token=token)
            content = await self.content(self.alice, room_id, "m.room.member", BOB)
            self.assertEqual(content["reason"], f"because of {action}")

    async def test_outsiders_learn_nothing_about_members(self) -> None:
        await self.people()
        mallory = await self.register("mallory")
        answers = set()
        rooms = ["!unknown:test"]
        for membership in ("none", "invite", "join", "leave", "ban"):
            rooms.append(await self.create(self.alice))
            await self.put_into(rooms[-1], membership)
        for room_id in rooms:
            for action in ("kick", "ban", "unban", "invite"):
                path = room_path(room_id, f"/{action}")
                answer = await self.fetch("POST", path, {"user_id": BOB}, token=mallory)
                answers.add((answer.status, answer.json["error"].replace(room_id, "")))
            for wanted in ("invite", "leave", "ban"):
                answer = await self.put_member(mallory, room_id, BOB, membership=wanted)
                answers.add((answer.status, answer.json["error"].replace(room_id, "")))
        self.assertEqual(len(answers), 1, str(answers))


class JoinTests(MembershipTestCase):
    async def test_join_by_id_and_by_alias(self) -> None:
        await self.people()
        room_id = await self.create_public(self.alice, room_alias_name="home")
        for path in (
            room_path(room_id, "/join"),
            f"{V3}/join/{room_id}",
            f"{V3}/join/%23home:test",
        ):
            answer = await self.ok("POST", path, {}, token=self.bob)
            self.assertEqual(answer, {"room_id": room_id})
            await self.leave(self.bob, room_id)

    async def test_joining_again_changes_nothing(self) -> None:
        await self.people()
        room_id = await self.create_public(self.alice)
        await self.join(self.bob, room_id)
        before = await self.state(self.alice, room_id)
        await self.ok("POST", f"{V3}/join/{room_id}", {"reason": "again"}, token=self.bob)
        self.assertEqual(await self.state(self.alice, room_id), before)

    async def test_unknown_rooms(self) -> None:
        await self.people()
        for target, status, errcode in (
            ("!unknown:test", 404, "M_NOT_FOUND"),
            ("%23unknown:test", 404, "M_NOT_FOUND"),
            ("room", 400, "M_INVALID_PARAM"),
        ):
            for verb in ("join", "knock"):
                await self.refused(
                    status, errcode, "POST", f"{V3}/{verb}/{target}", {}, token=self.bob
                )

    async def test_profile_is_in_the_member_event(self) -> None:
        await self.people()
        await self.ok(
            "PUT", f"{V3}/profile/{BOB}/displayname", {"displayname": "Bob"}, token=self.bob
        )
        room_id = await self.create_public(self.alice)
        await self.change_membership(self.alice, room_id, "invite", BOB)
        for _ in range(2):
            content = await self.content(self.alice, room_id, "m.room.member", BOB)
            self.assertEqual(content["displayname"], "Bob")
            await self.join(self.bob, room_id)

    async def test_another_name_in_one_room(self) -> None:
        await self.people()
        room_id = await self.create_public(self.alice)
        await self.join(self.bob, room_id)
        answer = await self.put_member(
            self.bob, room_id, BOB, membership="join", displayname="Robert"
        )
        self.assertEqual(answer.status, 200)
        again = await self.put_member(
            self.bob, room_id, BOB, membership="join", displayname="Robert"
        )
        self.assertEqual(again.json, answer.json)
        content = await self.content(self.alice, room_id, "m.room.member", BOB)
        self.assertEqual(content, {"membership": "join", "displayname": "Robert"})

    async def test_guests_join_where_guests_may(self) -> None:
        await self.people()
        guest_id, guest = await self.guest()
        room_id = await self.create_public(self.alice)
        path = room_path(room_id, "/join")
        await self.refused(403, "M_GUEST_ACCESS_FORBIDDEN", "POST", path, {}, token=guest)
        access = {"guest_access": "can_join"}
        await self.set_state(self.alice, room_id, "m.room.guest_access", access)
        await self.join(guest, room_id)
        await self.set_state(
            self.alice, room_id, "m.room.guest_access", {"guest_access": "forbidden"}
        )
        await self.finish_background()
        self.assertEqual(await self.membership(self.alice, room_id, guest_id), "leave")

    async def test_members_of_another_room_may_join(self) -> None:
        for version, rule in (
            ("8", "restricted"),
            ("10", "knock_restricted"),
            ("12", "restricted"),
        ):
            with self.subTest(version=version):
                await self.restricted_room(version, rule)

    async def restricted_room(self, version: str, rule: str) -> None:
        alice = await self.register(f"alice{version}")
        bob, carol = await self.register(f"bob{version}"), await self.register(f"carol{version}")
        club = await self.create_public(alice)
        rules = {
            "join_rule": rule,
            "allow": [{"type": "m.room_membership", "room_id": club}, {"type": "x"}, 7],
        }
        room_id = await self.create(
            alice,
            room_version=version,
            initial_state=[{"type": "m.room.join_rules", "content": rules}],
        )
        await self.refused(403, "M_FORBIDDEN", "POST", room_path(room_id, "/join"), {}, token=bob)
        forged = {
            "membership": "join",
            "join_authorised_via_users_server": f"@alice{version}:test",
        }
        path = room_path(room_id, f"/state/m.room.member/@carol{version}:test")
        await self.refused(403, "M_FORBIDDEN", "PUT", path, forged, token=carol)
        await self.join(bob, club)
        await self.join(bob, room_id)
        content = await self.content(alice, room_id, "m.room.member", f"@bob{version}:test")
        self.assertEqual(content["join_authorised_via_users_server"], f"@alice{version}:test")
        # Invited users need nobody's word.
        await self.change_membership(alice, room_id, "invite", f"@carol{version}:test")
        await self.join(carol, room_id)
        content = await self.content(alice, room_id, "m.room.member", f"@carol{version}:test")
        self.assertNotIn("join_authorised_via_users_server", content)

    async def test_who_vouches_for_a_join(self) -> None:
        """The join names a member who may invite; without one nobody gets in."""
        await self.people()
        dave, erin = await self.register("dave"), await self.register("erin")
        club = await self.create_public(self.alice)
        for token in (self.bob, dave, erin):
            await self.join(token, club)
        for version in ("8", "12"):
            # users' levels besides alice's, `invite`, `users_default`; then who may vouch
            for users, invite, users_default, vouching in (
                ({}, 50, 0, []),
                ({}, 0, 0, [BOB]),
                ({BOB: -1}, 0, 0, []),
                ({BOB: 50}, 50, 0, [BOB]),
                ({BOB: 49}, 50, 0, []),
                ({"@dave:test": 50}, 50, 0, []),
                ({"@zoe:elsewhere": 50}, 50, 0, []),
                ({}, 50, 50, [BOB]),
            ):
                with self.subTest(version=version, users=users, invite=invite):
                    room_id = await self.club_room(club, version, users, invite, users_default)
                    await self.join(self.bob, room_id)
                    first = await self.content(self.alice, room_id, "m.room.member", BOB)
                    self.assertEqual(first["join_authorised_via_users_server"], ALICE)
                    await self.leave(self.alice, room_id)
                    join = room_path(room_id, "/join")
                    if not vouching:
                        await self.refused(403, "M_FORBIDDEN", "POST", join, {}, token=erin)
                        continue
                    await self.ok("POST", join, {"reason": "tea"}, token=erin)
                    content = await self.content(erin, room_id, "m.room.member", "@erin:test")
                    self.assertIn(content["join_authorised_via_users_server"], vouching)
                    self.assertEqual(content["reason"], "tea")

    async def club_room(
        self, club: str, version: str, users: dict[str, int], invite: int, users_default: int
    ) -> str:
        """A room of alice's that members of the club may join."""
        allow = [{"type": "m.room_membership", "room_id": club}]
        rules = {"join_rule": "restricted", "allow": allow}
        if version != "12":
            users = {ALICE: 100, **users}
        return await self.create(
            self.alice,
            room_version=version,
            initial_state=[{"type": "m.room.join_rules", "content": rules}],
            power_level_content_override={
                "users": users,
                "invite": invite,
                "users_default": users_default,
            },
        )


class KnockTests(MembershipTestCase):
    async def test_knock_and_be_let_in(self) -> None:
        await self.people()
        rules = [{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}]
        room_id = await self.create(self.alice, initial_state=rules)
        path = f"{V3}/knock/{room_id}"
        for _ in range(2):
            answer = await self.ok("POST", path, {"reason": "hello?"}, token=self.bob)
            self.assertEqual(answer, {"room_id": room_id})
        content = await self.content(self.alice, room_id, "m.room.member", BOB)
        self.assertEqual((content["membership"], content["reason"]), ("knock", "hello?"))
        await self.refused(
            403, "M_FORBIDDEN", "POST", room_path(room_id, "/join"), {}, token=self.bob
        )
        await self.change_membership(self.alice, room_id, "invite", BOB)
        await self.join(self.bob, room_id)

    async def test_a_knock_is_taken_back_or_refused(self) -> None:
        await self.people()
        rules = [{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}]
        room_id = await self.create(self.alice, initial_state=rules)
        await self.ok("POST", f"{V3}/knock/{room_id}", {}, token=self.bob)
        await self.leave(self.bob, room_id)
        self.assertEqual(await self.bobs_membership(room_id), "leave")
        await self.ok("POST", f"{V3}/knock/{room_id}", {}, token=self.bob)
        await self.change_membership(self.alice, room_id, "kick", BOB)
        self.assertEqual(await self.bobs_membership(room_id), "leave")

    async def test_a_knock_sent_as_state(self) -> None:
        await self.people()
        rules = [{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}]
        room_id = await self.create(self.alice, initial_state=rules)
        profile = f"{V3}/profile/{BOB}/displayname"
        await self.ok("PUT", profile, {"displayname": "Bob"}, token=self.bob)
        answer = await self.put_member(self.bob, room_id, BOB, membership="knock", reason="hi")
        self.assertEqual(answer.status, 200)
        content = await self.content(self.alice, room_id, "m.room.member", BOB)
        self.assertEqual(content, {"membership": "knock", "reason": "hi", "displayname": "Bob"})

    async def test_where_nobody_knocks(self) -> None:
        await self.people()
        knock = [{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}]
        restricted = {"join_rule": "knock_restricted", "allow": []}
        for version, rules, membership in (
            ("6", knock, None),
            ("9", [{"type": "m.room.join_rules", "content": restricted}], None),
            ("12", [], None),
            ("12", knock, "invite"),
            ("12", knock, "ban"),
        ):
            room_id = await self.create(self.alice, room_version=version, initial_state=rules)
            if membership is not None:
                await self.change_membership(self.alice, room_id, membership, BOB)
            path = f"{V3}/knock/{room_id}"
            await self.refused(403, "M_FORBIDDEN", "POST", path, {}, token=self.bob)
        for room, status, errcode in (
            ("!unknown:test", 404, "M_NOT_FOUND"),
            ("%23unknown:test", 404, "M_NOT_FOUND"),
            ("nonsense", 400, "M_INVALID_PARAM"),
        ):
            path = f"{V3}/knock/{room}"
            await self.refused(status, errcode, "POST", path, {}, token=self.bob)

    async def test_knocks_are_limited_like_joins(self) -> None:
        await self.people()
        rules = [{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}]
        room_id = await self.create(self.alice, initial_state=rules)
        limit = RateLimit(per_second=0.01, burst_count=1)
        self.reconfigure(rate_limits={"rc_joins": JoinLimits(local=limit)})
        path = f"{V3}/knock/{room_id}"
        await self.ok("POST", path, {}, token=self.bob)
        await self.ok("POST", path, {}, token=self.bob)
        await self.leave(self.bob, room_id)
        await self.refused(429, "M_LIMIT_EXCEEDED", "POST", path, {}, token=self.bob)


class InviteTests(MembershipTestCase):
    async def test_what_is_no_user(self) -> None:
        await self.people()
        room_id = await self.create(self.alice)
        for user in ("bob", "@bob", "#bob:test", "@bob:", "@a\0:test", "@" + "b" * 255 + ":test"):
            for action in ("invite", "kick", "ban", "unban"):
                await self.refused(
                    400,
                    "M_INVALID_PARAM",
                    "POST",
                    room_path(room_id, f"/{action}"),
                    {"user_id": user},
                    token=self.alice,
                )
        await self.refused(
            400, "M_MISSING_PARAM", "POST", room_path(room_id, "/invite"), {}, token=self.alice
        )

    async def test_invites_can_be_for_administrators_only(self) -> None:
        self.reconfigure(rooms={"block_non_admin_invites": True})
        await self.people()
        room_id = await self.create(self.alice)
        path = room_path(room_id, "/invite")
        await self.refused(403, "M_FORBIDDEN", "POST", path, {"user_id": BOB}, token=self.alice)
        answer = await self.put_member(self.alice, room_id, BOB, membership="invite")
        self.assertEqual(answer.status, 403)

    async def test_users_of_other_servers_must_hear_of_it(self) -> None:
        await self.people()
        room_id = await self.create(self.alice)
        stranger = "@bob:elsewhere"
        path = room_path(room_id, "/invite")
        body = {"user_id": stranger}
        await self.refused(502, "M_UNKNOWN", "POST", path, body, token=self.alice)
        answer = await self.put_member(self.alice, room_id, stranger, membership="invite")
        self.assertEqual(answer.status, 502)
        # A ban needs nobody to be told.
        await self.ok("POST", room_path(room_id, "/ban"), body, token=self.alice)

    async def test_guests_do_not_invite(self) -> None:
        await self.people()
        _, guest = await self.guest()
        room_id = await self.create(self.alice)
        for action in ("invite", "kick", "ban", "unban"):
            await self.refused(
                403,
                "M_GUEST_ACCESS_FORBIDDEN",
                "POST",
                room_path(room_id, f"/{action}"),
                {"user_id": BOB},
                token=guest,
            )


class ForgetTests(MembershipTestCase):
    async def test_a_forgotten_room_is_gone(self) -> None:
        await self.people()
        room_id = await self.create_public(self.alice)
        await self.put_into(room_id, "leave")
        await self.ok("GET", room_path(room_id, "/state"), token=self.bob)
        await self.ok("POST", room_path(room_id, "/forget"), {}, token=self.bob)
        for path in ("/state", "/messages?dir=b", "/members"):
            await self.refused(403, "M_FORBIDDEN", "GET", room_path(room_id, path), token=self.bob)
        await self.join(self.bob, room_id)
        await self.ok("GET", room_path(room_id, "/state"), token=self.bob)

    async def test_leaving_may_forget(self) -> None:
        self.reconfigure(rooms={"forget_rooms_on_leave": True})
        await self.people()
        room_id = await self.create_public(self.alice)
        await self.put_into(room_id, "leave")
        await self.refused(403, "M_FORBIDDEN", "GET", room_path(room_id, "/state"), token=self.bob)

    async def test_unknown_rooms_look_like_rooms_of_others(self) -> None:
        await self.people()
        room_id = await self.create(self.alice)
        answers = [
            await self.fetch("POST", room_path(room, "/forget"), {}, token=self.bob)
            for room in (room_id, "!unknown:test")
        ]
        self.assertEqual(answers[0].json, answers[1].json)


class JoinedRoomsTests(MembershipTestCase):
    async def test_joined_rooms(self) -> None:
        await self.people()
        rooms = {await self.create_public(self.alice) for _ in range(3)}
        for room_id in rooms:
            await self.join(self.bob, room_id)
        left = await self.create_public(self.alice)
        await self.put_into(left, "leave")
        invited = await self.create_public(self.alice)
        await self.put_into(invited, "invite")
        answer = await self.ok("GET", f"{V3}/joined_rooms", token=self.bob)
        self.assertEqual(set(answer["joined_rooms"]), rooms)
        self.assertEqual(len(answer["joined_rooms"]), 3)
