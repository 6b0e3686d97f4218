"""Snapshots of rooms: state and newest messages at once, as in the time before `/sync`.

Clients use them to look into a room without joining it (`/rooms/{roomId}/initialSync`); the one
of all of a user's rooms (`/initialSync`) is deprecated.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from synapse.events.event import Event
from synapse.events.filtering import EventFilter
from synapse.handlers.auth import Requester
from synapse.handlers.push_rules import PushRules
from synapse.handlers.room_access import room_of_member
from synapse.handlers.room_state import RoomState
from synapse.handlers.sync.personal import (
    PersonalNews,
    event_json,
    personal_news,
    push_rule_news,
)
from synapse.handlers.timelines import Timelines
from synapse.handlers.visibility import Visibility
from synapse.rooms.cache import RoomCache
from synapse.storage.database import Database
from synapse.storage.stores.account_data import AccountDataStore
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import MemberRow, Membership, MemberStore
from synapse.storage.stores.partial_rooms import PartialRoomStore
from synapse.storage.stores.rooms import RoomStore
from synapse.storage.stores.states import StateStore
from synapse.streams.tokens import SyncToken, timeline_token
from synapse.streams.typing import Typing

_EVERYTHING = EventFilter({}, 0)
# Rooms whose states are in memory at the same time.
_ROOMS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class RoomSnapshot:
    """A room as one user sees it."""

    room_id: str
    membership: str | None  # None: was never a member, or knocks
    is_published: bool
    messages: list[Event] = field(default_factory=list)  # oldest first
    start: str | None = None  # None: there is nothing before the messages
    end: str = ""
    state: list[Event] = field(default_factory=list)
    account_data: list[bytes] = field(default_factory=list)  # the JSON of each event
    invite: Event | None = None  # all that one who is invited sees


class Snapshots:
    """Takes snapshots."""

    def __init__(
        self,
        database: Database,
        rooms: RoomCache,
        room_store: RoomStore,
        members: MemberStore,
        events: EventStore,
        states: StateStore,
        timelines: Timelines,
        room_state: RoomState,
        visibility: Visibility,
        account_data: AccountDataStore,
        push_rules: PushRules,
        typing: Typing,
        partial_rooms: PartialRoomStore,
    ) -> None:
        self._database = database
        self._rooms = rooms
        self._room_store = room_store
        self._members = members
        self._events = events
        self._states = states
        self._timelines = timelines
        self._room_state = room_state
        self._visibility = visibility
        self._account_data = account_data
        self._push_rules = push_rules
        self._typing = typing
        self._partial_rooms = partial_rooms

    def token(self) -> SyncToken:
        """From where on a stream tells what a snapshot that begins now may lack."""
        return SyncToken(self._database.position, self._typing.serial)

    async def room(self, requester: Requester, room_id: str, limit: int) -> RoomSnapshot:
        """Raises `Forbidden` for who may not read the room."""
        room = await room_of_member(self._rooms, room_id)
        wish = EventFilter({}, limit)
        page = await self._timelines.messages(
            requester, room_id, wish, backwards=True, start=None, stop=None
        )
        row = await self._members.get(requester.user_nid, room.nid)
        rooms = await self._room_store.get_many([room.nid])
        return RoomSnapshot(
            room_id=room_id,
            membership=_told(row),
            is_published=bool(rooms[room.nid].published),
            messages=page.events[::-1],
            start=page.end,
            end=page.start,
            state=await self._room_state.all(requester, room_id),
            account_data=[
                event_json(entry.type, entry.content)
                for entry in await self._account_data.of_room(requester.user_nid, room.nid)
            ],
        )

    async def personal(self, requester: Requester) -> PersonalNews:
        """All of the user's account data."""
        news = await personal_news(
            self._account_data,
            requester.user_nid,
            0,
            self._database.position,
            everywhere=_EVERYTHING,
            in_rooms=_EVERYTHING,
        )
        news.account_data += await push_rule_news(
            self._push_rules, requester, 0, everywhere=_EVERYTHING
        )
        return news

    async def rooms(
        self, requester: Requester, limit: int, personal: PersonalNews, *, archived: bool
    ) -> AsyncIterator[RoomSnapshot]:
        """The rooms that the user is in or invited to; `archived`: also those they have left."""
        shown = [Membership.JOIN, Membership.INVITE]
        if archived:
            shown += [Membership.LEAVE, Membership.BAN]
        rows = await self._members.rooms_of(requester.user_nid, shown)
        partial = await self._partial_rooms.all()  # their states can't be shown yet
        joined = [
            row for row in rows if row.membership == Membership.JOIN and row.room_nid not in partial
        ]
        for start in range(0, len(joined), _ROOMS_AT_ONCE):
            some = joined[start : start + _ROOMS_AT_ONCE]
            for snapshot in await self._joined(requester, some, limit, personal):
                yield snapshot
        others = [row for row in rows if row.membership != Membership.JOIN and not row.forgotten]
        room_ids = await self._room_store.ids(row.room_nid for row in others)
        for row in others:
            room_id = room_ids[row.room_nid]
            if row.membership == Membership.INVITE:
                invite = (await self._events.by_nids([row.event_nid]))[row.event_nid]
                yield RoomSnapshot(room_id, Membership.INVITE.text, False, invite=invite)
            elif await self._was_joined(requester, row):
                yield await self.room(requester, room_id, limit)

    async def _joined(
        self,
        requester: Requester,
        rows: Sequence[MemberRow],
        limit: int,
        personal: PersonalNews,
    ) -> list[RoomSnapshot]:
        room_nids = [row.room_nid for row in rows]
        rooms = await self._room_store.get_many(room_nids)
        tails = await self._events.tails(room_nids, limit + 1)
        others = await self._states.without_members_of(room_nids)
        members = await self._states.members_of(room_nids)
        snapshots = []
        for row in rows:
            nid, tail = row.room_nid, tails[row.room_nid]
            newest = tail[-limit:] if limit else []
            before = newest[0] if newest else tail[-1]
            place = (before.pos or 0) - 1 if newest else before.pos or 0
            snapshots.append(
                RoomSnapshot(
                    room_id=rooms[nid].room_id,
                    membership=Membership.JOIN.text,
                    is_published=bool(rooms[nid].published),
                    messages=await self._visibility.visible(requester.user_id, row, newest),
                    start=timeline_token(place) if len(tail) > len(newest) else None,
                    end=timeline_token(tail[-1].pos or 0),
                    state=others[nid] + members[nid],
                    account_data=personal.of_rooms.get(nid, []),
                )
            )
        return snapshots

    async def _was_joined(self, requester: Requester, row: MemberRow) -> bool:
        """Whether one who is no longer in the room was in it before."""
        room = await self._rooms.get_by_nid(row.room_nid)
        return await self._visibility.may_read(room, requester.user_id, requester.user_nid)


def _told(row: MemberRow | None) -> str | None:
    """A membership in the words of these old endpoints, which know no knocking."""
    if row is None or row.membership == Membership.KNOCK:
        return None
    return Membership(row.membership).text
