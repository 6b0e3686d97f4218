"""Followers: the users whose clients sync, each with what moved for them.

An event in a room does not look for the room's members: it looks for the room's followers, those
members of ours who have synced lately. A follower keeps the rooms that moved in the order in which
they last did, so that a sync asks only about those: whether a user is in ten rooms or ten thousand
makes no difference, and a sync without news is one look at the newest entry.

A follower knows what happened since it began to follow (`since`). For older tokens a sync asks the
database once.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from twisted.internet.defer import CancelledError, Deferred

from synapse.storage.stores.members import Membership, MemberStore
from synapse.util.caches import LoadAbandoned
from synapse.util.clock import Clock

# A user who has not synced for this long is no longer followed; longer than any sync may wait.
IDLE_MS = 15 * 60 * 1000
# Of a follower; clients that were away for longer have the database asked.
DEVICE_MOVES_KEPT = 100


class DeviceMove(NamedTuple):
    """When a user's devices last changed for a follower, or whether they share a room."""

    position: int
    is_gone: bool  # the user left a room


class Follower:
    """One user of ours."""

    def __init__(self, user_id: str, user_nid: int) -> None:
        self.user_id = user_id
        self.user_nid = user_nid
        self.since = 0  # what is below is complete from this position on
        self.rooms: set[int] = set()  # joined
        # room_nid → position of its last change, the newest last.
        self.touched: OrderedDict[int, int] = OrderedDict()
        # When something of the user's own changed: account data, memberships, …
        self.own = 0
        # When the user last came into a room, or out of one.
        self.membership_moved = 0
        # Users whose devices the follower's clients may have to ask for, the newest change last,
        # and the position from which on these are all.
        self.device_moves: dict[str, DeviceMove] = {}
        self.device_moves_since = 0
        # The serial up to which news of presence may be told to clients that wait.
        self.presence = 0
        self.used_ms = 0
        self._waiters: dict[Deferred[None], int] = {}  # for which device each waits; 0: for none
        # Who waits until the rooms are known; None: they are.
        self.loading: list[Deferred[None]] | None = []
        self.changed_while_loading: set[int] = set()

    def loaded(self) -> list[Deferred[None]]:
        """The rooms are known now; returns who waited for that."""
        waiters, self.loading = self.loading or [], None
        self.changed_while_loading.clear()
        return waiters

    def rooms_touched_since(self, position: int) -> list[int]:
        """The rooms that moved after a position, which must not be below `since`."""
        rooms = []
        for room_nid in reversed(self.touched):
            if self.touched[room_nid] <= position:
                break
            rooms.append(room_nid)
        return rooms

    def has_news_since(self, position: int) -> bool:
        if self.own > position or self.has_device_moves_since(position):
            return True
        newest = next(reversed(self.touched.values()), 0)
        return newest > position

    def has_device_moves_since(self, position: int) -> bool:
        newest = next(reversed(self.device_moves.values()), None)
        return newest is not None and newest.position > position

    def note_device_move(self, user_id: str, move: DeviceMove) -> None:
        moves = self.device_moves
        moves.pop(user_id, None)
        moves[user_id] = move
        if len(moves) > DEVICE_MOVES_KEPT:
            self.device_moves_since = moves.pop(next(iter(moves))).position

    def wait(self, device_nid: int = 0) -> Deferred[None]:
        """Fires when something moved for the user, or for the device. Cancel it to stop waiting."""
        waiter: Deferred[None] = Deferred(lambda waiter: self._forget([waiter]))
        self._waiters[waiter] = device_nid
        return waiter

    def wake(self) -> None:
        self._wake(list(self._waiters))

    def wake_device(self, device_nid: int) -> None:
        """Wake only those who wait for one of the user's devices."""
        self._wake([waiter for waiter, nid in self._waiters.items() if nid == device_nid])

    def _wake(self, waiters: "list[Deferred[None]]") -> None:
        self._forget(waiters)
        for waiter in waiters:
            if not waiter.called:  # or one that was woken before it has cancelled it
                waiter.callback(None)

    def _forget(self, waiters: "list[Deferred[None]]") -> None:
        for waiter in waiters:
            self._waiters.pop(waiter, None)

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiters)


