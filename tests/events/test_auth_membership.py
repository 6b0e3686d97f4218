"""Rule 5 of the authorisation rules, as tables: who may join, invite, leave, kick, ban, knock."""

from typing import Any
from unittest import TestCase

from tests.events.auth_rooms import (
    ALICE,
    ALL,
    BOB,
    CAROL,
    CREATE_ID,
    MOD,
    Row,
    between,
    check_rows,
    since,
    until,
)


def member(sender: str, target: str | None, membership: Any, **content: Any) -> tuple[Any, ...]:
    event = ("m.room.member", sender, {"membership": membership, **content})
    return event if target is None else (*event, target)


def room(carol: Any = None, **more: Any) -> dict[str, Any]:
    """A room where Carol has this membership."""
    return {**more, "members": {CAROL: carol, **more.get("members", {})}}


JOINS_CAROL = member(CAROL, CAROL, "join")
KNOCKS_CAROL = member(CAROL, CAROL, "knock")
LEAVES_CAROL = member(CAROL, CAROL, "leave")
BEHIND_CREATE = {"prev_events": [CREATE_ID]}

SHAPE = [
    Row("5.1", ALL, {}, member(ALICE, None, "join"), "needs a state_key"),
    Row("5.1", ALL, {}, ("m.room.member", ALICE, {}, ALICE), "needs a state_key and a member"),
    Row("5.8", ALL, {}, member(ALICE, ALICE, "dance"), "Unknown membership 'dance'"),
    Row("5.8", ALL, {}, member(ALICE, ALICE, None), "Unknown membership None"),
    Row("5.8", ALL, {}, member(ALICE, ALICE, {"a": []}), "Unknown membership"),
    Row("5.8", ALL, {}, member(ALICE, ALICE, "Join"), "Unknown membership"),
]

JOINS = [
    # The creator joins first.
    Row("5.3.1", ALL, room(members={ALICE: None}, join_rule=None),
        member(ALICE, ALICE, "join"), "", BEHIND_CREATE),
    Row("5.3.1", ALL, room(members={ALICE: None}, join_rule=None),
        member(ALICE, ALICE, "join"), "not invited"),
    Row("5.3.1", ALL, room(members={ALICE: None}, join_rule=None),
        member(ALICE, ALICE, "join"), "not invited", {"prev_events": [CREATE_ID, "$other:a"]}),
    Row("5.3.1", ALL, room(join_rule=None), JOINS_CAROL, "not invited", BEHIND_CREATE),
    Row("5.3.1", until(10), room(create={"creator": CAROL}), JOINS_CAROL, "", BEHIND_CREATE),
    Row("5.3.1", since(11), room(create={"creator": CAROL}), JOINS_CAROL, "not", BEHIND_CREATE),
    Row("5.3.1", ALL, room(create={"additional_creators": [CAROL]}), JOINS_CAROL, "not invited",
        BEHIND_CREATE),
    Row("5.3.2", ALL, room(join_rule="public"), member(BOB, CAROL, "join"), "another user"),
    Row("5.3.2", ALL, room("invite"), member(ALICE, CAROL, "join"), "another user join"),
    Row("5.3.3", ALL, room("ban", join_rule="public"), JOINS_CAROL, "You are banned"),
    Row("5.3.4", ALL, room("invite"), JOINS_CAROL),
    Row("5.3.4", ALL, room("join"), JOINS_CAROL),
    Row("5.3.4", ALL, room("leave"), JOINS_CAROL, "You are not invited to this room"),
    Row("5.3.4", ALL, room("knock"), JOINS_CAROL, "You are not invited to this room"),
    Row("5.3.4", ALL, room("ban"), JOINS_CAROL, "You are banned"),
    Row("5.3.4", ALL, room(), JOINS_CAROL, "You are not invited to this room"),
    Row("5.3.4", ALL, room(join_rule=None), JOINS_CAROL, "You are not invited to this room"),
    Row("5.3.4", ALL, room("invite", join_rule=None), JOINS_CAROL),
    Row("5.3.4", since(7), room("invite", join_rule="knock"), JOINS_CAROL),
    Row("5.3.4", since(7), room("join", join_rule="knock"), JOINS_CAROL),
    Row("5.3.4", since(7), room("knock", join_rule="knock"), JOINS_CAROL, "not invited"),
    Row("5.3.4", until(6), room("invite", join_rule="knock"), JOINS_CAROL, "lets nobody join"),
    Row("5.3.5", until(7), room("invite", join_rule="restricted"), JOINS_CAROL, "lets nobody"),
    Row("5.3.5.1", since(8), room("invite", join_rule="restricted"), JOINS_CAROL),
    Row("5.3.5.1", since(8), room("join", join_rule="restricted"), JOINS_CAROL),
    Row("5.3.5.1", since(10), room("join", join_rule="knock_restricted"), JOINS_CAROL),
    Row("5.3.5", until(9), room("invite", join_rule="knock_restricted"), JOINS_CAROL, "nobody"),
    Row("5.3.6", ALL, room(join_rule="public"), JOINS_CAROL),
    Row("5.3.6", ALL, room("leave", join_rule="public"), JOINS_CAROL),
    Row("5.3.7", ALL, room("invite", join_rule="private"), JOINS_CAROL, "lets nobody join"),
    Row("5.3.7", ALL, room("invite", join_rule=["public"]), JOINS_CAROL, "lets nobody join"),
    Row("5.3.7", ALL, room(join_rule={"join_rule": "public"}), JOINS_CAROL, "lets nobody join"),
]  # fmt: skip


