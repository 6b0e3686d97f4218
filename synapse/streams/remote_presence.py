"""The presence of a user of another server, as that server tells it."""

from synapse.api.presence import PresenceState
from synapse.streams.presence import PresenceTimes, UserPresence

# Who isn't told of for so long is taken for offline: their server may be gone.
_BELIEVED_MS = 30 * 60 * 1000


class RemotePresence(UserPresence):
    """A user without devices."""

    __slots__ = ("_told_ms",)

    is_local = False

    def __init__(self, user_id: str, user_nid: int) -> None:
        super().__init__(user_id, user_nid)
        self._told_ms = 0

    def restore(
        self,
        state: PresenceState,
        status_msg: str | None,
        last_active_ms: int,
        serial: int,
        now_ms: int,
    ) -> None:
        self.state, self.status_msg = state, status_msg
        self.last_active_ms, self.serial = last_active_ms, serial
        self._told_ms = now_ms

    def told(
        self,
        state: PresenceState,
        status_msg: str | None,
        last_active_ms: int,
        *,
        currently_active: bool,
        now_ms: int,
    ) -> bool:
        """Take up what the server says; whether others see it."""
        self._told_ms = now_ms
        self.last_active_ms = last_active_ms
        before = (self.state, self.currently_active, self.status_msg)
        self.state, self.status_msg = state, status_msg
        self.currently_active = currently_active and state is PresenceState.ONLINE
        return before != (self.state, self.currently_active, self.status_msg)

    def settle(self, now_ms: int, times: PresenceTimes) -> bool:
        if self.state is PresenceState.OFFLINE or now_ms - self._told_ms < _BELIEVED_MS:
            return False
        self.state, self.currently_active = PresenceState.OFFLINE, False
        return True

    def next_check_ms(self, times: PresenceTimes) -> int | None:
        return None if self.state is PresenceState.OFFLINE else self._told_ms + _BELIEVED_MS