class Followers:
    """All followers, by user and by room."""

    def __init__(self, members: MemberStore, clock: Clock, *, position: Callable[[], int]) -> None:
        """`position` tells the newest committed position."""
        self._members = members
        self._position = position
        self._clock = clock
        self._by_user: dict[int, Follower] = {}
        self._by_room: dict[int, dict[int, Follower]] = {}
        self._moved: dict[int, Follower] = {}  # to be woken
        self._moved_devices: dict[int, Follower] = {}  # the same for one device each
        # Who waits for a room without being its follower, and those whose room has moved.
        self._watchers: dict[int, list[Deferred[None]]] = {}
        self._called: list[Deferred[None]] = []

    async def follow(self, user_id: str, user_nid: int) -> Follower:
        """The user's follower, made anew if there is none."""
        follower = self._by_user.get(user_nid)
        if follower is None:
            follower = await self._begin(user_id, user_nid)
        elif follower.loading is not None:
            loaded: Deferred[None] = Deferred()
            follower.loading.append(loaded)
            try:
                await loaded
            except LoadAbandoned:
                return await self.follow(user_id, user_nid)
        follower.used_ms = self._clock.now_ms()
        return follower

    async def _begin(self, user_id: str, user_nid: int) -> Follower:
        follower = Follower(user_id, user_nid)
        follower.used_ms = self._clock.now_ms()
        # Registered before its rooms are read, so that no change of membership is missed.
        self._by_user[user_nid] = follower
        try:
            rows = await self._members.rooms_of(user_nid, [Membership.JOIN])
        except BaseException as error:
            self._drop(follower)
            for waiter in follower.loaded():
                waiter.errback(LoadAbandoned() if isinstance(error, CancelledError) else error)
            raise
        for row in rows:
            if row.room_nid not in follower.changed_while_loading:
                self._enter(follower, row.room_nid)
        # What moved before all rooms were known may have been missed: that is asked of the
        # database.
        follower.since = follower.own = self._position()
        for waiter in follower.loaded():
            waiter.callback(None)
        return follower

    async def rooms_of_stranger(self, user_nid: int) -> set[int]:
        """The rooms in which a user of another server is."""
        return {row.room_nid for row in await self._members.rooms_of(user_nid, [Membership.JOIN])}

    def get(self, user_nid: int) -> Follower | None:
        return self._by_user.get(user_nid)

    # News. Call `wake` after all news of a commit: who is woken takes its position for complete.

    def room_moved(self, room_nid: int, position: int) -> None:
        for follower in self._by_room.get(room_nid, {}).values():
            self._touch(follower, room_nid, position)
        if room_nid in self._watchers:
            self._called += self._watchers.pop(room_nid)

    def room_moved_for(self, user_nid: int, room_nid: int, position: int) -> None:
        """Something moved in a room that only one user is told of."""
        follower = self._by_user.get(user_nid)
        if follower is not None:
            self._touch(follower, room_nid, position)

    def user_moved(self, user_nid: int, position: int) -> None:
        """Something of the user's own changed."""
        follower = self._by_user.get(user_nid)
        if follower is not None:
            follower.own = max(follower.own, position)
            self._moved[user_nid] = follower

    def devices_changed(
        self, user_nid: int, user_id: str, room_nids: Iterable[int], position: int
    ) -> None:
        """The devices of a user, who is in these rooms, have changed. `user_nid` is told, too."""
        move = DeviceMove(position, is_gone=False)
        concerned = {f.user_nid: f for nid in room_nids for f in self.of_room(nid)}
        if own := self._by_user.get(user_nid):
            concerned[user_nid] = own
        for follower in concerned.values():
            follower.note_device_move(user_id, move)
        self._moved.update(concerned)

    def member_moved(self, room_nid: int, user_id: str, position: int, *, is_gone: bool) -> None:
        """A user, of whichever server, came into a room or left it: who is there may begin, or
        cease, to care for their devices."""
        move = DeviceMove(position, is_gone)
        for follower in self.of_room(room_nid):
            if follower.user_id != user_id:
                follower.note_device_move(user_id, move)

    def poke(self, user_nid: int) -> None:
        """Something moved for a user that knows its own position."""
        follower = self._by_user.get(user_nid)
        if follower is not None:
            self._moved[user_nid] = follower

    def device_moved(self, user_nid: int, device_nid: int) -> None:
        """Something came that only one device of the user is told of."""
        follower = self._by_user.get(user_nid)
        if follower is not None and follower.is_waiting:
            self._moved_devices[device_nid] = follower

    def membership_changed(
        self, user_nid: int, room_nid: int, membership: Membership, position: int
    ) -> None:
        follower = self._by_user.get(user_nid)
        if follower is None:
            return
        if follower.loading is not None:
            follower.changed_while_loading.add(room_nid)
        if membership is Membership.JOIN:
            self._enter(follower, room_nid)
        else:
            self._leave(follower, room_nid)
        follower.membership_moved = position
        self._touch(follower, room_nid, position)
        self.user_moved(user_nid, position)

    def wake(self) -> None:
        """Wake everyone for whom something moved."""
        moved, self._moved = self._moved, {}
        for follower in moved.values():
            follower.wake()
        devices, self._moved_devices = self._moved_devices, {}
        for device_nid, follower in devices.items():
            follower.wake_device(device_nid)
        called, self._called = self._called, []
        for watcher in called:
            if not watcher.called:  # or one that was woken before it has cancelled it
                watcher.callback(None)

    def watch(self, room_nid: int) -> Deferred[None]:
        """Fires when the room moves, for whoever looks into it. Cancel it to stop waiting."""

        def leave(watcher: Deferred[None]) -> None:
            if watcher in self._called:
                self._called.remove(watcher)
            elif watchers := self._watchers.get(room_nid):
                watchers.remove(watcher)
                if not watchers:
                    del self._watchers[room_nid]

        watcher: Deferred[None] = Deferred(leave)
        self._watchers.setdefault(room_nid, []).append(watcher)
        return watcher

    def wake_room(self, room_nid: int) -> None:
        """Wake a room's followers for what has no position: typing."""
        for follower in list(self._by_room.get(room_nid, {}).values()):
            follower.wake()

    def drop_idle(self) -> None:
        """Stop following users who no longer sync. Call it now and then."""
        limit = self._clock.now_ms() - IDLE_MS
        idle = [f for f in self._by_user.values() if f.used_ms < limit and not f.is_waiting]
        for follower in idle:
            self._drop(follower)

    def _drop(self, follower: Follower) -> None:
        del self._by_user[follower.user_nid]
        for room_nid in list(follower.rooms):
            self._leave(follower, room_nid)

    def of_room(self, room_nid: int) -> Iterable[Follower]:
        return self._by_room.get(room_nid, {}).values()

    def _touch(self, follower: Follower, room_nid: int, position: int) -> None:
        follower.touched[room_nid] = position
        follower.touched.move_to_end(room_nid)
        self._moved[follower.user_nid] = follower

    def _enter(self, follower: Follower, room_nid: int) -> None:
        follower.rooms.add(room_nid)
        self._by_room.setdefault(room_nid, {})[follower.user_nid] = follower

    def _leave(self, follower: Follower, room_nid: int) -> None:
        follower.rooms.discard(room_nid)
        followers = self._by_room.get(room_nid)
        if followers is not None:
            followers.pop(follower.user_nid, None)
            if not followers:
                del self._by_room[room_nid]
