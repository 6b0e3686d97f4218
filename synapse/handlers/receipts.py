"""Receipts and read markers: how far a user has read a room."""

import orjson

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import InvalidParam, NotFound
from synapse.api.identifiers import is_event_id
from synapse.events.event import Event
from synapse.handlers.auth import Requester
from synapse.handlers.presence import Presence
from synapse.handlers.room_access import not_in_room, room_of_member
from synapse.handlers.sync.unread import Unread
from synapse.handlers.threads import thread_of
from synapse.rooms.cache import RoomCache
from synapse.rooms.noise import MAIN_THREAD
from synapse.rooms.room import Room
from synapse.storage.stores.account_data import AccountDataStore
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.receipts import Receipt, ReceiptStore
from synapse.util.clock import Clock

FULLY_READ = "m.fully_read"
RECEIPT_TYPES = ("m.read", "m.read.private")


class Receipts:
    """Remembers what users have read. Receipts of a kind only ever move forwards."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        receipts: ReceiptStore,
        account_data: AccountDataStore,
        presence: Presence,
        unread: Unread,
        clock: Clock,
    ) -> None:
        self._rooms = rooms
        self._events = events
        self._receipts = receipts
        self._account_data = account_data
        self._presence = presence
        self._unread = unread
        self._clock = clock

    async def mark(
        self,
        requester: Requester,
        room_id: str,
        receipt_type: str,
        event_id: str,
        thread_id: str | None = None,
    ) -> None:
        """Put a receipt or the read marker at an event.

        Raises `InvalidParam`, `Forbidden` for who isn't in the room, `NotFound` for an event that
        isn't there.
        """
        if receipt_type != FULLY_READ and receipt_type not in RECEIPT_TYPES:
            raise InvalidParam(f"Unknown receipt type: {receipt_type!r}")
        if thread_id is not None:
            _check_thread(receipt_type, thread_id)
        room = await self._joined_room(requester, room_id)
        event = await self._event(room, event_id)
        if thread_id is not None:
            await self._require_in_thread(room, event, thread_id)
        self._presence.acted(requester)
        if receipt_type == FULLY_READ:
            await self._mark_fully_read(requester, room, event)
        else:
            await self._mark_read(requester, room, receipt_type, event, thread_id or "")
            if thread_id is not None:
                await self._unread.caught_up(requester, room.nid, room.room_id)

    async def _joined_room(self, requester: Requester, room_id: str) -> Room:
        room = await room_of_member(self._rooms, room_id)
        member = await self._rooms.current(room, EventTypes.MEMBER, requester.user_id)
        if member is None or member.membership != Membership.JOIN:
            raise not_in_room(room_id)
        return room

    async def _event(self, room: Room, event_id: str) -> Event:
        event = await self._events.get(event_id) if is_event_id(event_id) else None
        if event is None or event.room_id != room.room_id or event.pos is None:
            raise NotFound("There is no such event in the room")
        return event

    async def _require_in_thread(self, room: Room, event: Event, thread_id: str) -> None:
        # A root stands in the main timeline, and begins its thread.
        if event.event_id == thread_id:
            return
        if await thread_of(self._events, room.room_id, event.content) != thread_id:
            raise InvalidParam("The event is not in the thread that thread_id names")

    async def _mark_fully_read(self, requester: Requester, room: Room, event: Event) -> None:
        before = await self._account_data.content(requester.user_nid, room.room_id, FULLY_READ)
        if before is not None:
            read = await self._events.get(orjson.loads(before)["event_id"])
            if not _is_ahead(event, read):
                return
        content = orjson.dumps({"event_id": event.event_id})
        await self._account_data.put(requester.user_nid, room.room_id, FULLY_READ, content)

    async def _mark_read(
        self, requester: Requester, room: Room, receipt_type: str, event: Event, thread_id: str
    ) -> None:
        assert event.pos is not None, "a receipt is for an event of the timeline"
        await self._receipts.put(
            Receipt(
                room_nid=room.nid,
                user_nid=requester.user_nid,
                user_id=requester.user_id,
                receipt_type=receipt_type,
                thread_id=thread_id,
                event_nid=event.nid,
                event_id=event.event_id,
                ts_ms=self._clock.now_ms(),
                stream=0,
            ),
            event.pos,
        )


def _is_ahead(event: Event, read: Event | None) -> bool:
    """Whether an event comes after the one that was read before."""
    return read is None or read.pos is None or (event.pos or 0) > read.pos


def _check_thread(receipt_type: str, thread_id: str) -> None:
    if receipt_type == FULLY_READ:
        raise InvalidParam("m.fully_read can't be threaded")
    if thread_id != MAIN_THREAD and not is_event_id(thread_id):
        raise InvalidParam('thread_id must be "main" or the id of a thread\'s root')
