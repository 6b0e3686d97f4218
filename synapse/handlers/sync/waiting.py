"""Waiting for news, for a while."""

from twisted.internet.defer import CancelledError, Deferred

from synapse.streams.followers import Follower
from synapse.util.clock import Clock


async def wait_for(clock: Clock, follower: Follower, seconds: float, device_nid: int = 0) -> bool:
    """Until something moves for the user, or the device: True, or time is up: False."""
    woken = follower.wait(device_nid)
    timed_out: list[bool] = []
    timer = clock.call_later(seconds, _time_out, woken, timed_out)
    try:
        await woken
    except CancelledError:
        if not timed_out:
            raise  # the client went away
        return False
    finally:
        if timer.active():
            timer.cancel()
    return True


def _time_out(woken: "Deferred[None]", timed_out: list[bool]) -> None:
    timed_out.append(True)
    woken.cancel()
