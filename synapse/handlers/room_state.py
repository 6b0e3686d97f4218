"""What readers of a room are told of its state and its members.

Members see the state as it is now; those who have left see it as it was when they did.
"""

import msgspec
import orjson

from synapse.api.constants import EventTypes
from synapse.api.errors import NotFound
from synapse.events.event import Event
from synapse.handlers.auth import Requester
from synapse.handlers.room_access import not_in_room, room_of_member
from synapse.handlers.states import States
from synapse.handlers.timelines import Timelines
from synapse.handlers.visibility import Reader, Visibility
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.rooms.wholeness import Wholeness
from synapse.storage.stores.members import Membership, MemberStore
from synapse.storage.stores.rooms import RoomStore
from synapse.streams.tokens import timeline_token
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock


class _Content(msgspec.Struct, gc=False):
    displayname: msgspec.Raw = msgspec.Raw(b"null")
    avatar_url: msgspec.Raw = msgspec.Raw(b"null")


class _Member(msgspec.Struct, gc=False):
    """What is wanted of a member event: the rest isn't parsed."""

    content: _Content


_decode_member = msgspec.json.Decoder(_Member).decode


class RoomState:
    """Answers readers' questions about a room's state. All raise `Forbidden` for other users."""

    def __init__(
        self,
        rooms: RoomCache,
        store: RoomStore,
        members: MemberStore,
        states: States,
        timelines: Timelines,
        visibility: Visibility,
        wholeness: Wholeness,
        clock: Clock,
        *,
        server_name: str,
    ) -> None:
        self._rooms = rooms
        self._store = store
        self._members = members
        self._states = states
        self._timelines = timelines
        self._visibility = visibility
        self._wholeness = wholeness
        self._domain = ":" + server_name
        self._clock = clock

    async def all(self, requester: Requester, room_id: str) -> list[Event]:
        room, reader = await self._reader_of_members(requester, room_id)
        if reader.leave is not None:
            return await self._states.at_event(room, reader.leave)
        return await self._states.now(room)

    async def one(self, requester: Requester, room_id: str, type: str, state_key: str) -> Event:
        """Raises `NotFound` if the room has no such state."""
        if type == EventTypes.MEMBER and not state_key.endswith(self._domain):
            room, reader = await self._reader_of_members(requester, room_id)
        else:
            room, reader = await self._reader(requester, room_id)
        if reader.leave is None:
            event = await self._rooms.current(room, type, state_key)
        else:
            slot = (type, state_key)
            event = (await self._states.slots_at_event(room, reader.leave, [slot])).get(slot)
        if event is None:
            raise NotFound(f"The room has no state of type {type[:255]} with this state key")
        return event

    async def members(
        self, requester: Requester, room_id: str, memberships: set[str], at: str | None
    ) -> list[Event]:
        """The member events with one of these memberships, now or at a token.

        At a time of which the reader sees nothing, it is those when that began.
        """
        room, reader = await self._reader_of_members(requester, room_id)
        state_nid = room.view_nid if reader.leave is None else reader.leave.state_nid
        if at is not None:
            moment = await self._moment(room, reader, at)
            if moment is None:
                return []
            if moment is not reader.leave:
                state_nid = moment.view_nid  # what a sync told that ended there
        wanted = [Membership.of(membership) for membership in memberships]
        return await self._states.members_at(room, state_nid, wanted)

    async def _moment(self, room: Room, reader: Reader, token: str) -> Event | None:
        """The event behind which a token stands, or the nearest that the reader may know of."""
        event = await self._timelines.last_before(room, token)
        if event is None or await self._visibility.visible_to(reader, [event]):
            return event
        if reader.joined_since is None:
            return reader.leave
        return await self._timelines.last_before(room, timeline_token(reader.joined_since))

    async def joined_members(self, requester: Requester, room_id: str) -> bytes:
        """The profiles of who is in the room, for who is in it: a JSON object by user id."""
        room, reader = await self._reader_of_members(requester, room_id)
        if not reader.is_joined:
            raise not_in_room(room_id)
        events = await self._states.members_now(room, [Membership.JOIN])
        profiles: list[bytes] = []
        async for some in Breaks(self._clock).portions(events):
            profiles += [orjson.dumps(e.state_key) + b":" + profile_in(e.json) for e in some]
        return b"{%b}" % b",".join(profiles)

    async def joined_rooms(self, requester: Requester) -> list[str]:
        """The ids of the rooms that the user is in."""
        rows = await self._members.rooms_of(requester.user_nid, [Membership.JOIN])
        return list((await self._store.ids(row.room_nid for row in rows)).values())

    async def _reader(self, requester: Requester, room_id: str) -> tuple[Room, Reader]:
        room = await room_of_member(self._rooms, room_id)
        reader = await self._visibility.reader(room, requester.user_id, requester.user_nid)
        return room, reader

    async def _reader_of_members(self, requester: Requester, room_id: str) -> tuple[Room, Reader]:
        """The same once all members are known. Raises what `Wholeness.of` raises."""
        room, reader = await self._reader(requester, room_id)
        if room.is_partial:
            await self._wholeness.of(room)
            return await self._reader(requester, room_id)
        return room, reader


def profile_in(member_event: bytes) -> bytes:
    """What a member event says of the user. Both are JSON objects."""
    # Not `event.content`, which would be kept with each of a hundred thousand.
    content = _decode_member(member_event).content
    fields = (
        (b"display_name", bytes(content.displayname)),
        (b"avatar_url", bytes(content.avatar_url)),
    )
    # Only what is text: other servers' events may have anything there.
    texts = [b'"%b":%b' % (name, value) for name, value in fields if value[:1] == b'"']
    return b"{%b}" % b",".join(texts)
