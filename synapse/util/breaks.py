"""Breaks in long work, in which the reactor serves others."""

from typing import Final

from synapse.util.clock import Clock

# For how long others may be kept waiting.
_STRETCH_S: Final = 0.005


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
