"""Rule 10 of the authorisation rules, as tables: who may change power levels to what."""

from typing import Any
from unittest import TestCase

from synapse.events.power_levels import DEFAULT_LEVELS
from tests.events.auth_rooms import (
    ALICE,
    ALL,
    BOB,
    CAROL,
    MOD,
    Row,
    between,
    check_rows,
    since,
    until,
)


def levels(sender: str, **content: Any) -> tuple[Any, ...]:
    return ("m.room.power_levels", sender, content, "")


def room(**more: Any) -> dict[str, Any]:
    """A room where Mod, at 50, may send power levels; nobody else but creators is listed."""
    return {"levels": {"users": {MOD: 50}, **more}}


MODS = {"users": {MOD: 50}}

NO_LEVELS: list[Any] = [None, True, [], {}, "fifty", "", "1.5", "1_0", "0x1", "\u0661"]
SHAPE = [
    *(
        Row("10.1", ALL, {}, levels(ALICE, **{name: value}), f"{name} in .* must be an integer")
        for name in DEFAULT_LEVELS
        for value in NO_LEVELS
    ),
    *(
        Row("10.1", since(10), {}, levels(ALICE, **{name: value}), f"{name} in .* be an integer")
        for name in DEFAULT_LEVELS
        for value in ("50", 50.0)
    ),
    Row("10.1", until(9), room(), levels(MOD, **MODS, ban=" +0050 ", kick=50.9)),
    Row("10.1", ALL, room(), levels(MOD, **MODS, ban=-(2**53) + 1)),
    Row("10.2", ALL, {}, levels(ALICE, events=[]), "events in .* must be an object"),
    Row("10.2", ALL, {}, levels(ALICE, events=None), "events in .* must be an object"),
    Row("10.2", ALL, {}, levels(ALICE, events={"m.x": None}), "events.m.x in .* an integer"),
    Row("10.2", since(10), {}, levels(ALICE, events={"m.x": "5"}), "events.m.x in .* an integer"),
    Row("10.2", since(10), {}, levels(ALICE, events={"m.x": 5.0}), "events.m.x in .* an integer"),
    Row("10.2", since(6), {}, levels(ALICE, notifications=5), "notifications in .* an object"),
    Row("10.2", since(6), {}, levels(ALICE, notifications={"room": {}}), "notifications.room"),
    Row("10.2", since(10), {}, levels(ALICE, notifications={"room": "5"}), "notifications.room"),
    Row("10.2", until(9), room(), levels(MOD, **MODS, events={"m.x": "5", "m.y": 1.5})),
    Row("10.2", between(6, 9), room(), levels(MOD, **MODS, notifications={"room": "5"})),
    Row("10.2", until(5), room(), levels(MOD, **MODS, notifications="what you like")),
    Row("10.3", ALL, {}, levels(ALICE, users=[]), "users in .* must be an object"),
    Row("10.3", ALL, {}, levels(ALICE, users=None), "users in .* must be an object"),
    Row("10.3", ALL, {}, levels(ALICE, users={"bob": 0}), "user ids as keys"),
    Row("10.3", ALL, {}, levels(ALICE, users={"@bob": 0}), "user ids as keys"),
    Row("10.3", ALL, {}, levels(ALICE, users={"@bob:": 0}), "user ids as keys"),
    Row("10.3", ALL, {}, levels(ALICE, users={"@bob:b b": 0}), "user ids as keys"),
    Row("10.3", ALL, {}, levels(ALICE, users={"@bob:b\n": 0}), "user ids as keys"),
    Row("10.3", ALL, {}, levels(ALICE, users={f"@{'b' * 255}:b": 0}), "user ids as keys"),
    Row("10.3", ALL, {}, levels(ALICE, users={BOB: None}), "users.@bob:b in .* an integer"),
    Row("10.3", ALL, {}, levels(ALICE, users={BOB: True}), "users.@bob:b in .* an integer"),
    Row("10.3", since(10), {}, levels(ALICE, users={BOB: "0"}), "users.@bob:b in .* an integer"),
    Row("10.3", until(9), room(), levels(MOD, users={MOD: "50", BOB: 1.5})),
    Row("10.3", ALL, room(), levels(MOD, users={MOD: 50, "@Ünï côdé!:b:8448": 0, "@:[::1]": 0})),
    # An absent object is an empty one.
    Row("10.3", since(12), {"levels": {}}, levels(ALICE)),
]  # fmt: skip

