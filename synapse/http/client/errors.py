"""What can go wrong with a request of ours, and at which step."""

from enum import Enum


class Step(Enum):
    """The steps of a request, in their order. The value is for people."""

    REQUEST = "the request"  # it can't be sent as it is: a URL or a header is faulty
    POOL = "waiting for a connection"
    DNS = "name resolution"
    BLOCKED = "blocked"
    TCP = "connecting"
    PROXY = "the proxy"
    TLS = "TLS"
    CERTIFICATE = "the certificate"
    HTTP = "the answer"
    TOO_LARGE = "the answer's size"
    REDIRECT = "redirection"


class RequestFailed(Exception):
    """There is no answer. `str()` is a sentence for administrators: who, which step, why."""

    def __init__(self, step: Step, reason: str, *, timed_out: bool = False) -> None:
        # Some of it is what peers say, and it goes into the log.
        self.reason = reason if reason.isprintable() else _printable(reason)
        super().__init__(self.reason)
        self.step = step
        self.timed_out = timed_out
        # Who was asked, such as "https://matrix.org"; added where it is known.
        self.where = ""

    def __str__(self) -> str:
        text = f"{self.step.value}: {self.reason}"
        return f"{self.where}: {text}" if self.where else text


class ClosedEarly(RequestFailed):
    """The connection ended before the first byte of an answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(Step.HTTP, reason)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


class Progress:
    """What a request is about to do: what its error says when time is up."""

    __slots__ = ("doing", "step")

    def __init__(self) -> None:
        self.step = Step.POOL
        self.doing = ""

    def now(self, step: Step, doing: str) -> None:
        self.step = step
        self.doing = doing

    def timed_out(self, allowed_s: float) -> RequestFailed:
        reason = f"{self.doing}: no success within {allowed_s:g} s"
        return RequestFailed(self.step, reason, timed_out=True)
