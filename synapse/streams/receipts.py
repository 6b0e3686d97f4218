"""The newest receipts of each room, in memory: what waiting clients are told of them.

A sync that is up to date finds what it lacks here; one that has been away for long asks the
database. `since` says which.
"""

from collections import OrderedDict, deque
from collections.abc import Callable

from synapse.storage.stores.receipts import Receipt
from synapse.streams.followers import Followers

_ROOMS_KEPT = 5_000
_RECEIPTS_KEPT = 200  # of one room


class RecentReceipts:
    """Receipts that were committed since the process started, within bounds."""

    def __init__(self, followers: Followers, *, position: int) -> None:
        """`position`: what was committed before; nothing is known of it."""
        self._followers = followers
        self._floor = position
        self._rooms: OrderedDict[int, deque[Receipt]] = OrderedDict()
        self._room_floors: dict[int, int] = {}
        self._listeners: list[Callable[[list[Receipt]], object]] = []

    def listen(self, callback: Callable[[list[Receipt]], object]) -> None:
        """Tell of receipts after their commit."""
        self._listeners.append(callback)

    def committed(self, receipts: list[Receipt]) -> None:
        """Take up receipts that were just committed, and tell who is concerned."""
        for receipt in receipts:
            self._add(receipt)
            if receipt.receipt_type == "m.read":
                self._followers.room_moved(receipt.room_nid, receipt.stream)
            else:
                # Private: only the user's own clients are told.
                self._followers.room_moved_for(receipt.user_nid, receipt.room_nid, receipt.stream)
        for listener in self._listeners:
            listener(receipts)

    def since(self, room_nid: int, position: int) -> list[Receipt] | None:
        """The room's receipts after a position; None if memory does not reach back so far."""
        if position < max(self._floor, self._room_floors.get(room_nid, 0)):
            return None
        receipts = self._rooms.get(room_nid)
        return [r for r in receipts if r.stream > position] if receipts else []

    def _add(self, receipt: Receipt) -> None:
        receipts = self._rooms.get(receipt.room_nid)
        if receipts is None:
            receipts = self._rooms[receipt.room_nid] = deque()
            if len(self._rooms) > _ROOMS_KEPT:
                forgotten, old = self._rooms.popitem(last=False)
                self._room_floors.pop(forgotten, None)
                self._floor = max(self._floor, old[-1].stream)
        self._rooms.move_to_end(receipt.room_nid)
        receipts.append(receipt)
        if len(receipts) > _RECEIPTS_KEPT:
            self._room_floors[receipt.room_nid] = receipts.popleft().stream
