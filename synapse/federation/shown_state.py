"""What a room shows of itself to who is invited or knocks: `invite_room_state`, `knock_room_state`.

Server-server API 1.16: full events, which can be verified. Clients are shown them stripped. Servers
of older days send them stripped already; in room versions up to 11 that is let pass.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from synapse.api.constants import EventTypes
from synapse.api.errors import InvalidParam, MatrixError
from synapse.api.room_versions import RoomVersion
from synapse.events.client_format import stripped
from synapse.federation.pdus import Pdus, Refused
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room

_SHOWN = (
    EventTypes.CREATE,
    EventTypes.NAME,
    EventTypes.AVATAR,
    EventTypes.TOPIC,
    EventTypes.JOIN_RULES,
    EventTypes.CANONICAL_ALIAS,
    EventTypes.ENCRYPTION,
)
# A room shows a dozen events; more isn't read, nor kept.
_MOST = 50
_MOST_BYTES = 256 * 1024
_STRIPPED = ("type", "state_key", "sender", "content")


class ShownState:
    """Shows our rooms to others' users, and checks what others show to ours."""

    def __init__(self, rooms: RoomCache, pdus: Pdus) -> None:
        self._rooms = rooms
        self._pdus = pdus

    async def of(self, room: Room, *user_ids: str) -> list[Any]:
        """The events that a room shows of itself, and the member events of some users."""
        slots = [(type_, "") for type_ in _SHOWN]
        slots += [(EventTypes.MEMBER, user_id) for user_id in user_ids]
        state = await self._rooms.state(room, slots)
        return [event.parsed() for event in state.values()]

    async def shown(self, version: RoomVersion, room_id: str, told: Any) -> list[Any]:
        """What another server shows of its room, stripped; what is wrong is left out."""
        return (await self._sorted_out(version, room_id, told))[0]

    async def checked(self, version: RoomVersion, room_id: str, told: Any) -> list[Any]:
        """The same. Raises 400 `M_MISSING_PARAM` or `InvalidParam` for what is wrong, where the
        room version lets us expect that it isn't."""
        state, wrong = await self._sorted_out(version, room_id, told)
        if not version.room_id_is_hash:
            return state
        if not any(event["type"] == EventTypes.CREATE for event in state):
            raise MatrixError(400, "M_MISSING_PARAM", "The room's state lacks m.room.create")
        if wrong:
            raise InvalidParam(f"The room's state is wrong: {wrong[0]}")
        return state

    async def _sorted_out(
        self, version: RoomVersion, room_id: str, told: Any
    ) -> tuple[list[Any], list[str]]:
        """What can be shown, and what is wrong with the rest."""
        whole: list[Any] = []
        bare: list[Any] = []
        for value in told[:_MOST] if isinstance(told, list) else ():
            is_whole = isinstance(value, dict) and "signatures" in value
            (whole if is_whole else bare).append(value)
        shown: list[Any] = []
        wrong: list[str] = []
        for one in await self._pdus.verify(version, room_id, whole):
            if isinstance(one, Refused):
                wrong.append(one.reason)
            elif one.event.state_key is None:
                wrong.append(f"{one.event.event_id} is not a state event")
            else:
                shown.append(stripped(one.event))
        if version.room_id_is_hash:
            wrong += ["it holds what is no event"] * len(bare)
        else:
            shown += [_stripped(value) for value in bare if _is_stripped(value)]
        return _bounded(shown), wrong


def _is_stripped(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(isinstance(value.get(name), str) for name in ("type", "state_key", "sender"))
        and isinstance(value.get("content"), dict)
    )


def _stripped(value: dict[str, Any]) -> dict[str, Any]:
    return {name: value[name] for name in _STRIPPED}


def _bounded(shown: Sequence[Any]) -> list[Any]:
    """The first of them, as many as may be kept."""
    kept, left = [], _MOST_BYTES
    for event in shown:
        left -= len(orjson.dumps(event))
        if left < 0:
            break
        kept.append(event)
    return kept
