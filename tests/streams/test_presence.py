"""What a user's devices make of their presence."""

from synapse.api.presence import PresenceState
from synapse.streams.presence import PresenceTimes, UserPresence
from tests.case import TestCase

OFFLINE, UNAVAILABLE, ONLINE, BUSY = PresenceState
PHONE, LAPTOP = 1, 2
TIMES = PresenceTimes(active_ms=60_000, idle_ms=300_000, gone_ms=30_000)


class UserPresenceTests(TestCase):
    def setUp(self) -> None:
        self.now_ms = 1_000_000
        self.user = UserPresence("@alice:test", 1)

    def after(self, seconds: int) -> tuple[PresenceState, bool]:
        """The state, and whether the user is currently active, after so many seconds."""
        self.now_ms += seconds * 1000
        self.user.settle(self.now_ms, TIMES)
        return self.user.state, self.user.currently_active

    def sync(self, device: int, state: PresenceState = ONLINE) -> None:
        self.user.sync_began(device, state, self.now_ms)

    def test_a_device_counts_while_it_syncs_and_for_a_while_after(self) -> None:
        self.assertEqual(self.after(0), (OFFLINE, False))
        self.sync(PHONE)
        self.assertEqual(self.after(0), (ONLINE, True))
        self.assertEqual(self.after(40), (ONLINE, True))
        self.user.sync_ended(PHONE, self.now_ms)
        self.assertEqual(self.after(29), (ONLINE, False))
        self.assertEqual(self.after(1), (OFFLINE, False))

    def test_two_syncs_of_one_device(self) -> None:
        self.sync(PHONE)
        self.sync(PHONE)
        self.user.sync_ended(PHONE, self.now_ms)
        self.assertEqual(self.after(31)[0], ONLINE)
        self.user.sync_ended(PHONE, self.now_ms)
        self.assertEqual(self.after(31)[0], OFFLINE)

    def test_the_most_present_device_counts(self) -> None:
        for first, second, together in (
            (UNAVAILABLE, ONLINE, ONLINE),
            (ONLINE, BUSY, BUSY),
            (BUSY, UNAVAILABLE, BUSY),
        ):
            with self.subTest(first=first, second=second):
                self.user = UserPresence("@alice:test", 1)
                self.sync(PHONE, first)
                self.sync(LAPTOP, second)
                self.assertEqual(self.after(0)[0], together)

    def test_who_does_nothing_for_long_is_unavailable_until_they_do_something(self) -> None:
        self.sync(PHONE)
        self.assertEqual(self.after(299), (ONLINE, False))
        self.assertEqual(self.after(1), (UNAVAILABLE, False))
        self.sync(PHONE)
        self.assertEqual(self.after(0), (UNAVAILABLE, False), "to sync is to do nothing")
        self.user.acted(self.now_ms)
        self.assertEqual(self.after(0), (ONLINE, True))

    def test_doing_something_ends_unavailable_but_not_offline_or_busy(self) -> None:
        for before, now in ((UNAVAILABLE, ONLINE), (OFFLINE, OFFLINE), (BUSY, BUSY)):
            with self.subTest(before=before):
                self.user.set(PHONE, before, self.now_ms)
                self.user.acted(self.now_ms)
                self.assertEqual(self.after(0)[0], now)

    def test_busy_is_never_idle_and_survives_syncs_that_say_nothing(self) -> None:
        self.sync(PHONE)
        self.user.set(PHONE, BUSY, self.now_ms)
        self.sync(PHONE)
        self.assertEqual(self.after(10_000)[0], BUSY)
        self.sync(PHONE, UNAVAILABLE)
        self.assertEqual(self.after(0)[0], UNAVAILABLE)

    def test_busy_said_by_a_sync_ends_with_the_next_that_says_else(self) -> None:
        self.sync(PHONE, BUSY)
        self.assertEqual(self.after(0)[0], BUSY)
        self.sync(PHONE)
        self.assertEqual(self.after(0)[0], ONLINE)

    def test_the_next_check_is_when_something_may_change(self) -> None:
        self.assertIsNone(self.user.next_check_ms(TIMES))
        self.sync(PHONE)
        start = self.now_ms
        self.after(0)
        self.assertEqual(self.user.next_check_ms(TIMES), start + 60_000)
        self.after(60)
        self.assertEqual(self.user.next_check_ms(TIMES), start + 300_000)
        self.after(240)
        self.assertIsNone(self.user.next_check_ms(TIMES), "nothing changes while they sync")
        self.user.sync_ended(PHONE, self.now_ms)
        self.assertEqual(self.user.next_check_ms(TIMES), self.now_ms + 30_000)

    def test_after_a_restart_there_is_time_to_come_back(self) -> None:
        self.user.restore(ONLINE, "here", self.now_ms - 5_000, 7, self.now_ms)
        self.assertEqual(self.after(29), (ONLINE, True))
        self.assertEqual((self.user.status_msg, self.user.serial), ("here", 7))
        self.assertEqual(self.after(1), (OFFLINE, False))
