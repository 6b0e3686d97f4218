"""What is left to do in a room that was replaced, as far as the user who did it may.

The old room says no longer that aliases are its own which the new one has now, and ordinary users
write and invite no more. The new room comes with the newest bans; the older ones follow here.
"""

import logging
from typing import Any

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import MatrixError
from synapse.api.identifiers import domain_of
from synapse.events.event import Event
from synapse.handlers.aliases import aliases_in
from synapse.handlers.carried_state import closed_power_levels
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft, RoomWriter
from synapse.storage.stores import members
from synapse.storage.stores.rooms import RoomStore
from synapse.storage.stores.states import StateStore
from synapse.util.background import Background

logger = logging.getLogger(__name__)

# As many as the new room's first commit may hold without holding up others.
_BANS_AT_ONCE = 100
_NEWEST = 2**62


class RoomClosing:
    """Winds up rooms that were replaced."""

    def __init__(
        self,
        rooms: RoomCache,
        store: RoomStore,
        states: StateStore,
        writer: RoomWriter,
        background: Background,
        *,
        server_name: str,
    ) -> None:
        self._rooms = rooms
        self._store = store
        self._states = states
        self._writer = writer
        self._background = background
        self._server_name = server_name

    async def replaced(self, user_id: str, old: Room, new: Room) -> None:
        """The user has replaced the old room. Nothing is done that is done already."""
        await self._forget_canonical_alias(user_id, old)
        slots = [(EventTypes.CREATE, ""), (EventTypes.POWER_LEVELS, "")]
        state = await self._rooms.state(old, slots)
        levels = closed_power_levels(state[slots[0]], state.get(slots[1]))
        if levels is not None:
            await self._try(old, Draft(EventTypes.POWER_LEVELS, user_id, levels, ""))
        self._background.spawn("carry over bans", self._carry_bans(user_id, old, new))

    async def _forget_canonical_alias(self, user_id: str, old: Room) -> None:
        event = await self._rooms.current(old, EventTypes.CANONICAL_ALIAS)
        named = [] if event is None else aliases_in(event.content)
        kept = set(await self._store.aliases(old.nid))
        kept.update(alias for alias in named if domain_of(alias) != self._server_name)
        if event is not None and not kept.issuperset(named):
            content = only_aliases(event.content, kept)
            await self._try(old, Draft(EventTypes.CANONICAL_ALIAS, user_id, content, ""))

    async def _carry_bans(self, user_id: str, old: Room, new: Room) -> None:
        page = await self.newest_bans(old)
        while page:
            for ban in page:
                member = await self._rooms.current(new, EventTypes.MEMBER, ban.state_key or "")
                if member is None:
                    await self._try(new, ban_again(user_id, ban))
            page = await self.newest_bans(old, before=page[-1].nid)

    async def newest_bans(self, room: Room, *, before: int = _NEWEST) -> list[Event]:
        """Some of the room's bans, the newest first, older than an event (its nid)."""
        ban = members.Membership.BAN
        return await self._states.members_before(room.nid, ban, before, _BANS_AT_ONCE)

    async def _try(self, room: Room, draft: Draft) -> None:
        try:
            await self._writer.send(room.room_id, draft)
        except MatrixError as error:
            logger.info("Upgrade of a room: no %s in %s: %s", draft.type, room.room_id, error)


def ban_again(user_id: str, ban: Event) -> Draft:
    """The same ban, by the user who upgrades the room."""
    content: dict[str, Any] = {"membership": Membership.BAN}
    reason = ban.content.get("reason")
    if isinstance(reason, str):
        content["reason"] = reason
    return Draft(EventTypes.MEMBER, user_id, content, ban.state_key)


def only_aliases(content: dict[str, Any], kept: set[str]) -> dict[str, Any]:
    """An `m.room.canonical_alias` without the aliases that are not among `kept`."""
    left: dict[str, Any] = {}
    for alias in aliases_in(content):
        if alias not in kept:
            continue
        if alias == content.get("alias"):
            left["alias"] = alias
        else:
            left.setdefault("alt_aliases", []).append(alias)
    return left
