"""What users of ours do in rooms, told to the other servers in them: typing and receipts.

Server-server API, "Typing Notifications" and "Receipts".
"""

from collections.abc import Sequence
from functools import partial

from synapse.federation.sending.distributor import Distributor
from synapse.federation.sending.pending_edus import PendingEdus
from synapse.federation.sending.sender import Sender
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.receipts import Receipt
from synapse.util.background import Background
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock

# Other servers take who types for silent if they don't hear of it again.
_REPEAT_MS = 40_000


class TypingSending:
    """Tells who types."""

    def __init__(
        self,
        sender: Sender,
        distributor: Distributor,
        rooms: RoomCache,
        clock: Clock,
        background: Background,
        *,
        server_name: str,
    ) -> None:
        self._sender = sender
        self._distributor = distributor
        self._rooms = rooms
        self._clock = clock
        self._background = background
        self._domain = ":" + server_name
        self._told: dict[tuple[int, str], int] = {}  # when it was told that a user types

    def typed(self, room_nid: int, user_id: str, typing: bool) -> None:
        """A user types, still or for the first time, or does not any more."""
        room = self._rooms.peek(room_nid)
        if not user_id.endswith(self._domain) or room is None or room.joined == room.local_joined:
            return
        key, now_ms = (room_nid, user_id), self._clock.now_ms()
        if not typing:
            self._told.pop(key, None)
        elif now_ms - self._told.get(key, 0) < _REPEAT_MS:
            return
        else:
            self._told[key] = now_ms
        self._background.spawn("tell who types", self._tell(room_nid, room.room_id, user_id))

    async def _tell(self, room_nid: int, room_id: str, user_id: str) -> None:
        breaks = Breaks(self._clock)

        def add(edus: PendingEdus) -> None:
            # As it is by then: another change may have overtaken this one.
            edus.add_typing(room_id, user_id, (room_nid, user_id) in self._told)

        for server in await self._distributor.servers(room_nid):
            self._sender.tell(server, add)
            await breaks.take()


class ReceiptSending:
    """Tells what was read.

    A room is told of its receipts to so many servers in a second; what is read meanwhile is told
    together, and of each user only what is newest.
    """

    def __init__(
        self,
        sender: Sender,
        distributor: Distributor,
        rooms: RoomCache,
        clock: Clock,
        background: Background,
        *,
        server_name: str,
        servers_per_second: int,
    ) -> None:
        self._sender = sender
        self._distributor = distributor
        self._rooms = rooms
        self._clock = clock
        self._background = background
        self._domain = ":" + server_name
        self._servers_per_second = servers_per_second
        # room_nid → (user, thread) → what is to be told, of rooms whose turn is still to come.
        self._waiting: dict[int, dict[tuple[str, str], Receipt]] = {}

    def moved(self, receipts: Sequence[Receipt]) -> None:
        """Users have read something."""
        for receipt in receipts:
            room = self._rooms.peek(receipt.room_nid)
            if (
                receipt.receipt_type != "m.read"  # private ones stay here
                or not receipt.user_id.endswith(self._domain)
                or room is None
                or room.joined == room.local_joined
            ):
                continue
            key = (receipt.user_id, receipt.thread_id)
            waiting = self._waiting.get(receipt.room_nid)
            if waiting is not None:
                waiting[key] = receipt
            else:
                self._waiting[receipt.room_nid] = {key: receipt}
                self._background.spawn(
                    "tell what was read", self._tell(receipt.room_nid, room.room_id)
                )

    async def _tell(self, room_nid: int, room_id: str) -> None:
        try:
            servers = await self._distributor.servers(room_nid)
        except BaseException:
            del self._waiting[room_nid]
            raise
        receipts, self._waiting[room_nid] = self._waiting[room_nid], {}
        breaks = Breaks(self._clock)
        for server in servers:
            self._sender.tell(server, partial(_add, room_id, list(receipts.values())))
            await breaks.take()
        pause_s = len(servers) / self._servers_per_second
        self._clock.call_later(pause_s, self._next, room_nid, room_id)

    def _next(self, room_nid: int, room_id: str) -> None:
        """The room's turn has come again."""
        if self._waiting[room_nid]:
            self._background.spawn("tell what was read", self._tell(room_nid, room_id))
        else:
            del self._waiting[room_nid]


def _add(room_id: str, receipts: Sequence[Receipt], edus: PendingEdus) -> None:
    for receipt in receipts:
        edus.add_receipt(
            room_id, receipt.user_id, receipt.thread_id, receipt.event_id, receipt.ts_ms
        )