def restricted(rule: str = "restricted", **more: Any) -> dict[str, Any]:
    return room(join_rule=rule, **more)


def authorised_by(user: Any) -> tuple[Any, ...]:
    return member(CAROL, CAROL, "join", join_authorised_via_users_server=user)


def signed_by_a(server: str) -> bool:
    return server == "a"


RESTRICTED_JOINS = [
    Row("5.2.1", since(8), restricted(), authorised_by(MOD), "", signed_by=signed_by_a),
    Row("5.2.1", since(8), restricted(), authorised_by(MOD), "did not sign it"),
    Row("5.2.1", since(8), restricted(), authorised_by(BOB), "not sign", signed_by=signed_by_a),
    Row("5.2.1", since(8), restricted(), authorised_by(5), "user id", signed_by=signed_by_a),
    Row("5.2.1", since(8), restricted(), authorised_by("a"), "user id", signed_by=signed_by_a),
    # The signature is asked for whatever the membership and the join rule.
    Row("5.2.1", since(8), room(join_rule="public"), authorised_by(MOD), "did not sign it"),
    Row("5.2.1", since(8), room("join"),
        member(CAROL, CAROL, "leave", join_authorised_via_users_server=MOD), "did not sign it"),
    Row("5.2.1", until(7), room(join_rule="public"), authorised_by(MOD)),
    Row("5.3.5.2", since(8), restricted(), JOINS_CAROL, "nobody in it authorised"),
    Row("5.3.5.2", since(8), restricted(members={MOD: "leave"}), authorised_by(MOD),
        "who authorises your join, is not in this room", signed_by=signed_by_a),
    Row("5.3.5.2", since(8), restricted(members={MOD: "invite"}), authorised_by(MOD),
        "is not in this room", signed_by=signed_by_a),
    Row("5.3.5.2", since(8), restricted(more_levels={"invite": 51}), authorised_by(MOD),
        "may not invite users", signed_by=signed_by_a),
    Row("5.3.5.2", since(8), restricted(more_levels={"invite": 50}), authorised_by(MOD),
        signed_by=signed_by_a),
    Row("5.3.5.2", since(12), restricted(more_levels={"invite": 500}), authorised_by(ALICE),
        signed_by=signed_by_a),
    Row("5.3.5.2", since(10), restricted("knock_restricted"), authorised_by(MOD),
        signed_by=signed_by_a),
    Row("5.3.5.2", since(10), restricted("knock_restricted"), JOINS_CAROL, "nobody in it"),
    Row("5.3.5", between(8, 9), restricted("knock_restricted"), authorised_by(MOD),
        "lets nobody join", signed_by=signed_by_a),
    Row("5.3.3", since(8), {"members": {CAROL: "ban"}, "join_rule": "restricted"},
        authorised_by(MOD), "You are banned", signed_by=signed_by_a),
]  # fmt: skip

