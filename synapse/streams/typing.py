"""Who is typing: kept in memory only, since nobody asks about it a minute later."""

from collections.abc import Callable

from synapse.streams.followers import Followers
from synapse.streams.serials import Serials
from synapse.util.clock import Clock, Timer

MAX_TIMEOUT_MS = 120_000
# Rooms of which it is known when they last changed.
_ROOMS_KEPT = 10_000


class Typing:
    """The typing users of each room, with a serial number of the room's last change."""

    def __init__(self, followers: Followers, serials: Serials, clock: Clock) -> None:
        self._followers = followers
        self._serials = serials
        self._clock = clock
        self._rooms: dict[int, dict[str, Timer]] = {}
        # room_nid → serial of the room's last change, the newest last; for all others, `_floor`.
        self._changed: dict[int, int] = {}
        # Above what tokens from before a restart say: in all rooms, whoever typed then does not any
        # more.
        self._floor = serials.last
        self._listeners: list[Callable[[int, str, bool], object]] = []

    def listen(self, callback: Callable[[int, str, bool], object]) -> None:
        """Tell of each user who types, also if they did already, and of who does no more."""
        self._listeners.append(callback)

    @property
    def serial(self) -> int:
        """The last serial that was given out, for typing or for something else."""
        return self._serials.last

    def users(self, room_nid: int) -> list[str]:
        return list(self._rooms.get(room_nid, ()))

    def changed_since(self, room_nid: int, serial: int) -> bool:
        """Whether a room's typing users are others than at a serial, for all we know."""
        return self._changed.get(room_nid, self._floor) > serial

    def rooms_since(self, serial: int) -> list[int]:
        """The rooms whose typing users changed after a serial."""
        rooms = []
        for room_nid, changed in reversed(self._changed.items()):
            if changed <= serial:
                break
            rooms.append(room_nid)
        return rooms

    def start(self, room_nid: int, user_id: str, timeout_ms: int) -> None:
        """The user types, until `timeout_ms` have passed or `stop`."""
        timers = self._rooms.setdefault(room_nid, {})
        timer = timers.pop(user_id, None)
        if timer is not None and timer.active():
            timer.cancel()
        timers[user_id] = self._clock.call_later(
            min(timeout_ms, MAX_TIMEOUT_MS) / 1000, self.stop, room_nid, user_id
        )
        if timer is None:
            self._moved(room_nid)
        for listener in self._listeners:
            listener(room_nid, user_id, True)

    def stop(self, room_nid: int, user_id: str) -> None:
        timers = self._rooms.get(room_nid, {})
        timer = timers.pop(user_id, None)
        if timer is None:
            return
        if timer.active():
            timer.cancel()
        if not timers:
            del self._rooms[room_nid]
        self._moved(room_nid)
        for listener in self._listeners:
            listener(room_nid, user_id, False)

    def close(self) -> None:
        """Stop all timers."""
        for timers in self._rooms.values():
            for timer in timers.values():
                if timer.active():
                    timer.cancel()
        self._rooms.clear()

    def _moved(self, room_nid: int) -> None:
        self._changed.pop(room_nid, None)
        self._changed[room_nid] = self._serials.next()
        if len(self._changed) > _ROOMS_KEPT:
            oldest = next(iter(self._changed))
            self._floor = self._changed.pop(oldest)
        self._followers.wake_room(room_nid)