CREATORS = [
    Row("10.4", since(12), {}, levels(ALICE, users={ALICE: 100}), "created the room"),
    Row("10.4", since(12), {"create": {"additional_creators": [BOB]}},
        levels(ALICE, users={BOB: 100}), "@bob:b created the room"),
    Row("10.4", since(12), {"levels": None}, levels(ALICE, users={ALICE: 0}), "created the room"),
    Row("10.4", since(12), {}, levels(ALICE, users={BOB: 2**53 - 1})),
    Row("10.4", until(11), {}, levels(ALICE, users={ALICE: 100, MOD: 50})),
    Row("10.9", since(12), room(users={MOD: 2**53 - 1}), levels(ALICE, users={MOD: 0})),
]  # fmt: skip

FIRST_LEVELS = [
    Row("10.5", until(11), {"levels": None}, levels(ALICE, users={ALICE: 100, BOB: 999})),
    Row("10.5", since(12), {"levels": None}, levels(ALICE, users={BOB: 999}, ban=1000)),
    Row("10.5", until(11), {"levels": None}, levels(ALICE, users={})),
    Row("8", ALL, {"levels": None}, levels(BOB, users={BOB: 100}), "takes power level 50"),
]

NAMED = [
    row
    for name in DEFAULT_LEVELS
    for row in (
        # changed, added, removed: within what the sender has …
        Row("10.6", ALL, room(**{name: 50}), levels(MOD, **MODS, **{name: 0})),
        Row("10.6", ALL, room(), levels(MOD, **MODS, **{name: 50})),
        Row("10.6", ALL, room(**{name: 50}), levels(MOD, **MODS)),
        # … and beyond.
        Row("10.6.2", ALL, room(**{name: 1}), levels(MOD, **MODS, **{name: 51}), "above your own"),
        Row("10.6.2", ALL, room(), levels(MOD, **MODS, **{name: 51}), "above your own 50"),
        Row("10.6", until(9), room(**{name: "50"}), levels(MOD, **MODS, **{name: " 050"})),
        Row("10.6.2", until(9), room(), levels(MOD, **MODS, **{name: "51"}), "above your own 50"),
    )
] + [
    row
    for name in ("ban", "redact", "kick", "invite", "events_default")
    for row in (
        Row("10.6.1", ALL, room(**{name: 51}), levels(MOD, **MODS, **{name: 50}), "it is 51"),
        Row("10.6.1", ALL, room(**{name: 51}), levels(MOD, **MODS), f"to change {name}: it is 51"),
        Row("10.6", ALL, room(**{name: 51}), levels(MOD, **MODS, **{name: 51})),
    )
]


def entries(name: str, versions: list[str]) -> list[Row]:
    return [
        Row("10.7", versions, room(**{name: {"x": 50}}), levels(MOD, **MODS, **{name: {"x": 1}})),
        Row("10.7", versions, room(**{name: {"x": 50}}), levels(MOD, **MODS, **{name: {}})),
        Row("10.7", versions, room(**{name: {"x": 50}}), levels(MOD, **MODS)),
        Row("10.7", versions, room(**{name: {"x": 51}}), levels(MOD, **MODS, **{name: {"x": 51}})),
        Row("10.7.1", versions, room(**{name: {"x": 51}}),
            levels(MOD, **MODS, **{name: {"x": 1}}), f"change {name}.x: it is 51"),
        Row("10.7.1", versions, room(**{name: {"x": 51}}), levels(MOD, **MODS), "it is 51"),
        Row("10.7.1", versions, room(**{name: {"x": 51}}),
            levels(MOD, **MODS, **{name: {}}), "it is 51"),
        Row("10.8", versions, room(), levels(MOD, **MODS, **{name: {"x": 50}})),
        Row("10.8.1", versions, room(), levels(MOD, **MODS, **{name: {"x": 51}}), "above your"),
        Row("10.8.1", versions, room(**{name: {"x": 1}}),
            levels(MOD, **MODS, **{name: {"x": 51}}), f"{name}.x to 51, above your own 50"),
    ]  # fmt: skip