INVITES_CAROL = member(BOB, CAROL, "invite")
INVITES = [
    Row("5.4.2", ALL, room(members={BOB: "leave"}), INVITES_CAROL, "not in this room"),
    Row("5.4.2", ALL, room(members={BOB: "invite"}), INVITES_CAROL, "not in this room"),
    Row("5.4.2", ALL, room("leave"), member(CAROL, CAROL, "invite"), "not in this room"),
    Row("5.4.3", ALL, room("join"), INVITES_CAROL, "already in the room"),
    Row("5.4.3", ALL, room("ban"), INVITES_CAROL, "is banned"),
    Row("5.4.3", ALL, room("ban"), member(ALICE, CAROL, "invite"), "is banned"),
    Row("5.4.4", ALL, room(), INVITES_CAROL),
    Row("5.4.4", ALL, room("leave"), INVITES_CAROL),
    Row("5.4.4", ALL, room("invite"), INVITES_CAROL),
    Row("5.4.4", ALL, room("knock"), INVITES_CAROL),
    Row("5.4.4", ALL, room(levels=None), INVITES_CAROL),
    Row("5.4.4", ALL, room(more_levels={"invite": 50}), member(MOD, CAROL, "invite")),
    Row("5.4.5", ALL, room(more_levels={"invite": 1}), INVITES_CAROL, "permission to invite"),
    Row("5.4.5", until(9), room(more_levels={"invite": "1"}), INVITES_CAROL, "permission to inv"),
]

LEAVES = [
    Row("5.5.1", ALL, room("join"), LEAVES_CAROL),
    Row("5.5.1", ALL, room("invite"), LEAVES_CAROL),
    Row("5.5.1", since(7), room("knock"), LEAVES_CAROL),
    Row("5.5.1", until(6), room("knock"), LEAVES_CAROL, "not in this room"),
    Row("5.5.1", ALL, room("leave"), LEAVES_CAROL, "not in this room"),
    Row("5.5.1", ALL, room(), LEAVES_CAROL, "not in this room"),
    Row("5.5.1", ALL, room("ban"), LEAVES_CAROL, "You are banned"),
    Row("5.5.1", since(12), {"members": {ALICE: "ban"}}, member(ALICE, ALICE, "leave"), "banned"),
    Row("5.5.2", ALL, room("invite", members={CAROL: "invite", MOD: "leave"}),
        member(MOD, CAROL, "leave"), "not in this room"),
    Row("5.5.3", ALL, room("ban", more_levels={"ban": 60}), member(MOD, CAROL, "leave"), "unban"),
    Row("5.5.4", ALL, room("ban"), member(MOD, CAROL, "leave")),
    Row("5.5.5", ALL, room("ban", more_levels={"kick": 60}), member(MOD, CAROL, "leave"), "kick"),
    Row("5.5.4", ALL, room("join"), member(MOD, CAROL, "leave")),
    Row("5.5.4", ALL, room("invite"), member(MOD, CAROL, "leave")),
    Row("5.5.4", ALL, room(), member(MOD, CAROL, "leave")),
    Row("5.5.4", ALL, room("join", more_levels={"kick": 0, "users_default": 1}),
        member(MOD, BOB, "leave")),
    Row("5.5.5", ALL, room("join"), member(BOB, CAROL, "leave"), "permission to kick"),
    Row("5.5.5", ALL, room("join", more_levels={"kick": 0}), member(BOB, CAROL, "leave"), "kick"),
    Row("5.5.5", ALL, room(more_levels={"users_default": 50}), member(MOD, BOB, "leave"), "kick"),
    Row("5.5.5", ALL, room(), member(MOD, ALICE, "leave"), "permission to kick"),
    Row("5.5.4", ALL, room(), member(ALICE, MOD, "leave")),
    # Creators can't remove each other: infinite isn't less than infinite.
    Row("5.5.5", since(12), room(create={"additional_creators": [BOB]}),
        member(ALICE, BOB, "leave"), "permission to kick"),
]  # fmt: skip

