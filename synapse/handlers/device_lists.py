"""Device lists, as clients are told of them: whose devices to ask for, and whose no more.

End-to-end encryption, "Tracking the device list for a user" and "Extensions to /sync". Who is told
of a user's devices follows from the rooms that they share. What concerns a follower stands in its
`device_moves`; the database is asked by who was away for longer, or came into a room or out of one.
"""

from typing import NamedTuple

from synapse.api.constants import EventTypes
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.cross_signing import CrossSigningStore
from synapse.storage.stores.device_changes import DeviceChanges
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import Membership, MemberStore
from synapse.storage.stores.sharing import SharingStore
from synapse.streams.followers import Follower

# Whoever comes into a larger room that is not encrypted is not told of all who are there: nobody
# needs their devices. (The specification asks for encrypted rooms only.)
_MANY_MEMBERS = 1_000
# Of the events by which a user left a room, so many are looked back to find that they were in it.
_STEPS_BACK = 10
_ENDED = (Membership.LEAVE, Membership.BAN)


class DeviceListNews(NamedTuple):
    """`device_lists`: user ids."""

    changed: list[str]
    left: list[str]


_NOTHING = DeviceListNews([], [])


class DeviceLists:
    """Finds out what is new."""

    def __init__(
        self,
        changes: DeviceChanges,
        cross_signing: CrossSigningStore,
        sharing: SharingStore,
        members: MemberStore,
        events: EventStore,
        rooms: RoomCache,
    ) -> None:
        self._changes = changes
        self._cross_signing = cross_signing
        self._sharing = sharing
        self._members = members
        self._events = events
        self._rooms = rooms

    async def news(self, follower: Follower, since: int, upto: int) -> DeviceListNews:
        """What a client is to be told that knows all up to a position."""
        is_followed = since >= max(follower.since, follower.device_moves_since)
        has_moved = since < max(follower.since, follower.membership_moved)
        if is_followed and not has_moved and not follower.has_device_moves_since(since):
            return _NOTHING
        changed: dict[str, None] = {}
        doubtful: dict[str, None] = {}
        if is_followed:
            for user_id, move in reversed(follower.device_moves.items()):
                if move.position <= since:
                    break
                (doubtful if move.is_gone else changed)[user_id] = None
        else:
            user_nid = follower.user_nid
            changed |= dict.fromkeys(await self._changes.seen_by(user_nid, since, upto))
            signed = await self._cross_signing.signed_by(user_nid, since, upto)
            changed |= dict.fromkeys(signed)
            movers = await self._sharing.movers(user_nid, since, upto)
            doubtful |= dict.fromkeys(movers)
        if has_moved:
            await self._add_own_moves(follower, since, upto, changed, doubtful)
        return await self._settled(follower, changed, doubtful)

    async def _settled(
        self, follower: Follower, changed: dict[str, None], doubtful: dict[str, None]
    ) -> DeviceListNews:
        doubtful.pop(follower.user_id, None)
        left: dict[str, None] = {}
        if doubtful:
            sharing = await self._sharing.sharing(follower.user_nid, list(doubtful))
            for user_id in doubtful:
                (changed if user_id in sharing else left)[user_id] = None
        return DeviceListNews([user_id for user_id in changed if user_id not in left], list(left))

    async def _add_own_moves(
        self,
        follower: Follower,
        since: int,
        upto: int,
        changed: dict[str, None],
        doubtful: dict[str, None],
    ) -> None:
        """The users of rooms that the user came into or left."""
        for row in await self._members.changed_since(follower.user_nid, since):
            if not since < row.since <= upto:
                continue
            if row.membership == Membership.JOIN:
                where = changed
            elif row.membership in _ENDED and await self._was_in(row.event_nid, since):
                where = doubtful
            else:
                continue
            if await self._is_of_interest(row.room_nid):
                where |= dict.fromkeys(await self._sharing.members(row.room_nid, follower.user_nid))

    async def _was_in(self, event_nid: int, since: int) -> bool:
        """Whether somebody was in a room at some time after a position, before the event by which
        they are not. Who never was must not learn who is."""
        for _ in range(_STEPS_BACK):
            event = (await self._events.by_nids([event_nid])).get(event_nid)
            if event is None:
                return False
            if event.membership == Membership.JOIN.text:
                return True
            if event.nid <= since or not event.replaces_nid:
                return False
            event_nid = event.replaces_nid
        return False

    async def _is_of_interest(self, room_nid: int) -> bool:
        room = await self._rooms.get_by_nid(room_nid)
        if room.joined <= _MANY_MEMBERS:
            return True
        return await self._rooms.current(room, EventTypes.ENCRYPTION) is not None
