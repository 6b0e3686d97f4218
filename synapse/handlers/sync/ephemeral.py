"""What a sync tells of a room for the moment: receipts and who is typing."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from synapse.events.filtering import EventFilter
from synapse.storage.stores.receipts import Receipt, ReceiptStore
from synapse.streams.receipts import RecentReceipts
from synapse.streams.typing import Typing

PRIVATE = "m.read.private"


class Ephemeral:
    """Makes a room's `ephemeral` events."""

    def __init__(self, store: ReceiptStore, recent: RecentReceipts, typing: Typing) -> None:
        self._store = store
        self._recent = recent
        self._typing = typing

    async def news(
        self,
        room_nid: int,
        user_id: str,
        since: int,
        upto: int,
        typing_since: int,
        wanted: EventFilter,
    ) -> list[bytes]:
        """The ephemeral events of a room since a position, and a serial of typing."""
        receipts = self._recent.since(room_nid, since)
        if receipts is None:
            receipts = await self._store.since([room_nid], since)
        events = []
        if receipts and wanted.matches_type("m.receipt"):
            event = receipt_event((r for r in receipts if r.stream <= upto), user_id)
            if event is not None:
                events.append(event)
        if self._typing.changed_since(room_nid, typing_since):
            events += self.typing(room_nid, wanted)
        return events

    async def has_read(self, room_nid: int, user_id: str, since: int) -> bool:
        """Whether the user has read on in a room after a position, at one of their devices."""
        return bool(await self.read_on(user_id, {room_nid: since}))

    async def read_on(self, user_id: str, since_of: Mapping[int, int]) -> set[int]:
        """In which rooms the user has read on, each after a position of its own."""
        receipts: list[Receipt] = []
        forgotten = []
        for room_nid, since in since_of.items():
            known = self._recent.since(room_nid, since)
            if known is None:
                forgotten.append(room_nid)
            else:
                receipts += known
        if forgotten:
            oldest = min(since_of[room_nid] for room_nid in forgotten)
            receipts += await self._store.since(forgotten, oldest)
        return {
            receipt.room_nid
            for receipt in receipts
            if receipt.user_id == user_id and receipt.stream > since_of[receipt.room_nid]
        }

    async def all(
        self, room_nids: list[int], user_id: str, upto: int, wanted: EventFilter
    ) -> dict[int, list[bytes]]:
        """All receipts and typing users of rooms that are new to the client."""
        by_room: dict[int, list[Receipt]] = {}
        if wanted.matches_type("m.receipt"):
            for receipt in await self._store.since(room_nids, 0):
                if receipt.stream <= upto:
                    by_room.setdefault(receipt.room_nid, []).append(receipt)
        events: dict[int, list[bytes]] = {}
        for room_nid in room_nids:
            found = []
            event = receipt_event(by_room.get(room_nid, ()), user_id)
            if event is not None:
                found.append(event)
            if self._typing.users(room_nid):
                found += self.typing(room_nid, wanted)
            if found:
                events[room_nid] = found
        return events

    def typing(self, room_nid: int, wanted: EventFilter) -> list[bytes]:
        if not wanted.matches_type("m.typing"):
            return []
        content = {"user_ids": self._typing.users(room_nid)}
        return [orjson.dumps({"content": content, "type": "m.typing"})]

    def is_anyone_typing(self, room_nid: int) -> bool:
        return bool(self._typing.users(room_nid))

    def typing_changed(self, room_nid: int, serial: int) -> bool:
        return self._typing.changed_since(room_nid, serial)


def receipt_event(receipts: Iterable[Receipt], user_id: str) -> bytes | None:
    """An `m.receipt` event, or None if none of the receipts is for this user's eyes."""
    content: dict[str, Any] = {}
    # Memory holds all that came, of which the last one of a kind counts.
    newest = {(r.user_id, r.receipt_type, r.thread_id): r for r in receipts}
    # For one event, a receipt for the whole room stands before one for a thread: there is room for
    # only one, and some clients know only the former (MSC4102). The last one is told.
    for receipt in sorted(newest.values(), key=lambda receipt: not receipt.thread_id):
        if receipt.receipt_type == PRIVATE and receipt.user_id != user_id:
            continue
        data: dict[str, Any] = {"ts": receipt.ts_ms}
        if receipt.thread_id:
            data["thread_id"] = receipt.thread_id
        readers = content.setdefault(receipt.event_id, {}).setdefault(receipt.receipt_type, {})
        readers[receipt.user_id] = data
    if not content:
        return None
    return orjson.dumps({"content": content, "type": "m.receipt"})
