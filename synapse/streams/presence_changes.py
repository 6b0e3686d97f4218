"""Whose presence changed, and who is told.

A change costs nothing for each member of each room: it gets a serial, and its user moves to the end
of a list. What is new for a client is the end of that list, as far as it concerns users with
whom the client's user shares a room; the sync looks at it (`synapse.handlers.sync.presence`).

Waiting clients are woken a few at a time. When all have had their turn, it is looked anew who is
concerned by what changed meanwhile. So what presence costs is bounded, however many users there are
and however often they come and go: in a small room a change arrives within a tenth of a second,
among a thousand clients that wait within five seconds. A sync that is answered for another reason
tells what it can. Presence alone answers a client only when its turn has come
(`Follower.presence`), or those that come back at once would do the same work again and again.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable

from synapse.api.presence import PresenceState
from synapse.streams.followers import Follower, Followers
from synapse.streams.presence import UserPresence
from synapse.streams.serials import Serials
from synapse.util.background import Background
from synapse.util.clock import Clock, Timer

# Clients are woken so many at a time, so often.
WOKEN_AT_ONCE = 20
TURN_S = 0.1
# Users whose rooms are read at a time.
_READ_AT_ONCE = 100
# Users of whose last change the serial is known.
CHANGES_KEPT = 20_000


class PresenceChanges:
    """The users whose presence is known, in the order of their last changes."""

    def __init__(
        self, followers: Followers, serials: Serials, clock: Clock, background: Background
    ) -> None:
        self._followers = followers
        self._serials = serials
        self._clock = clock
        self._background = background
        self._users: dict[int, UserPresence] = {}
        self._awake: dict[int, UserPresence] = {}
        self._changes: OrderedDict[int, UserPresence] = OrderedDict()
        # What is older than this serial may have been forgotten.
        self._floor = serials.last
        self._moved: dict[int, UserPresence] = {}  # nobody has been told of these
        # Where users of other servers are that moved.
        self._strangers_rooms: set[int] = set()
        self._listeners: list[Callable[[UserPresence], object]] = []
        self._turns: list[Follower] = []  # who is yet to be told, the next one last
        self._turns_serial = 0  # what they are told goes up to this
        self._timer: Timer | None = None

    def listen(self, callback: Callable[[UserPresence], object]) -> None:
        """Tell of users of whom others see something else, or who concern others than before."""
        self._listeners.append(callback)

    def get(self, user_nid: int) -> UserPresence | None:
        return self._users.get(user_nid)

    def add(self, user: UserPresence) -> UserPresence:
        """Take up a user; the one that is known already, if there is one."""
        known = self._users.setdefault(user.user_nid, user)
        if known.state is not PresenceState.OFFLINE:
            self._awake[known.user_nid] = known
        return known

    def restore(self, users: Iterable[UserPresence], *, complete: bool) -> None:
        """Take up what was known before a restart, the oldest change first."""
        newer = self._changes
        self._changes = OrderedDict()
        for user in users:
            if self.add(user) is user:
                self._changes[user.user_nid] = user
                self._serials.at_least(user.serial)
        if complete:
            self._floor = 0
        elif self._changes:
            self._floor = next(iter(self._changes.values())).serial
        self._changes.update(newer)

    def changed(self, user: UserPresence) -> None:
        """What others see of a user has changed, or concerns others than before."""
        user.serial = self._serials.next()
        self._changes[user.user_nid] = user
        self._changes.move_to_end(user.user_nid)
        if user.state is PresenceState.OFFLINE:
            self._awake.pop(user.user_nid, None)
        else:
            self._awake[user.user_nid] = user
        if len(self._changes) > CHANGES_KEPT:
            self._forget_oldest()
        self._moved[user.user_nid] = user
        self._schedule()
        for listener in self._listeners:
            listener(user)

    def joined(self, user_nid: int, room_nid: int) -> None:
        """The user came into a room, or is in it, whose members may not know their presence.

        To be called before the followers are told.
        """
        user = self._awake.get(user_nid)
        follower = self._followers.get(user_nid)
        if user is not None and (follower is None or room_nid not in follower.rooms):
            self.changed(user)

    def since(self, serial: int) -> list[UserPresence] | None:
        """Who changed after a serial, the newest first; None: not all that did are known."""
        if serial < self._floor:
            return None
        users = []
        for user in reversed(self._changes.values()):
            if user.serial <= serial:
                break
            users.append(user)
        return users

    def awake(self) -> list[UserPresence]:
        """All who aren't offline."""
        return list(self._awake.values())

    def close(self) -> None:
        """Wake nobody any more."""
        self._moved.clear()
        self._strangers_rooms.clear()
        self._turns.clear()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _forget_oldest(self) -> None:
        user_nid, oldest = self._changes.popitem(last=False)
        self._floor = oldest.serial
        if oldest.state is PresenceState.OFFLINE:
            self._users.pop(user_nid, None)

    def _schedule(self) -> None:
        if self._timer is None or not self._timer.active():
            self._timer = self._clock.call_later(TURN_S, self._take_turns)

    def _take_turns(self) -> None:
        if not self._turns and (self._moved or self._strangers_rooms):
            self._find_concerned()
        woken = 0
        while self._turns and woken < WOKEN_AT_ONCE:
            follower = self._turns.pop()
            follower.presence = self._turns_serial
            if follower.is_waiting:
                woken += 1
                follower.wake()
        if self._turns or self._moved:
            self._schedule()

    def _find_concerned(self) -> None:
        """Those who share a room with a user that moved, each once."""
        moved, self._moved = self._moved, {}
        rooms, self._strangers_rooms = self._strangers_rooms, set()
        concerned: dict[int, Follower] = {}
        unread: list[UserPresence] = []
        for user_nid, user in moved.items():
            follower = self._followers.get(user_nid)
            if follower is None or follower.loading is not None:
                unread.append(user)
            else:
                rooms |= follower.rooms
                concerned[user_nid] = follower
        for room_nid in rooms:
            concerned.update((f.user_nid, f) for f in self._followers.of_room(room_nid))
        self._turns = list(concerned.values())
        self._turns_serial = self._serials.last
        if unread:
            for user in unread[_READ_AT_ONCE:]:
                self._moved[user.user_nid] = user
            self._background.spawn("find who sees presence", self._read(unread[:_READ_AT_ONCE]))

    async def _read(self, users: list[UserPresence]) -> None:
        """Learn the rooms of users who don't sync; then it is their turn."""
        for user in users:
            if user.is_local:
                await self._followers.follow(user.user_id, user.user_nid)
                self._moved.setdefault(user.user_nid, user)
            else:
                # Nobody of another server is a follower, whom each event in a room would cost.
                self._strangers_rooms |= await self._followers.rooms_of_stranger(user.user_nid)
        self._schedule()
