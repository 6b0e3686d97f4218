"""The numbers of what lives in memory only: who types, who is online."""

from synapse.util.clock import Clock


class Serials:
    """One counter for all such changes; a sync token says how far a client knows them."""

    def __init__(self, clock: Clock) -> None:
        # Begins above what tokens from before a restart say.
        self.last = clock.now_ms()

    def next(self) -> int:
        self.last += 1
        return self.last

    def at_least(self, serial: int) -> None:
        """Go on above a number that was given out before a restart."""
        self.last = max(self.last, serial)
