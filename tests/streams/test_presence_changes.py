"""Whose presence changed, and in which order that is known."""

from unittest.mock import patch

from twisted.internet.task import Clock as FakeTime

from synapse.api.presence import PresenceState
from synapse.streams import presence_changes
from synapse.streams.followers import Follower, Followers
from synapse.streams.presence import UserPresence
from synapse.streams.presence_changes import PresenceChanges
from synapse.streams.serials import Serials
from synapse.util.background import Background
from synapse.util.clock import Clock
from tests.case import TestCase


class PresenceChangesTests(TestCase):
    def setUp(self) -> None:
        self.time = FakeTime()
        self.time.advance(1_000)
        clock = Clock(self.time, real=False)
        followers = Followers(None, clock, position=lambda: 0)  # type: ignore[arg-type]
        self.serials = Serials(clock)
        self.start = self.serials.last
        self.changes = PresenceChanges(followers, self.serials, clock, Background())
        self.addCleanup(self.changes.close)

    def user(
        self, nid: int, state: PresenceState = PresenceState.ONLINE, serial: int = 0
    ) -> UserPresence:
        user = UserPresence(f"@user{nid}:test", nid)
        user.restore(state, None, 0, serial, 0)
        return self.changes.add(user)

    def since(self, serial: int) -> list[int] | None:
        users = self.changes.since(serial)
        return None if users is None else [user.user_nid for user in users]

    def test_the_newest_change_of_each_user_counts(self) -> None:
        one, two = self.user(1), self.user(2)
        for user in (one, two, one):
            self.changes.changed(user)
        self.assertEqual(self.since(self.start), [1, 2])
        self.assertEqual(self.since(two.serial), [1])
        self.assertEqual(self.since(one.serial), [])

    def test_what_is_forgotten_is_not_taken_for_nothing(self) -> None:
        kept = patch.object(presence_changes, "CHANGES_KEPT", 2)
        kept.start()
        self.addCleanup(kept.stop)
        offline = self.user(1, PresenceState.OFFLINE)
        for user in (offline, self.user(2), self.user(3), self.user(4)):
            self.changes.changed(user)
        self.assertIsNone(self.since(self.start))
        self.assertEqual(self.since(self.start + 2), [4, 3])
        self.assertIsNone(self.changes.get(1), "offline, and nobody asks")
        self.assertEqual([user.user_nid for user in self.changes.awake()], [2, 3, 4])

    def test_what_was_before_a_restart(self) -> None:
        self.assertIsNone(self.since(self.start - 1))
        new = self.user(1)
        self.changes.changed(new)
        later = self.start + 100
        old = [self.user_of(n, serial) for n, serial in ((2, 10), (1, 20), (3, later))]
        self.changes.restore(old, complete=True)
        self.assertIs(self.changes.get(1), new, "memory knows better")
        self.assertEqual(self.since(0), [1, 3, 2])
        self.changes.changed(new)
        self.assertGreater(new.serial, later, "however the clock was set")

    def test_if_not_all_was_kept_only_the_rest_is_known(self) -> None:
        self.changes.restore([self.user_of(1, 10), self.user_of(2, 20)], complete=False)
        self.assertIsNone(self.since(9))
        self.assertEqual(self.since(10), [2])

    def user_of(self, nid: int, serial: int) -> UserPresence:
        user = UserPresence(f"@user{nid}:test", nid)
        user.restore(PresenceState.OFFLINE, None, 0, serial, 0)
        return user


class TurnTests(TestCase):
    """Who has to wait how long for what."""

    def setUp(self) -> None:
        self.time = FakeTime()
        clock = Clock(self.time, real=False)
        self.followers = Followers(None, clock, position=lambda: 0)  # type: ignore[arg-type]
        self.serials = Serials(clock)
        self.changes = PresenceChanges(self.followers, self.serials, clock, Background())
        self.addCleanup(self.changes.close)

    def follow(self, nid: int, *rooms: int) -> Follower:
        follower = Follower(f"@user{nid}:test", nid)
        follower.loaded()
        self.followers._by_user[nid] = follower
        for room_nid in rooms:
            self.followers._enter(follower, room_nid)
        return follower

    def change(self, nid: int) -> None:
        self.changes.changed(self.changes.add(UserPresence(f"@user{nid}:test", nid)))

    def turns(self) -> None:
        self.time.advance(presence_changes.TURN_S)

    def test_only_who_shares_a_room_has_a_turn(self) -> None:
        self.follow(1, 10)
        friend, stranger = self.follow(2, 10, 11), self.follow(3, 11)
        self.change(1)
        self.assertEqual(friend.presence, 0)
        self.turns()
        self.assertEqual((friend.presence, stranger.presence), (self.serials.last, 0))

    def test_who_does_not_wait_takes_nobodys_turn(self) -> None:
        self.follow(1, 10)
        friends = [self.follow(nid, 10) for nid in range(2, 3 * presence_changes.WOKEN_AT_ONCE)]
        self.change(1)
        self.turns()
        self.assertTrue(all(friend.presence for friend in friends))

    def test_what_changes_meanwhile_waits_until_all_have_had_their_turn(self) -> None:
        self.follow(1, 10)
        for nid in range(2, 2 + presence_changes.WOKEN_AT_ONCE * 2):
            self.follow(nid, 10).wait()
        last = self.follow(1_000, 20)
        self.follow(1_001, 20)
        self.change(1)
        self.turns()
        self.change(1_001)
        self.turns()
        self.assertEqual(last.presence, 0)
        self.turns()
        self.turns()
        self.assertEqual(last.presence, self.serials.last)

    def test_nothing_runs_when_nothing_is_new(self) -> None:
        self.follow(1, 10)
        self.change(1)
        self.turns()
        self.assertEqual(self.time.getDelayedCalls(), [])