BANS = [
    Row("5.6.1", ALL, room(members={MOD: "leave"}), member(MOD, CAROL, "ban"), "not in this room"),
    Row("5.6.2", ALL, room(), member(MOD, CAROL, "ban")),
    Row("5.6.2", ALL, room("join"), member(MOD, CAROL, "ban")),
    Row("5.6.2", ALL, room("ban"), member(MOD, CAROL, "ban")),
    Row("5.6.2", ALL, room("join", more_levels={"kick": 99}), member(MOD, CAROL, "ban")),
    Row("5.6.3", ALL, room("join", more_levels={"ban": 51}), member(MOD, CAROL, "ban"), "ban"),
    Row("5.6.3", ALL, room("join"), member(BOB, CAROL, "ban"), "permission to ban"),
    Row("5.6.3", ALL, room(), member(MOD, ALICE, "ban"), "permission to ban"),
    Row("5.6.3", ALL, room(), member(MOD, MOD, "ban"), "permission to ban"),
    Row("5.6.3", ALL, room(more_levels={"users_default": 50}), member(MOD, BOB, "ban"), "to ban"),
    Row("5.6.2", ALL, room(levels=None), member(ALICE, CAROL, "ban")),
    Row("5.6.3", ALL, room(levels=None), member(BOB, CAROL, "ban"), "permission to ban"),
]

KNOCKS = [
    Row("5.7", until(6), room(join_rule="knock"), KNOCKS_CAROL, "Unknown membership 'knock'"),
    Row("5.7.1", since(7), room(join_rule="invite"), KNOCKS_CAROL, "doesn't allow knocking"),
    Row("5.7.1", since(7), room(join_rule="public"), KNOCKS_CAROL, "doesn't allow knocking"),
    Row("5.7.1", since(7), room(join_rule="restricted"), KNOCKS_CAROL, "doesn't allow knocking"),
    Row("5.7.1", since(7), room(join_rule=None), KNOCKS_CAROL, "doesn't allow knocking"),
    Row("5.7.1", since(7), room(join_rule=7), KNOCKS_CAROL, "doesn't allow knocking"),
    Row("5.7.1", between(7, 9), room(join_rule="knock_restricted"), KNOCKS_CAROL, "allow knock"),
    Row("5.7.1", since(10), room(join_rule="knock_restricted"), KNOCKS_CAROL),
    Row("5.7.2", since(7), room(join_rule="knock"), member(BOB, CAROL, "knock"), "another user"),
    Row("5.7.3", since(7), room(join_rule="knock"), KNOCKS_CAROL),
    Row("5.7.3", since(7), room("leave", join_rule="knock"), KNOCKS_CAROL),
    Row("5.7.3", since(7), room("knock", join_rule="knock"), KNOCKS_CAROL),
    Row("5.7.4", since(7), room("ban", join_rule="knock"), KNOCKS_CAROL, "banned"),
    Row("5.7.4", since(7), room("invite", join_rule="knock"), KNOCKS_CAROL, "already in"),
    Row("5.7.4", since(7), room("join", join_rule="knock"), KNOCKS_CAROL, "already in this room"),
]


class MembershipRulesTests(TestCase):
    def test_a_membership_event_has_a_state_key_and_a_known_membership(self) -> None:
        check_rows(self, SHAPE)

    def test_joins(self) -> None:
        check_rows(self, JOINS)

    def test_restricted_joins(self) -> None:
        check_rows(self, RESTRICTED_JOINS)

    def test_invites(self) -> None:
        check_rows(self, INVITES)

    def test_leaves_kicks_and_unbans(self) -> None:
        check_rows(self, LEAVES)

    def test_bans(self) -> None:
        check_rows(self, BANS)

    def test_knocks(self) -> None:
        check_rows(self, KNOCKS)
