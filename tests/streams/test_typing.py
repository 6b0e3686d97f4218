"""Typing notices in memory."""

from twisted.internet.task import Clock as FakeTime

from synapse.streams.followers import Followers
from synapse.streams.serials import Serials
from synapse.streams.typing import Typing
from synapse.util.clock import Clock
from tests.case import TestCase

ROOM, OTHER = 1, 2
ALICE, BOB = "@alice:test", "@bob:test"


class TypingTests(TestCase):
    def setUp(self) -> None:
        self.time = FakeTime()
        clock = Clock(self.time, real=False)
        followers = Followers(None, clock, position=lambda: 0)  # type: ignore[arg-type]
        self.typing = Typing(followers, Serials(clock), clock)

    def test_who_types_is_seen_until_they_stop(self) -> None:
        self.typing.start(ROOM, ALICE, 30_000)
        self.typing.start(ROOM, BOB, 30_000)
        self.assertEqual(self.typing.users(ROOM), [ALICE, BOB])
        self.typing.stop(ROOM, ALICE)
        self.assertEqual(self.typing.users(ROOM), [BOB])
        self.assertEqual(self.typing.users(OTHER), [])

    def test_or_until_their_time_is_up(self) -> None:
        self.typing.start(ROOM, ALICE, 30_000)
        self.time.advance(20)
        self.typing.start(ROOM, ALICE, 30_000)
        self.time.advance(20)
        self.assertEqual(self.typing.users(ROOM), [ALICE])
        self.time.advance(10)
        self.assertEqual(self.typing.users(ROOM), [])

    def test_nobody_types_for_ever(self) -> None:
        self.typing.start(ROOM, ALICE, 10**15)
        self.time.advance(121)
        self.assertEqual(self.typing.users(ROOM), [])

    def test_changes_are_numbered(self) -> None:
        self.typing.start(ROOM, ALICE, 30_000)
        before = self.typing.serial
        self.typing.start(ROOM, ALICE, 30_000)
        self.assertEqual(self.typing.serial, before, "nothing changed for the others")
        self.typing.start(OTHER, ALICE, 30_000)
        self.assertEqual(self.typing.rooms_since(before), [OTHER])
        self.assertFalse(self.typing.changed_since(ROOM, before))
        self.assertTrue(self.typing.changed_since(OTHER, before))
        self.assertEqual(self.typing.rooms_since(-1), [OTHER, ROOM])

    def test_after_a_restart_nobody_types_any_more(self) -> None:
        self.typing.start(ROOM, ALICE, 30_000)
        before = self.typing.serial
        self.time.advance(1)
        self.typing.close()
        clock = Clock(self.time, real=False)
        followers = Followers(None, clock, position=lambda: 0)  # type: ignore[arg-type]
        restarted = Typing(followers, Serials(clock), clock)
        self.assertTrue(restarted.changed_since(ROOM, before))
        self.assertFalse(restarted.changed_since(ROOM, restarted.serial))
