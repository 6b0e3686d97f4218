"""`Traffic`: what goes between servers, counted for the metrics."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from synapse.metrics.histogram import Histogram
from synapse.util.clock import Clock

# Others are one: what servers and users write must not become names of metrics.
_EDU_TYPES = (
    "m.device_list_update",
    "m.direct_to_device",
    "m.presence",
    "m.receipt",
    "m.signing_key_update",
    "m.typing",
)
OTHER = "other"
# Canonical JSON has the type behind the content.
_EDU_TYPE = re.compile(rb'"edu_type":"([a-z_.]{1,40})"\}')
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class LastPdu(NamedTuple):
    """The newest event that went between us and a server."""

    origin_server_ts: int
    age_ms: int  # when it was sent, or received


class Traffic:
    """Told of transactions by those who send and receive them."""

    def __init__(self, clock: Clock, domains: Collection[str]) -> None:
        """Of `domains` it is known when the last event went to and fro."""
        self._clock = clock
        self._domains = frozenset(domains)
        self.sent_edus: Counter[str] = Counter(dict.fromkeys((*_EDU_TYPES, OTHER), 0))
        self.received_edus = self.sent_edus.copy()
        self.received_presence = 0  # of so many users
        self.last_sent: dict[str, LastPdu] = {}
        self.last_received: dict[str, LastPdu] = {}
        # How long it takes until an event is taken up.
        self.process_times = Histogram(_SECONDS)

    def sent(self, server: str, body: bytes) -> None:
        """A server has got a transaction."""
        if body.startswith(b'{"edus"'):
            types = [kind.decode() for kind in _EDU_TYPE.findall(body)]
            self.sent_edus.update(_known(kind) for kind in types)
        if server in self._domains:
            self._note(self.last_sent, server, orjson.loads(body)["pdus"])

    def received(self, origin: str, pdus: Sequence[Any], edus: Sequence[Any]) -> None:
        """A server has sent a transaction, with whatever it says."""
        for edu in edus:
            kind = edu.get("edu_type") if isinstance(edu, dict) else None
            self.received_edus[_known(kind)] += 1
            if kind == "m.presence":
                content = edu.get("content")
                push = content.get("push") if isinstance(content, dict) else None
                self.received_presence += len(push) if isinstance(push, list) else 0
        if origin in self._domains:
            self._note(self.last_received, origin, pdus)

    def took_up(self, count: int, seconds: float) -> None:
        """So many events were taken up together."""
        for _ in range(count):
            self.process_times.observe(seconds)

    def _note(self, last: dict[str, LastPdu], server: str, pdus: Iterable[Any]) -> None:
        times = [pdu.get("origin_server_ts") for pdu in pdus if isinstance(pdu, dict)]
        newest = max((ts for ts in times if type(ts) is int), default=None)
        if newest is not None:
            last[server] = LastPdu(newest, self._clock.now_ms() - newest)


def _known(kind: object) -> str:
    return kind if isinstance(kind, str) and kind in _EDU_TYPES else OTHER
