"""Transaction ids: who repeats a request gets the same event, also after a crash.

A transaction id belongs to a device and a room. It is committed in the row of its event, so there
is no moment at which one is saved without the other; memory covers the first try being still under
way, and spares the look-up for those who repeat quickly.
"""

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred

from synapse.storage.errors import ConstraintViolated
from synapse.storage.stores.events import EventStore
from synapse.util.caches import Cache

_Key = tuple[int, int, str]


class Transactions:
    """Lets each (device, room, transaction id) send one event."""

    def __init__(self, events: EventStore) -> None:
        self._events = events
        self._sent: Cache[_Key, str] = Cache(10_000, "transactions")
        self._in_flight: dict[_Key, list[Deferred[None]]] = {}

    async def once(
        self, device_nid: int, room_nid: int, txn_id: str, send: Callable[[], Awaitable[str]]
    ) -> str:
        """The id of the event that `send` sends, or that was sent the first time.

        Raises what `send` raises; then the transaction id is as if it had not been used.
        """
        key = (device_nid, room_nid, txn_id)
        while (waiting := self._in_flight.get(key)) is not None:
            ended: Deferred[None] = Deferred(waiting.remove)
            waiting.append(ended)
            await ended
        event_id = self._sent.get(key)
        if event_id is not None:
            return event_id
        self._in_flight[key] = []
        try:
            event_id = await self._events.by_txn(*key) or await self._send(key, send)
            self._sent[key] = event_id
            return event_id
        finally:
            for ended in self._in_flight.pop(key):
                ended.callback(None)

    async def _send(self, key: _Key, send: Callable[[], Awaitable[str]]) -> str:
        try:
            return await send()
        except ConstraintViolated:
            # Another process was given the same request, and was first.
            event_id = await self._events.by_txn(*key)
            if event_id is None:
                raise
            return event_id
