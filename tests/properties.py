"""Properties of what is done in the reactor: hypothesis in a thread, its examples in the reactor.

FUZZ_FACTOR=20 tries twenty times as many examples as the suite does.
"""

import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis.errors import FlakyFailure
from hypothesis.strategies import SearchStrategy
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread, deferToThread

T = TypeVar("T")

FACTOR = int(os.environ.get("FUZZ_FACTOR", "1"))
# For trial, as a test case's `timeout`: whoever asks for more examples waits longer.
TIMEOUT_S = 120 * FACTOR


def bounded(examples: int) -> settings:
    """So many examples, the same ones each time unless there is time for more."""
    return settings(
        max_examples=examples * FACTOR,
        derandomize=FACTOR == 1,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


async def for_all(
    strategy: SearchStrategy[T],
    check: Callable[[T], Coroutine[Any, Any, None]],
    *,
    examples: int,
) -> None:
    """Passes if `check` does for values of all kinds; else with the smallest that it fails for."""

    @bounded(examples)
    @given(strategy)
    def run(value: T) -> None:
        def begin() -> Any:
            return Deferred.fromCoroutine(check(value))

        blockingCallFromThread(reactor, begin)

    try:
        await deferToThread(run)
    except FlakyFailure as error:
        # The same example passed when it was tried again: what it failed with is all there is.
        raise error.exceptions[0] from None
