"""What comes of a request to another homeserver, besides an answer.

`synapse.http.client.errors.RequestFailed`: there was no contact, and which step failed.
`RemoteError`: the other server answered with an error. `Unanswered`: it answered nothing of use.
"""

from typing import Any

from synapse.api.errors import MatrixError
from synapse.http.client.answer import Answer
from synapse.http.client.errors import RequestFailed
from synapse.http.json_body import parse_json

_LONGEST_TEXT = 500
_LONGEST_WAIT_MS = 24 * 3600 * 1000


class RemoteError(Exception):
    """Another homeserver's error response. `errcode` and `error` are its words, cut to length."""

    def __init__(
        self,
        destination: str,
        status: int,
        errcode: str,
        error: str,
        *,
        retry_after_ms: int | None = None,
        content: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{destination} answers {status} {errcode}: {error}")
        self.destination = destination
        self.status = status
        self.errcode = errcode
        self.error = error
        # How long it asks us to wait.
        self.retry_after_ms = retry_after_ms
        # The whole response, if it is a JSON object: some errors say more than their text.
        self.content = content or {}


class Unanswered(Exception):
    """The other server's answer doesn't hold what it should; the text says what is missing."""


# What comes of asking a server, besides what was asked for.
FAILURES = (RequestFailed, RemoteError, Unanswered)


def error_of(destination: str, answer: Answer) -> RemoteError:
    """The error that an answer tells; one that is none of Matrix's is `M_UNKNOWN`."""
    content: dict[str, Any] = {}
    try:
        parsed = parse_json(answer.body)
        if isinstance(parsed, dict):
            content = parsed
    except MatrixError:
        pass  # a proxy's page, most likely
    errcode, error = content.get("errcode"), content.get("error")
    return RemoteError(
        destination,
        answer.status,
        _shown(errcode) if isinstance(errcode, str) and errcode else "M_UNKNOWN",
        _shown(error) if isinstance(error, str) else "no Matrix error",
        retry_after_ms=_retry_after_ms(answer, content),
        content=content,
    )


def _shown(text: str) -> str:
    """Fit for the log."""
    return "".join(c if c.isprintable() else "?" for c in text[:_LONGEST_TEXT])


def _retry_after_ms(answer: Answer, content: dict[str, Any]) -> int | None:
    header = answer.headers.get("retry-after", "")
    if header.isdecimal() and len(header) < 10:
        return min(int(header) * 1000, _LONGEST_WAIT_MS)
    wait = content.get("retry_after_ms")
    if type(wait) is int and wait >= 0:
        return min(wait, _LONGEST_WAIT_MS)
    return None
