"""One line per answered request, in the form that log readers for Synapse parse.

    10.0.0.7 - 8008 - {@alice:example.org} Processed request: 0.004sec/0.002sec (0.002sec, 0.000sec)
    (0.000sec/0.001sec/2) 57B 200 "GET /_matrix/… HTTP/1.1" "agent" [0 dbevts]

The times: from the request to its answer, and of that how much was waiting; CPU (Python's clock
doesn't tell user from system time, so both stand in the first figure); database: waiting, working,
and how many transactions. `!` before the status: the client had gone by then.
"""

import logging
import time
from urllib.parse import unquote_plus

from synapse.http.request import Request
from synapse.logging.context import RequestContext

# As logging counts relativeCreated, from when it was imported.
_STARTED = time.time()

_LINE = (
    "%s - %s - {%s} Processed request: %.3fsec/%.3fsec (%.3fsec, 0.000sec)"
    ' (%.3fsec/%.3fsec/%d) %dB %s%d "%s %s HTTP/%s" "%s" [0 dbevts]'
)


class AccessLog:
    """The access log of one listener."""

    def __init__(self, tag: str) -> None:
        name = f"synapse.access.http.{tag}"
        self._tag = tag
        self._logger = logging.getLogger(name)
        self._template = vars(logging.makeLogRecord({})) | {
            "name": name,
            "levelno": logging.INFO,
            "levelname": "INFO",
            "pathname": __file__,
            "filename": "access_log.py",
            "module": "access_log",
            "funcName": "write",
            "args": None,
        }

    @property
    def wanted(self) -> bool:
        """Whether anybody reads it; otherwise nothing is measured or formatted."""
        return self._logger.isEnabledFor(logging.INFO)

    def write(
        self,
        request: Request,
        costs: RequestContext,
        *,
        status: int,
        body_bytes: int,
        seconds: float,
        disconnected: bool,
    ) -> None:
        message = _LINE % (
            request.client_ip,
            self._tag,
            request.requester_label,
            seconds,
            max(seconds - costs.cpu_seconds, 0.0),
            costs.cpu_seconds,
            costs.db_wait_seconds,
            costs.db_seconds,
            costs.db_transactions,
            body_bytes,
            "!" if disconnected else "",
            status,
            request.method,
            without_token(request.target),
            request.version,
            _quotable(request.user_agent),
        )
        # A record without Logger.info's search for its caller, and formatted once for all
        # handlers: with both, the line costs as much as the rest of a small request.
        now = time.time()
        record = logging.LogRecord.__new__(logging.LogRecord)
        vars(record).update(
            self._template,
            msg=message,
            created=now,
            msecs=int(now % 1 * 1000),
            relativeCreated=(now - _STARTED) * 1000,
            request=request.id,
        )
        self._logger.handle(record)


def without_token(target: str) -> str:
    """A request's target with the value of `access_token` left out, however it is spelt."""
    if "%" not in target and "access_token" not in target.lower():
        return target
    path, mark, query = target.partition("?")
    parts = []
    for part in query.split("&"):
        name, _, _ = part.partition("=")
        secret = unquote_plus(name).strip().lower() == "access_token"
        parts.append(f"{name}=<redacted>" if secret else part)
    return f"{path}{mark}{'&'.join(parts)}"


def _quotable(text: str) -> str:
    if text.isprintable() and '"' not in text:
        return text
    return "".join(c if c.isprintable() and c != '"' else "?" for c in text)
