"""A user's presence, as their devices make it: values and times, without timers.

A device counts while it syncs, and for a while after (`sync_online_timeout`). The user is what the
most present of their devices is; an online user who has done nothing for long is unavailable.
`settle` says whether that has come out differently than before, `next_check_ms` when it may change
with nobody doing anything.
"""

from dataclasses import dataclass

from synapse.api.presence import PresenceState

OFFLINE, UNAVAILABLE, ONLINE, BUSY = PresenceState

# Stands for the devices that were there before a restart.
_BEFORE_RESTART = 0


@dataclass(frozen=True, slots=True)
class PresenceTimes:
    """The configuration's times."""

    active_ms: int  # "currently active" after having done something
    idle_ms: int  # online without doing anything, then unavailable
    gone_ms: int  # from the last sync until a device is offline


@dataclass(slots=True)
class _Device:
    state: PresenceState
    seen_ms: int
    syncs: int = 0  # under way
    chosen: bool = False  # set for itself, and not by a sync

    def stays(self, state: PresenceState) -> bool:
        """Whether it stays as it is though a sync says `state`.

        "online" is what all syncs say that say nothing: it doesn't end "busy" set on purpose.
        """
        return self.chosen and self.state is BUSY and state is ONLINE


class UserPresence:
    """One user of ours."""

    is_local = True

    __slots__ = (
        "_devices",
        "check_ms",
        "currently_active",
        "last_active_ms",
        "serial",
        "state",
        "status_msg",
        "user_id",
        "user_nid",
    )

    def __init__(self, user_id: str, user_nid: int) -> None:
        self.user_id = user_id
        self.user_nid = user_nid
        # What others see.
        self.state = OFFLINE
        self.currently_active = False
        self.status_msg: str | None = None
        self.last_active_ms = 0  # 0: not known
        self.serial = 0  # of the last change
        self.check_ms: int | None = None  # when somebody is going to look at it
        self._devices: dict[int, _Device] = {}

    def restore(
        self,
        state: PresenceState,
        status_msg: str | None,
        last_active_ms: int,
        serial: int,
        now_ms: int,
    ) -> None:
        """As it was before a restart. Whoever was there then has the usual time to come back."""
        self.state, self.status_msg = state, status_msg
        self.last_active_ms, self.serial = last_active_ms, serial
        if state is not OFFLINE:
            self._devices[_BEFORE_RESTART] = _Device(state, now_ms)

    def would_change(self, device_nid: int, state: PresenceState) -> bool:
        """Whether a sync that says `state` would change a device that was there already."""
        device = self._devices.get(device_nid)
        return device is not None and device.state is not state and not device.stays(state)

    def sync_began(self, device_nid: int, state: PresenceState | None, now_ms: int) -> None:
        """A device syncs, and says that it is `state`, which isn't offline; None: as it was."""
        device = self._devices.get(device_nid)
        if device is None:
            device = self._devices[device_nid] = _Device(OFFLINE, now_ms)
        device.syncs += 1
        device.seen_ms = now_ms
        if state is None or device.stays(state):
            return
        if state >= ONLINE and device.state is not state:
            self.last_active_ms = now_ms
        device.state, device.chosen = state, False

    def sync_ended(self, device_nid: int, now_ms: int) -> None:
        device = self._devices.get(device_nid)
        if device is not None:
            device.syncs = max(0, device.syncs - 1)
            device.seen_ms = now_ms

    def set(self, device_nid: int, state: PresenceState, now_ms: int) -> None:
        """A device says what it is, without a sync."""
        device = self._devices.setdefault(device_nid, _Device(state, now_ms))
        device.state, device.seen_ms, device.chosen = state, now_ms, True
        self.last_active_ms = now_ms

    def acted(self, now_ms: int) -> None:
        """The user did something: none of their devices is idle."""
        self.last_active_ms = now_ms
        for device in self._devices.values():
            if device.state is UNAVAILABLE:
                device.state = ONLINE

    def settle(self, now_ms: int, times: PresenceTimes) -> bool:
        """Bring what others see up to date; whether that has changed."""
        gone = [
            nid
            for nid, device in self._devices.items()
            if not device.syncs and now_ms - device.seen_ms >= times.gone_ms
        ]
        for nid in gone:
            del self._devices[nid]
        state = max((device.state for device in self._devices.values()), default=OFFLINE)
        quiet_ms = now_ms - self.last_active_ms
        if state is ONLINE and quiet_ms >= times.idle_ms:
            state = UNAVAILABLE
        active = state is ONLINE and quiet_ms < times.active_ms
        changed = (state, active) != (self.state, self.currently_active)
        self.state, self.currently_active = state, active
        return changed

    def next_check_ms(self, times: PresenceTimes) -> int | None:
        """When to `settle` again though nothing was done; None: no need."""
        checks = [
            device.seen_ms + times.gone_ms for device in self._devices.values() if not device.syncs
        ]
        if self.currently_active:
            checks.append(self.last_active_ms + times.active_ms)
        if self.state is ONLINE:
            checks.append(self.last_active_ms + times.idle_ms)
        return min(checks, default=None)
