"""A bound in time on what has several steps."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from synapse.http.client.errors import Progress, RequestFailed
from synapse.util.clock import ReactorTime

T = TypeVar("T")


async def bounded(
    reactor: ReactorTime, timeout_s: float, progress: Progress, work: Coroutine[Any, Any, T]
) -> T:
    """What `work` returns; when time is up, it is cancelled, and `RequestFailed` names its step."""
    result = Deferred.fromCoroutine(work)
    late: list[RequestFailed] = []

    def give_up() -> None:
        late.append(progress.timed_out(timeout_s))
        result.cancel()

    timer = reactor.callLater(timeout_s, give_up)
    try:
        return await result
    except Exception:
        if late:
            raise late[0] from None
        raise
    finally:
        if timer.active():
            timer.cancel()
