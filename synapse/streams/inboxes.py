"""What waits for devices: of each device that syncs, how far its inbox reaches, in memory.

A sync of a device without messages is one look-up. What memory does not know, the database answers
once; nothing here has to survive a restart.
"""

from random import random

from synapse.storage.stores.inbox import InboxStore, Message
from synapse.streams.followers import Followers
from synapse.util.background import Background
from synapse.util.caches import Cache

# Each message has this chance that its inbox is looked at, whether it holds too much.
_TRIM_CHANCE = 1 / 500


class _Inbox:
    __slots__ = ("cleared", "newest")

    def __init__(self) -> None:
        self.newest: int | None = None  # 0: it is empty; None: that is being read
        self.cleared = 0  # nothing waits up to here


class Inboxes:
    """The inboxes of all devices, and what is in them."""

    def __init__(self, store: InboxStore, followers: Followers, background: Background) -> None:
        self._store = store
        self._followers = followers
        self._background = background
        self._inboxes: Cache[int, _Inbox] = Cache(50_000, "inboxes")

    def delivered(self, user_nid: int, device_nid: int, position: int) -> None:
        """A message for a device was committed."""
        inbox = self._inboxes.get(device_nid)
        if inbox is not None:
            inbox.newest = max(inbox.newest or 0, position)
        self._followers.device_moved(user_nid, device_nid)
        if random() < _TRIM_CHANCE:
            self._background.spawn("trim an inbox", self._store.trim(device_nid))

    def may_hold(self, device_nid: int, after: int) -> bool:
        """Whether a message may wait for a device behind a position."""
        if device_nid < 0:
            return False  # a token without a device
        inbox = self._inboxes.get(device_nid)
        return inbox is None or inbox.newest is None or inbox.newest > after

    async def confirmed(self, device_nid: int, up_to: int) -> None:
        """The device has all up to a position, and is told of that no more. Returns after that."""
        if not self.may_hold(device_nid, 0):
            return
        inbox = await self._opened(device_nid)
        if not inbox.newest or up_to <= inbox.cleared:
            return
        await self._store.confirmed(device_nid, up_to)
        inbox.cleared = max(inbox.cleared, up_to)
        if inbox.newest <= up_to:
            inbox.newest = 0

    async def waiting(self, device_nid: int, after: int, up_to: int, limit: int) -> list[Message]:
        """The first messages for a device in a stretch of the stream."""
        if not self.may_hold(device_nid, after):
            return []
        inbox = await self._opened(device_nid)
        if not inbox.newest or inbox.newest <= after:
            return []
        return await self._store.page(device_nid, after, up_to, limit)

    async def _opened(self, device_nid: int) -> _Inbox:
        inbox = self._inboxes.get(device_nid)
        if inbox is None or inbox.newest is None:
            # It is in its place before it is read: what comes meanwhile is noted there.
            inbox = self._inboxes[device_nid] = _Inbox()
            newest = await self._store.newest(device_nid)
            inbox.newest = max(inbox.newest or 0, newest)
        return inbox
