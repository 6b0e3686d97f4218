"""Hashing passwords away from the reactor, and what a password must be like.

A bcrypt hash takes a quarter of a second on purpose. Two threads do that work and no other; what
waits for them is bounded, so a flood of log-ins slows down log-ins and nothing else.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from synapse.api.errors import InvalidParam, LimitExceeded, MatrixError
from synapse.config.passwords import PasswordConfig
from synapse.util.passwords import check_password, hash_password

T = TypeVar("T")

MAX_PASSWORD_LENGTH = 512


class Workers(Protocol):
    """Somewhere to do work that takes long."""

    async def run(self, work: Callable[[], T]) -> T: ...


class HashingThreads:
    """Two threads, started with the first password."""

    MAX_WAITING = 100

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=0, maxthreads=2, name="passwords")
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Raises `LimitExceeded` when too much is waiting."""
        if self._waiting >= self.MAX_WAITING:
            raise LimitExceeded(retry_after_ms=5000)
        if not self._pool.started:
            self._pool.start()
        self._waiting += 1
        try:
            result: T = await deferToThreadPool(self._reactor, self._pool, work)
            return result
        finally:
            self._waiting -= 1

    def stop(self) -> None:
        if self._pool.started:
            self._pool.stop()


class WeakPassword(MatrixError):
    """400 `M_WEAK_PASSWORD`."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "M_WEAK_PASSWORD", message)


class Passwords:
    """Hashes and checks passwords."""

    def __init__(self, workers: Workers, config: PasswordConfig, bcrypt_rounds: int) -> None:
        self._workers = workers
        self._policy = config.policy
        self._pepper = config.pepper or ""
        self._rounds = bcrypt_rounds
        # Costs as much time to check as a real one, and matches nothing.
        self._nobodys_hash = f"$2b${bcrypt_rounds:02}${'.' * 53}"

    async def hash(self, password: str) -> str:
        return await self._workers.run(lambda: hash_password(password, self._rounds, self._pepper))

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """False without a hash, after as much time as with one."""
        if len(password) > MAX_PASSWORD_LENGTH:
            return False
        checked = password_hash or self._nobodys_hash
        matches = await self._workers.run(lambda: check_password(password, checked, self._pepper))
        return matches and password_hash is not None

    def require_acceptable(self, password: str) -> None:
        """Raises `WeakPassword` or `InvalidParam` if nobody may choose this password."""
        if not password:
            raise InvalidParam("The password is empty")
        if len(password) > MAX_PASSWORD_LENGTH:
            raise InvalidParam(f"The password is longer than {MAX_PASSWORD_LENGTH} characters")
        policy = self._policy
        if not policy.enabled:
            return
        if len(password) < policy.minimum_length:
            raise WeakPassword(f"The password must have {policy.minimum_length} characters")
        rules: list[tuple[bool, Callable[[str], bool], str]] = [
            (policy.require_digit, str.isdigit, "a digit"),
            (policy.require_symbol, lambda c: not c.isalnum(), "a symbol"),
            (policy.require_lowercase, str.islower, "a lower-case letter"),
            (policy.require_uppercase, str.isupper, "an upper-case letter"),
        ]
        for required, is_one, name in rules:
            if required and not any(map(is_one, password)):
                raise WeakPassword(f"The password must contain {name}")
