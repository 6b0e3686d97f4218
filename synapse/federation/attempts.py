"""One server after the other, until one does what it is asked; or a clear word why none did."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from synapse.api.errors import Forbidden, LimitExceeded, MatrixError, NotFound
from synapse.federation.errors import RemoteError, Unanswered
from synapse.http.client.errors import RequestFailed, Step

logger = logging.getLogger(__name__)

T = TypeVar("T")
Failure = RequestFailed | RemoteError | Unanswered

# Of a long list, most would be asked in vain while a client waits.
MOST_SERVERS = 10
# What a server says that knows better than others: who asks is told it as it is. The first counts.
_TELLING = (
    "M_FORBIDDEN",
    "M_INVITE_BLOCKED",
    "M_INCOMPATIBLE_ROOM_VERSION",
    "M_UNABLE_TO_GRANT_JOIN",
    "M_UNABLE_TO_AUTHORISE_JOIN",
    "M_LIMIT_EXCEEDED",
    "M_NOT_FOUND",
)
_DEFAULT_WAIT_MS = 1_000


async def first_success(
    what: str, servers: Sequence[str], attempt: Callable[[str], Awaitable[T]]
) -> T:
    """What `attempt` returns for the first server for which it doesn't fail.

    Raises `NotFound` if there are no servers, and what `as_matrix_error` makes of the failures.
    """
    failures: list[Failure] = []
    for server in servers[:MOST_SERVERS]:
        try:
            return await attempt(server)
        except (RequestFailed, RemoteError, Unanswered) as failure:
            logger.info("%s through %s failed: %s", what, server, failure)
            failures.append(failure)
    if not failures:
        raise NotFound("No server is known that is in this room")
    raise as_matrix_error(failures)


def as_matrix_error(failures: Sequence[Failure]) -> MatrixError:
    """What a client is told: the most telling answer; 502 `M_UNKNOWN` if there was none.

    What another server thinks is wrong with *our* request is nothing that a client could mend.
    """
    answers = [failure for failure in failures if isinstance(failure, RemoteError)]
    for errcode in _TELLING:
        for answer in answers:
            if answer.errcode == errcode:
                return _passed_on(answer)
    blocked = [f for f in failures if isinstance(f, RequestFailed) and f.step is Step.BLOCKED]
    if len(blocked) == len(failures):
        return Forbidden(f"This server doesn't talk with those in the room: {blocked[0].reason}")
    return MatrixError(502, "M_UNKNOWN", f"No server could be reached that helps: {failures[-1]}")


def _passed_on(answer: RemoteError) -> MatrixError:
    text = f"{answer.destination}: {answer.error}"
    match answer.errcode:
        case "M_FORBIDDEN":
            return Forbidden(text)
        case "M_NOT_FOUND":
            return NotFound(text)
        case "M_LIMIT_EXCEEDED":
            return LimitExceeded(answer.retry_after_ms or _DEFAULT_WAIT_MS)
        case "M_INVITE_BLOCKED":
            return MatrixError(403, answer.errcode, text)
    version = answer.content.get("room_version")
    more = {"room_version": version} if isinstance(version, str) else {}
    return MatrixError(400, answer.errcode, text, **more)


def without_doubles(servers: Iterable[str], own_name: str) -> list[str]:
    """The servers in their order, each once, without ours."""
    return [server for server in dict.fromkeys(servers) if server and server != own_name]
