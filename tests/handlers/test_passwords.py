"""Hashing passwords."""

import time

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from synapse.api.errors import LimitExceeded
from synapse.config.passwords import PasswordConfig
from synapse.handlers.passwords import HashingThreads, Passwords
from synapse.util.passwords import hash_password
from tests.case import TestCase
from tests.rest.base import AtOnce


class PasswordsTests(TestCase):
    async def test_hash_matches_its_password_and_no_other(self) -> None:
        passwords = Passwords(AtOnce(), PasswordConfig(pepper="salty"), 4)
        hashed = await passwords.hash("secret")
        self.assertTrue(await passwords.matches("secret", hashed))
        self.assertFalse(await passwords.matches("Secret", hashed))
        self.assertFalse(await passwords.matches("x" * 10_000, hashed))
        unpeppered = Passwords(AtOnce(), PasswordConfig(), 4)
        self.assertFalse(await unpeppered.matches("secret", hashed))

    async def test_hashes_of_other_rounds_are_good(self) -> None:
        passwords = Passwords(AtOnce(), PasswordConfig(), 4)
        self.assertTrue(await passwords.matches("secret", hash_password("secret", 5, "")))

    async def test_no_hash_matches_nothing_but_takes_as_long(self) -> None:
        passwords = Passwords(AtOnce(), PasswordConfig(), 9)
        hashed = await passwords.hash("secret")
        times = []
        for candidate in (hashed, None):
            started = time.perf_counter()
            self.assertFalse(await passwords.matches("wrong", candidate))
            times.append(time.perf_counter() - started)
        self.assertGreater(times[1], times[0] / 3)

    async def test_threads_work_and_their_queue_is_bounded(self) -> None:
        threads = HashingThreads(reactor)
        self.addCleanup(threads.stop)
        self.assertEqual(await threads.run(lambda: 6 * 7), 42)
        with self.assertRaises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0)
        threads.MAX_WAITING = 1
        running = Deferred.fromCoroutine(threads.run(lambda: time.sleep(0.05)))
        with self.assertRaises(LimitExceeded):
            await threads.run(lambda: None)
        await running
