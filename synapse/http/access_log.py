"""One line per answered request, in the form that log readers for Synapse parse.

    10.0.0.7 - 8008 - {@alice:example.org} Processed request: 0.004sec/0.002sec (0.002sec, 0.000sec)
    (0.000sec/0.001sec/2) 57B 200 "GET /_matrix/… HTTP/1.1" "agent" [0 dbevts]

The times: from the request to its answer, and of that how much was waiting; CPU (Python's clock
doesn't tell user from system time, so both stand in the first figure); database: waiting, working,
and how many transactions. `!` before the status: the client had gone by then.
"""

import logging
from urllib.parse import unquote_plus

from synapse.http.request import Request
from synapse.logging.context import RequestContext

_LINE = (
    "%s - %s - {%s} Processed request: %.3fsec/%.3fsec (%.3fsec, 0.000sec)"
    ' (%.3fsec/%.3fsec/%d) %dB %s%d "%s %s HTTP/%s" "%s" [0 dbevts]'
)


class AccessLog:
    """The access log of one listener."""

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self._logger = logging.getLogger(f"synapse.access.http.{tag}")

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
        self._logger.info(
            _LINE,
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


def without_token(target: str) -> str:
    """A request's target with the value of `access_token` left out, however it is spelt."""
    if "%" not in target and "access_token" not in target:
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
