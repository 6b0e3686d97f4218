"""Breaks in long work, in which the reactor serves others."""

from collections.abc import AsyncIterator, Sequence
from typing import Final, TypeVar

from synapse.util.clock import Clock

T = TypeVar("T")

# For how long others may be kept waiting.
_STRETCH_S: Final = 0.005
# What is quick for one takes about a millisecond for that many.
_PORTION: Final = 200


class Breaks:
    """Counts how long its owner has worked. Make one where the work begins."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic()

    async def take(self) -> None:
        """Call it between portions of the work: others come in if it is their turn."""
        if self._clock.monotonic() - self._since >= _STRETCH_S:
            await self._clock.sleep(0)
            self._since = self._clock.monotonic()

    async def portions(
        self, items: Sequence[T], size: int = _PORTION
    ) -> AsyncIterator[Sequence[T]]:
        """The items, some at a time, with a break in between if it is time."""
        for start in range(0, len(items), size):
            await self.take()
            yield items[start : start + size]
