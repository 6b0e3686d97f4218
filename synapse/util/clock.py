"""Time as a parameter: the server asks a `Clock`, tests hand in one that they move by hand."""

import time
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred


class Timer(Protocol):
    """A call that is yet to come."""

    def cancel(self) -> None: ...
    def active(self) -> bool: ...


class ReactorTime(Protocol):
    """What the clock needs of a reactor (`twisted.internet.interfaces.IReactorTime`)."""

    def seconds(self) -> float: ...
    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> Any: ...


class Clock:
    """The time of day in milliseconds, and timers, over a reactor's (or a test's) time."""

    def __init__(self, reactor: ReactorTime, *, real: bool = True) -> None:
        self._reactor = reactor
        # A fake reactor's time is the time of day as well; a real one's is only monotonic.
        self._seconds: Callable[[], float] = time.time if real else reactor.seconds

    def now_ms(self) -> int:
        """Milliseconds since the epoch, as in `origin_server_ts`."""
        return int(self._seconds() * 1000)

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps, for measuring how long something took."""
        return self._reactor.seconds()

    def call_later(self, delay_s: float, call: Callable[..., Any], *args: Any) -> Timer:
        timer: Timer = self._reactor.callLater(delay_s, call, *args)
        return timer

    async def sleep(self, delay_s: float) -> None:
        done: Deferred[None] = Deferred()
        self._reactor.callLater(delay_s, done.callback, None)
        await done

    async def wait_for(self, event: "Deferred[None]", timeout_s: float) -> bool:
        """Until `event` fires: True, or time is up, when it is cancelled: False."""
        timed_out: list[bool] = []

        def time_out() -> None:
            timed_out.append(True)
            event.cancel()

        timer = self.call_later(timeout_s, time_out)
        try:
            await event
        except CancelledError:
            if not timed_out:
                raise  # who waited has gone away
            return False
        finally:
            if timer.active():
                timer.cancel()
        return True