ENTRIES = [
    *entries("events", ALL),
    *entries("notifications", since(6)),
    Row("10.7", until(5), room(notifications={"room": 51}), levels(MOD, **MODS)),
    Row("10.8", until(5), room(), levels(MOD, **MODS, notifications={"room": 51})),
]

USERS = [
    Row("10.9", ALL, room(users={MOD: 50, BOB: 49}), levels(MOD, users={MOD: 50, BOB: 0})),
    Row("10.9", ALL, room(users={MOD: 50, BOB: 49}), levels(MOD, users={MOD: 50})),
    Row("10.9", ALL, room(users={MOD: 50, BOB: 50}), levels(MOD, users={MOD: 50, BOB: 50})),
    Row("10.9", ALL, room(users={MOD: 50, BOB: 99}), levels(MOD, users={MOD: 50, BOB: 99})),
    Row("10.9.1", ALL, room(users={MOD: 50, BOB: 50}), levels(MOD, users={MOD: 50, BOB: 49}),
        "change the power level of @bob:b"),
    Row("10.9.1", ALL, room(users={MOD: 50, BOB: 50}), levels(MOD, users={MOD: 50}),
        "change the power level of @bob:b"),
    Row("10.9.1", ALL, room(users={MOD: 50, BOB: 51}), levels(MOD, users={MOD: 50}),
        "change the power level of @bob:b"),
    Row("10.9.1", ALL, room(users={MOD: 50, BOB: 51}), levels(MOD), "the power level of @bob:b"),
    # One may give up one's own power.
    Row("10.9", ALL, room(), levels(MOD, users={MOD: 10})),
    Row("10.9", ALL, room(), levels(MOD, users={})),
    Row("10.9", ALL, room(), levels(MOD)),
    Row("10.10", ALL, room(), levels(MOD, users={MOD: 50, CAROL: 50})),
    Row("10.10", ALL, room(users={MOD: 50, BOB: 1}), levels(MOD, users={MOD: 50, BOB: 50})),
    Row("10.10.1", ALL, room(), levels(MOD, users={MOD: 51}), "users.@mod:a to 51, above your"),
    Row("10.10.1", ALL, room(), levels(MOD, users={MOD: 50, CAROL: 51}), "above your own 50"),
    Row("10.10.1", ALL, room(users={MOD: 50, BOB: 1}), levels(MOD, users={MOD: 50, BOB: 51}),
        "above your own 50"),
    # "50" and 50 are the same level, which is no change.
    Row("10.9", until(9), room(users={MOD: 50, BOB: "99"}), levels(MOD, users={MOD: 50, BOB: 99})),
    Row("8", ALL, room(), levels(BOB, **MODS), "m.room.power_levels: it takes power level 50"),
]  # fmt: skip


class PowerLevelRulesTests(TestCase):
    def test_levels_are_integers(self) -> None:
        check_rows(self, SHAPE)

    def test_creators_are_above_all_levels_since_version_12(self) -> None:
        check_rows(self, CREATORS)

    def test_the_first_power_levels_are_free(self) -> None:
        check_rows(self, FIRST_LEVELS)

    def test_named_levels(self) -> None:
        check_rows(self, NAMED)

    def test_levels_of_event_types_and_notifications(self) -> None:
        check_rows(self, ENTRIES)

    def test_levels_of_users(self) -> None:
        check_rows(self, USERS)
