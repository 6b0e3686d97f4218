"""Hiding messages that have lived as long as their room's retention policy lets them.

They are deleted later (`synapse.rooms.purging`); state never expires.
"""

from collections.abc import Iterable

from synapse.api.constants import EventTypes
from synapse.events.event import Event
from synapse.events.retention import RetentionRules, max_lifetime_ms
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.states import StateStore
from synapse.util.clock import Clock

_SLOT = (EventTypes.RETENTION, "")


class Retention:
    """Tells what has expired."""

    def __init__(
        self, rooms: RoomCache, states: StateStore, clock: Clock, rules: RetentionRules | None
    ) -> None:
        """`rules` None: nothing ever expires."""
        self._rooms = rooms
        self._states = states
        self._clock = clock
        self._rules = rules

    async def unexpired(self, room_nid: int, events: Iterable[Event]) -> list[Event]:
        """Those of a room's events that clients may still be shown."""
        if self._rules is None:
            return list(events)
        lifetime_ms = max_lifetime_ms(await self._policy(room_nid), self._rules)
        if lifetime_ms is None:
            return list(events)
        oldest_ms = self._clock.now_ms() - lifetime_ms
        return [e for e in events if e.state_key is not None or e.origin_server_ts >= oldest_ms]

    async def _policy(self, room_nid: int) -> dict[str, object] | None:
        room = self._rooms.peek(room_nid)
        if room is not None:
            event = await self._rooms.current(room, *_SLOT)
        else:
            event = (await self._states.current(room_nid, [_SLOT])).get(_SLOT)
        return None if event is None else event.content
