"""Work that no request waits for: started by name, logged when it fails, awaited at shutdown."""

import logging
from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred

logger = logging.getLogger(__name__)


class Background:
    """Runs coroutines that belong to the server rather than to a request."""

    def __init__(self) -> None:
        self._running: dict[int, str] = {}
        self._next_key = 0
        self._idle: list[Deferred[None]] = []

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> Deferred[None]:
        """Start `work`; the result fires when it has ended, well or not, and never fails."""
        self._next_key += 1
        key = self._next_key
        self._running[key] = name
        return Deferred.fromCoroutine(self._run(key, name, work))

    async def _run(self, key: int, name: str, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except Exception:
            logger.exception("Background work %s failed", name)
        finally:
            del self._running[key]
            if not self._running:
                idle, self._idle = self._idle, []
                for waiter in idle:
                    waiter.callback(None)

    async def finish(self) -> None:
        """Wait until nothing is running."""
        if self._running:
            waiter: Deferred[None] = Deferred()
            self._idle.append(waiter)
            await waiter

    @property
    def names(self) -> list[str]:
        """What is running now, for the log at shutdown."""
        return list(self._running.values())
