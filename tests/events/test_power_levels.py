from typing import Any
from unittest import TestCase

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.power_levels import (
    DEFAULT_LEVELS,
    INFINITE,
    PowerLevels,
    creators,
    read_level,
)
from tests.events.auth_rooms import ALICE, BOB, MOD, room_state, since, until

READ: list[tuple[Any, int | None, int | None]] = [
    # value, read until version 9, since version 10
    (50, 50, 50),
    (-1, -1, -1),
    (True, None, None),
    (None, None, None),
    ([], None, None),
    ({}, None, None),
    (51146.98, 51146, None),
    (-0.5, 0, None),
    (1e300, int(1e300), None),
    (float("inf"), None, None),
    (float("nan"), None, None),
    ("100", 100, None),
    ("000100", 100, None),
    ("+100", 100, None),
    ("-100", -100, None),
    (" \t\n 00100 ", 100, None),
    ("+ 100", None, None),
    ("--1", None, None),
    ("1.0", None, None),
    ("1e2", None, None),
    ("1_000", None, None),
    ("٣", None, None),
    ("", None, None),
    ("9" * 5000, None, None),
]


def levels(version: str, content: Any = "standard", **create: Any) -> PowerLevels:
    return PowerLevels.of(room_state(ROOM_VERSIONS[version], levels=content, create=create))


class PowerLevelsTests(TestCase):
    def test_how_levels_are_written(self) -> None:
        for value, until_9, since_10 in READ:
            with self.subTest(value=value):
                self.assertEqual(until_9, read_level(value, ROOM_VERSIONS["9"]))
                self.assertEqual(since_10, read_level(value, ROOM_VERSIONS["10"]))

    def test_without_an_event_the_creator_has_100_or_infinitely_much(self) -> None:
        for version in until(11):
            self.assertEqual(100, levels(version, None).of_user(ALICE))
        for version in since(12):
            self.assertEqual(INFINITE, levels(version, None).of_user(ALICE))
        for version in since(1):
            self.assertEqual(0, levels(version, None).of_user(BOB))

    def test_with_an_event_the_creator_is_a_user_like_others_until_version_11(self) -> None:
        for version in until(11):
            self.assertEqual(0, levels(version, {}).of_user(ALICE))

    def test_since_version_12_creators_have_infinite_power(self) -> None:
        for version in since(12):
            view = levels(version, {"users": {BOB: 5, ALICE: 5}}, additional_creators=[MOD])
            self.assertEqual(INFINITE, view.of_user(ALICE))
            self.assertEqual(INFINITE, view.of_user(MOD))
            self.assertEqual(5, view.of_user(BOB))

    def test_who_the_creators_are(self) -> None:
        for version in since(1):
            create = room_state(
                ROOM_VERSIONS[version], create={"creator": BOB, "additional_creators": [MOD, 5]}
            )["m.room.create", ""]
            expected = (
                [BOB] if version in until(10) else [ALICE, MOD] if version == "12" else [ALICE]
            )
            self.assertEqual(expected, creators(create))

    def test_defaults(self) -> None:
        for version in since(1):
            contents: list[Any] = [None, {}]
            for content in contents:
                view = levels(version, content)
                for name, default in DEFAULT_LEVELS.items():
                    self.assertEqual(default, view.named(name))
                self.assertEqual((50, 50, 50, 0), (view.ban, view.kick, view.redact, view.invite))
                self.assertEqual(50, view.to_send("m.x", is_state=True))
                self.assertEqual(0, view.to_send("m.x", is_state=False))

    def test_what_the_event_says_goes_before_the_defaults(self) -> None:
        view = levels(
            "10",
            {
                "users": {BOB: 7},
                "users_default": 1,
                "events": {"m.x": 2},
                "events_default": 3,
                "state_default": 4,
                "invite": 6,
            },
        )
        self.assertEqual((7, 1), (view.of_user(BOB), view.of_user(MOD)))
        self.assertEqual(2, view.to_send("m.x", is_state=True))
        self.assertEqual(3, view.to_send("m.y", is_state=False))
        self.assertEqual(4, view.to_send("m.y", is_state=True))
        self.assertEqual(6, view.invite)

    def test_what_cannot_be_read_counts_as_absent(self) -> None:
        view = levels(
            "12",
            {
                "users": {BOB: "7"},
                "users_default": None,
                "events": {"m.x": []},
                "ban": "0",
            },
        )
        self.assertEqual((0, 50), (view.of_user(BOB), view.ban))
        self.assertEqual(0, view.to_send("m.x", is_state=False))
        view = levels("12", {"users": [BOB], "events": "m.x"})
        self.assertEqual(0, view.of_user(BOB))
        self.assertEqual(0, view.to_send("m.x", is_state=False))
