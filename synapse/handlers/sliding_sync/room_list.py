"""A user's rooms in the order of their last activity, kept in memory between requests.

Read once, then moved on by what the follower saw move: a request costs a look at the rooms that
moved, and walking the list costs no query.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from synapse.api.constants import EventTypes
from synapse.handlers.invite_permission import RULES, InvitePermission
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.storage.stores.account_data import GLOBAL, AccountDataStore
from synapse.storage.stores.members import MemberOverview, MemberRow, Membership, MemberStore
from synapse.streams.followers import Follower
from synapse.util.caches import Cache

_USERS_KEPT = 2_000
# Events after which filters may find a room to be another.
_FACTUAL = (EventTypes.NAME, EventTypes.ENCRYPTION, EventTypes.REDACTION)


@dataclass(frozen=True, slots=True)
class Facts:
    """What filters ask of a room's state."""

    is_encrypted: bool
    room_type: str | None
    name: str


@dataclass(slots=True)
class Entry:
    """A room in a user's list."""

    row: MemberRow
    room_id: str
    activity: int  # the room's last event, or for a room the user isn't in, their last of it
    is_shown: bool  # also to clients that were never told of it
    is_partial: bool = False  # not all of its members are known yet
    facts: Facts | None = None
    # An invite that the user doesn't want to see; `row` is what was before it, if anything was.
    unwanted: MemberRow | None = None

    @property
    def is_joined(self) -> bool:
        return self.row.membership == Membership.JOIN

    @property
    def is_invite(self) -> bool:
        return self.row.membership == Membership.INVITE


@dataclass(slots=True)
class RoomList:
    """All rooms of a user, the most recently active last."""

    upto: int = 0
    entries: OrderedDict[int, Entry] = field(default_factory=OrderedDict)
    by_id: dict[str, int] = field(default_factory=dict)
    direct: frozenset[str] = frozenset()
    tags: dict[int, frozenset[str]] = field(default_factory=dict)
    # space → (its activity, the rooms in it)
    spaces: dict[int, tuple[int, frozenset[str]]] = field(default_factory=dict)

    def newest_first(self) -> Iterator[Entry]:
        return reversed(self.entries.values())

    def named(self, room_id: str) -> Entry | None:
        room_nid = self.by_id.get(room_id)
        return None if room_nid is None else self.entries.get(room_nid)

    def put(self, entry: Entry) -> None:
        self.entries.pop(entry.row.room_nid, None)
        self.entries[entry.row.room_nid] = entry
        self.by_id[entry.room_id] = entry.row.room_nid

    def remove(self, room_nid: int) -> None:
        entry = self.entries.pop(room_nid, None)
        if entry is not None:
            del self.by_id[entry.room_id]


