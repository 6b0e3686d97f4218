"""What a sync tells of a room's unread events."""

from typing import Any

import orjson

from synapse.handlers.auth import Requester
from synapse.handlers.listeners import Listeners
from synapse.storage.stores.unread import UnreadStore
from synapse.storage.stores.unread_counting import Count, RoomCounts


class Unread:
    """Makes `unread_notifications` and `unread_thread_notifications`."""

    def __init__(self, listeners: Listeners, store: UnreadStore) -> None:
        self._listeners = listeners
        self._store = store

    async def of_rooms(
        self, requester: Requester, room_ids: dict[int, str], *, by_thread: bool
    ) -> dict[int, bytes]:
        """By room_nid the JSON members of each room, with a comma before them."""
        counts = await self._counts(requester, room_ids)
        return {nid: _members(counts.get(nid) or RoomCounts(), by_thread) for nid in room_ids}

    async def totals(self, requester: Requester, room_ids: dict[int, str]) -> dict[int, Count]:
        """By room_nid what is unread in each room, threads included."""
        counts = await self._counts(requester, room_ids) if room_ids else {}
        return {nid: (counts.get(nid) or RoomCounts()).total() for nid in room_ids}

    async def caught_up(self, requester: Requester, room_nid: int, room_id: str) -> None:
        """Let counting begin at the room's end, if nothing before it is unread.

        Who reads thread by thread has no one point up to which all is read: without this, counting
        would look at all messages in threads since they joined.
        """
        counts = (await self._counts(requester, {room_nid: room_id})).get(room_nid)
        if counts is not None and counts.total() == Count():
            await self._store.read_all(requester.user_nid, room_nid, counts)

    async def _counts(
        self, requester: Requester, room_ids: dict[int, str]
    ) -> dict[int, RoomCounts]:
        listeners = await self._listeners.of_rooms(requester.user_id, requester.user_nid, room_ids)
        return await self._store.counts(requester.user_nid, listeners)


def _members(counts: RoomCounts, by_thread: bool) -> bytes:
    if not by_thread:
        return b',"unread_notifications":%b' % orjson.dumps(_count(counts.total()))
    members = b',"unread_notifications":%b' % orjson.dumps(_count(counts.main))
    threads = {
        root: _count(count)
        for root, count in counts.threads.items()
        if count.notify or count.highlight
    }
    return members + b',"unread_thread_notifications":%b' % orjson.dumps(threads)


def _count(count: Count) -> dict[str, Any]:
    return {"highlight_count": count.highlight, "notification_count": count.notify}
