"""Transactions: how events and EDUs are put on the wire.

Server-server API, "Transactions".
"""

import logging
import secrets
from collections.abc import Sequence
from typing import Any

from synapse.federation.errors import RemoteError
from synapse.federation.sending.destination import Item
from synapse.federation.traffic import Traffic
from synapse.federation.wire import MEBIBYTE, Transport
from synapse.http.client.errors import RequestFailed
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

# Of what has a position: nearly all of it are events.
MAX_PDUS = 50
MAX_EDUS = 100

# The same content would be refused again.
_CONTENT_REFUSED = frozenset({400, 413})


class Transaction:
    """What one request holds. It stays the same, with its id, however often it is tried."""

    __slots__ = ("body", "edu_count", "mail_up_to", "path", "pdu_count", "up_to")

    def __init__(
        self, txn_id: str, body: bytes, up_to: int, mail_up_to: int, pdus: int, edus: int
    ) -> None:
        self.path = "/_matrix/federation/v1/send/" + txn_id
        self.body = body
        # Once this is sent, all up to here is; 0: there are only EDUs in it.
        self.up_to = up_to
        # And all of the outbox up to here; 0: there is nothing of it.
        self.mail_up_to = mail_up_to
        self.pdu_count = pdus
        self.edu_count = edus


class Dispatch:
    """Makes transactions and sends them."""

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        traffic: Traffic,
        *,
        server_name: str,
        timeout_s: float,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._traffic = traffic
        self._origin = server_name.encode()
        self._timeout_s = timeout_s
        # Unlike those of the process before this one.
        self._prefix = f"{clock.now_ms()}-{secrets.token_hex(4)}"
        self._count = 0
        self._latest: tuple[int, list[int]] = (0, [])
        self._latest_body = b""
        # For the metrics.
        self.transactions = 0
        self.pdus = 0
        self.edus = 0

    def transaction(
        self, items: Sequence[Item], edus: Sequence[bytes], up_to: int, mail_up_to: int = 0
    ) -> Transaction:
        """What is sent consists of stored bytes: canonical JSON of canonical JSON."""
        self._count += 1
        pdus = [item for item in items if not item.is_edu]
        edus = [*(item.json for item in items if item.is_edu), *edus]
        if edus:
            body = self._body(pdus, edus, self._clock.now_ms())
        else:
            # Most servers of a room are told the same at the same time.
            latest = (self._clock.now_ms(), [item.position for item in items])
            if latest != self._latest:
                self._latest, self._latest_body = latest, self._body(items, (), latest[0])
            body = self._latest_body
        txn_id = f"{self._prefix}-{self._count}"
        return Transaction(txn_id, body, up_to, mail_up_to, len(pdus), len(edus))

    def _body(self, items: Sequence[Item], edus: Sequence[bytes], now_ms: int) -> bytes:
        return b'{%b"origin":"%b","origin_server_ts":%d,"pdus":[%b]}' % (
            b'"edus":[%b],' % b",".join(edus) if edus else b"",
            self._origin,
            now_ms,
            b",".join([item.json for item in items]),
        )

    async def send(self, server: str, transaction: Transaction) -> None:
        """Returns when a server has it, or will never take it. Raises as a `Transport` does."""
        try:
            answer = await self._transport.request(
                server,
                "PUT",
                transaction.path,
                body=transaction.body,
                timeout_s=self._timeout_s,
                max_bytes=MEBIBYTE,
            )
        except RemoteError as error:
            if error.status not in _CONTENT_REFUSED:
                raise
            logger.warning("A transaction is given up: %s", error)
            return
        self.transactions += 1
        self.pdus += transaction.pdu_count
        self.edus += transaction.edu_count
        self._traffic.sent(server, transaction.body)
        _tell_refusals(server, answer)


def is_blocked(error: RequestFailed | RemoteError) -> bool:
    """Whether it is we who don't let the request go: to try it again soon is in vain."""
    return isinstance(error, RequestFailed) and error.step.name in ("BLOCKED", "REQUEST")


def _tell_refusals(server: str, answer: Any) -> None:
    """What a server says of events that it didn't take, is for the log."""
    verdicts = answer.get("pdus") if isinstance(answer, dict) else None
    if not isinstance(verdicts, dict):
        return
    for event_id, verdict in verdicts.items():
        if isinstance(verdict, dict) and "error" in verdict:
            reason = str(verdict["error"])[:200]
            logger.info("%s does not take %.255r: %r", server, event_id, reason)