class RoomLists:
    """The lists of users who use sliding sync."""

    def __init__(
        self,
        rooms: RoomCache,
        members: MemberStore,
        account_data: AccountDataStore,
        invite_permission: InvitePermission,
        *,
        excluded_rooms: tuple[str, ...] = (),
    ) -> None:
        self._rooms = rooms
        self._members = members
        self._account_data = account_data
        self._invite_permission = invite_permission
        self._excluded = frozenset(excluded_rooms)
        self._lists: Cache[int, RoomList] = Cache(_USERS_KEPT, "sliding_sync_lists")

    async def of(self, follower: Follower, upto: int) -> RoomList:
        """The user's list, moved on to a position."""
        rooms = self._lists.get(follower.user_nid)
        if rooms is None or rooms.upto < follower.since:
            rooms = RoomList()
            await self._add_own(rooms, follower, 0, upto)
        else:
            since = rooms.upto
            touched = follower.rooms_touched_since(since)
            if follower.own > since:
                await self._add_own(rooms, follower, since, upto)
            await self._move(rooms, touched)
        rooms.upto = max(rooms.upto, upto)
        self._lists[follower.user_nid] = rooms
        return rooms

    async def _add_own(self, rooms: RoomList, follower: Follower, since: int, upto: int) -> None:
        """Take up what the user's own memberships and account data say."""
        is_invited = await self._add_memberships(rooms, follower, since, upto)
        has_other_rules = await self._add_account_data(rooms, follower, since)
        if is_invited or has_other_rules:
            await self._judge_invites(rooms, follower.user_nid)

    async def _add_memberships(
        self, rooms: RoomList, follower: Follower, since: int, upto: int
    ) -> bool:
        """True if there are invites among them."""
        found = [
            _entry(overview)
            for overview in await self._members.overview(follower.user_nid, since)
            if overview.changed <= upto and overview.room_id not in self._excluded
        ]
        for entry in sorted(found, key=lambda entry: entry.activity):
            if entry.row.forgotten:
                rooms.remove(entry.row.room_nid)
            else:
                rooms.put(entry)
        return any(entry.is_invite for entry in found)

    async def _judge_invites(self, rooms: RoomList, user_nid: int) -> None:
        """Hide the invites that the user does not want."""
        invites = {
            entry.row.room_nid: entry.unwanted or entry.row
            for entry in rooms.entries.values()
            if entry.is_invite or entry.unwanted is not None
        }
        before = await self._invite_permission.before_unwanted(user_nid, invites.values())
        for room_nid, invite in invites.items():
            entry = rooms.entries[room_nid]
            entry.is_shown = room_nid not in before
            entry.unwanted = None if entry.is_shown else invite
            entry.row = before.get(room_nid) or invite

    async def _add_account_data(self, rooms: RoomList, follower: Follower, since: int) -> bool:
        """True if the user's rules for invites are among it."""
        has_rules = False
        for data in await self._account_data.changes_since(follower.user_nid, since):
            if data.room_nid == GLOBAL:
                has_rules |= data.type in RULES
                if data.type == "m.direct":
                    rooms.direct = _direct_rooms(orjson.loads(data.content))
            elif data.type == "m.tag":
                tags = orjson.loads(data.content).get("tags")
                rooms.tags[data.room_nid] = frozenset(tags if isinstance(tags, dict) else ())
        return has_rules

    async def _move(self, rooms: RoomList, touched: list[int]) -> None:
        moved = []
        for room_nid in touched:
            entry = rooms.entries.get(room_nid)
            if entry is None or not entry.is_joined:
                continue
            room = await self._rooms.get_by_nid(room_nid)
            entry.is_partial = room.is_partial
            if room.last_nid > entry.activity:
                moved.append((room.last_nid, entry, room))
        for newest, entry, room in sorted(moved, key=lambda item: item[0]):
            if not _keeps_facts(room, entry.activity):
                entry.facts = None
            entry.activity = newest
            rooms.put(entry)


def _entry(overview: MemberOverview) -> Entry:
    row = overview.row
    is_shown = True
    if row.membership == Membership.LEAVE:
        # Who left knows it; who was removed may not.
        is_shown = overview.sender_nid not in (0, row.user_nid)
    elif row.membership == Membership.BAN:
        is_shown = not overview.is_first
    is_joined = row.membership == Membership.JOIN
    activity = overview.last_nid if is_joined else overview.changed
    return Entry(row, overview.room_id, activity, is_shown, overview.is_partial)


def _keeps_facts(room: Room, since: int) -> bool:
    """Whether what came after a position is surely nothing that filters ask about."""
    if room.flipped > since or not any(e.live and e.nid <= since for e in room.tail):
        return False
    return all(e.type not in _FACTUAL for e in room.tail if e.live and e.nid > since)


def _direct_rooms(content: Any) -> frozenset[str]:
    """The rooms that `m.direct` names; clients write it, so it may be anything."""
    if not isinstance(content, dict):
        return frozenset()
    lists = [rooms for rooms in content.values() if isinstance(rooms, list)]
    return frozenset(room for rooms in lists for room in rooms if isinstance(room, str))
