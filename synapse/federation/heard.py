"""EDUs of other servers, taken up: who types, what was read, who is online.

Server-server API, "Typing Notifications", "Receipts", "Presence". A server tells of its own users
only, in rooms in which they are, and whose list of servers (`m.room.server_acl`) admits it.

Changes of devices and keys are taken up in `heard_devices`, messages to devices in
`heard_messages`. Who takes up what is named in `synapse.app.parts.federation`.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import BadJson, Forbidden, NotFound
from synapse.api.identifiers import domain_of, fits_in_bytes, is_event_id, is_room_id, is_user_id
from synapse.api.presence import PresenceState
from synapse.federation.server_acls import ServerAcls
from synapse.handlers.presence import Presence
from synapse.rooms.cache import RoomCache
from synapse.rooms.noise import MAIN_THREAD
from synapse.rooms.room import Room
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.names import Names
from synapse.storage.stores.receipts import Receipt, ReceiptStore
from synapse.streams.typing import Typing
from synapse.util.clock import Clock

# Who types is said again before (`sending.ephemeral`).
_TYPING_MS = 60_000
# Of one EDU; what it holds beyond is left out.
_MOST_RECEIPTS = 500
_MOST_EVENTS = 10
_MOST_PRESENCES = 500
_MOST_STATUS_BYTES = 2_000
_LONGEST_AGO_MS = 10 * 365 * 24 * 3600 * 1000


class RoomMembers:
    """Asks whether a server may tell of a user in a room."""

    def __init__(self, rooms: RoomCache, acls: ServerAcls) -> None:
        self._rooms = rooms
        self._acls = acls

    async def room(self, origin: str, room_id: Any) -> Room:
        """A room of which the server may tell. Raises `BadJson`, `Forbidden`, `NotFound`."""
        if not is_room_id(room_id):
            raise BadJson("room_id is not a room's id")
        room = await self._rooms.get(room_id)
        if not room.local_joined:
            raise NotFound(f"Nobody of ours is in {room_id}")
        await self._acls.check(room, origin)
        return room

    async def is_member(self, room: Room, user_id: str) -> bool:
        member = await self._rooms.current(room, EventTypes.MEMBER, user_id)
        if member is None and room.is_partial:
            return True  # their server is to be believed until we know
        return member is not None and member.membership == Membership.JOIN


class TypingHeard:
    """Takes up `m.typing`."""

    def __init__(self, rooms: RoomMembers, typing: Typing) -> None:
        self._rooms = rooms
        self._typing = typing

    async def take_up(self, origin: str, content: dict[str, Any]) -> None:
        user_id = user_of(origin, content.get("user_id"))
        room = await self._rooms.room(origin, content.get("room_id"))
        if not await self._rooms.is_member(room, user_id):
            raise Forbidden(f"{user_id} is not in the room")
        if content.get("typing") is True:
            self._typing.start(room.nid, user_id, _TYPING_MS)
        else:
            self._typing.stop(room.nid, user_id)


class _Read(NamedTuple):
    user_id: str
    event_ids: list[str]
    thread_id: str
    ts_ms: int


class ReceiptsHeard:
    """Takes up `m.receipt`."""

    def __init__(
        self,
        rooms: RoomMembers,
        events: EventStore,
        names: Names,
        receipts: ReceiptStore,
        clock: Clock,
    ) -> None:
        self._rooms = rooms
        self._events = events
        self._names = names
        self._receipts = receipts
        self._clock = clock

    async def take_up(self, origin: str, content: dict[str, Any]) -> None:
        left = _MOST_RECEIPTS
        for room_id, by_type in content.items():
            users = by_type.get("m.read") if isinstance(by_type, dict) else None
            if not isinstance(users, dict):
                continue
            try:
                room = await self._rooms.room(origin, room_id)
            except (BadJson, Forbidden, NotFound):
                continue  # the other rooms' receipts count all the same
            for read in _reads(origin, users, self._clock.now_ms()):
                if not left:
                    return
                left -= 1
                await self._mark(room, read)

    async def _mark(self, room: Room, read: _Read) -> None:
        user_nid = await self._names.nid(read.user_id)
        if user_nid is None or not await self._rooms.is_member(room, read.user_id):
            return
        known = await self._events.get_many(read.event_ids)
        # One that we don't have can't be placed; the user's next receipt will be.
        for event in known.values():
            if event.room_id == room.room_id and event.pos is not None:
                receipt = Receipt(
                    room.nid,
                    user_nid,
                    read.user_id,
                    "m.read",
                    read.thread_id,
                    event.nid,
                    event.event_id,
                    read.ts_ms,
                    0,
                )
                await self._receipts.put(receipt, event.pos)


class PresenceHeard:
    """Takes up `m.presence`."""

    def __init__(self, presence: Presence, clock: Clock) -> None:
        self._presence = presence
        self._clock = clock

    async def take_up(self, origin: str, content: dict[str, Any]) -> None:
        push = content.get("push")
        if not isinstance(push, list):
            raise BadJson("push is not a list")
        for one in push[:_MOST_PRESENCES]:
            if isinstance(one, dict):
                await self._take_up_one(origin, one)

    async def _take_up_one(self, origin: str, one: dict[str, Any]) -> None:
        user_id, text, status_msg = one.get("user_id"), one.get("presence"), one.get("status_msg")
        if not is_user_id(user_id) or domain_of(user_id) != origin or not isinstance(text, str):
            return
        try:
            state = PresenceState.of(text)
        except KeyError:
            return
        if not _is_status(status_msg):
            status_msg = None
        await self._presence.told(
            user_id,
            state,
            status_msg,
            self._when(one.get("last_active_ago")),
            currently_active=one.get("currently_active") is True,
        )

    def _when(self, ago_ms: Any) -> int:
        if type(ago_ms) is not int or not 0 <= ago_ms < _LONGEST_AGO_MS:
            return 0
        return max(0, self._clock.now_ms() - ago_ms)


def user_of(origin: str, user_id: Any) -> str:
    if not is_user_id(user_id) or domain_of(user_id) != origin:
        raise Forbidden(f"It is not about a user of {origin}")
    return user_id


def _reads(origin: str, users: dict[str, Any], now_ms: int) -> Iterator[_Read]:
    """What a server says that its users have read, as far as it makes sense."""
    for user_id, said in users.items():
        if not isinstance(said, dict) or not is_user_id(user_id) or domain_of(user_id) != origin:
            continue
        event_ids, data = said.get("event_ids"), said.get("data")
        if not isinstance(event_ids, list) or not isinstance(data, dict):
            continue
        thread_id, ts_ms = data.get("thread_id", ""), data.get("ts")
        if thread_id and thread_id != MAIN_THREAD and not is_event_id(thread_id):
            continue
        if type(ts_ms) is not int or not 0 <= ts_ms <= now_ms:
            ts_ms = now_ms
        wanted = [event_id for event_id in event_ids[:_MOST_EVENTS] if is_event_id(event_id)]
        yield _Read(user_id, wanted, thread_id or "", ts_ms)


def _is_status(text: Any) -> bool:
    return isinstance(text, str) and fits_in_bytes(text, _MOST_STATUS_BYTES) and "\0" not in text
