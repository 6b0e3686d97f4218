"""Who is typing: kept in memory only, since nobody asks about it a minute later."""

from synapse.streams.followers import Followers
from synapse.util.clock import Clock, Timer

MAX_TIMEOUT_MS = 120_000


class Typing:
    """The typing users of each room, with a serial number of the room's last change."""

    def __init__(self, followers: Followers, clock: Clock) -> None:
        self._followers = followers
        self._clock = clock
        self._rooms: dict[int, dict[str, Timer]] = {}
        # Rooms in which someone was typing since the start: room_nid → serial of the last change.
        self._changed: dict[int, int] = {}
        self.serial = 0

    def users(self, room_nid: int) -> list[str]:
        return list(self._rooms.get(room_nid, ()))

    def changed_since(self, room_nid: int, serial: int) -> bool:
        """Whether a room's typing users are others than at a serial, for all we know."""
        # A larger serial than ours is from before a restart.
        return self._changed.get(room_nid, 0) > (serial if serial <= self.serial else 0)

    def rooms_since(self, serial: int) -> list[int]:
        """The rooms whose typing users changed after a serial."""
        if serial == self.serial:
            return []
        return [room_nid for room_nid in self._changed if self.changed_since(room_nid, serial)]

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

    def close(self) -> None:
        """Stop all timers."""
        for timers in self._rooms.values():
            for timer in timers.values():
                if timer.active():
                    timer.cancel()
        self._rooms.clear()

    def _moved(self, room_nid: int) -> None:
        self.serial += 1
        self._changed[room_nid] = self.serial
        self._followers.wake_room(room_nid)
