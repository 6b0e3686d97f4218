"""Upgrading rooms: a new room takes an old one's place (`POST /rooms/{roomId}/upgrade`).

One transaction holds what must not come apart: the new room with its state, the tombstone in the
old one, and the aliases and the place in the directory, which move. A server that dies before it
leaves the old room as it was; the next try begins anew. What follows is not needed for the new
room to work, and may be done twice: the old room forgets its canonical alias and closes (power
levels), bans beyond the newest are carried over, and the upgrader's own settings. A server that
dies before that has still upgraded the room. Who then repeats the request, as clients do that got
no answer, is told of the room that exists, and the rest is done.
"""

import logging
from typing import Any

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import BadJson, Forbidden, InvalidParam, MatrixError, NotFound
from synapse.api.identifiers import is_room_id, is_user_id
from synapse.api.room_versions import ROOM_VERSIONS, RoomVersion
from synapse.events.event import StateMap
from synapse.events.power_levels import PowerLevels
from synapse.handlers.auth import Requester
from synapse.handlers.carried_state import carried_creation, carried_power_levels, carried_state
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.room_access import not_in_room, room_of_member
from synapse.handlers.room_closing import RoomClosing, ban_again, only_aliases
from synapse.handlers.room_presets import new_room_id
from synapse.handlers.room_succession import RoomSuccession
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import HeadMoved, Room
from synapse.rooms.wholeness import Wholeness
from synapse.rooms.writer import Draft, RoomWriter
from synapse.storage.stores.profiles import ProfileStore
from synapse.storage.stores.rooms import RoomStore
from synapse.storage.stores.states import StateStore
from synapse.util.turns import TurnsByKey

logger = logging.getLogger(__name__)

_TRIES = 10
_MAX_CREATORS = 100


class RoomUpgrades:
    """Replaces rooms by new ones of another version."""

    def __init__(
        self,
        rooms: RoomCache,
        store: RoomStore,
        states: StateStore,
        profiles: ProfileStore,
        writer: RoomWriter,
        wholeness: Wholeness,
        succession: RoomSuccession,
        closing: RoomClosing,
        *,
        limit: RateLimiter,
        server_name: str,
    ) -> None:
        self._rooms = rooms
        self._store = store
        self._states = states
        self._profiles = profiles
        self._writer = writer
        self._wholeness = wholeness
        self._succession = succession
        self._closing = closing
        self._limit = limit
        self._server_name = server_name
        # A room's upgrades come one after the other: a repeated request finds what the first made.
        self._turns = TurnsByKey()

    async def upgrade(
        self, requester: Requester, room_id: str, new_version: str, creators: list[str]
    ) -> str:
        """The id of the replacement. `creators` are the new room's additional ones.

        Raises 400 `M_UNSUPPORTED_ROOM_VERSION`, `Forbidden` for who may not send a tombstone.
        """
        version = ROOM_VERSIONS.get(new_version)
        if version is None:
            raise MatrixError(
                400,
                "M_UNSUPPORTED_ROOM_VERSION",
                f"This server does not support room version {new_version[:100]!r}",
            )
        if not version.privileged_creators:
            creators = []
        creators = _checked_creators(requester, creators)
        room = await room_of_member(self._rooms, room_id)
        await self._check_rights(room, requester.user_id)
        # Bans are carried over.
        await self._wholeness.of(room)
        async with self._turns.of(room_id):
            new = await self._replace(requester.user_id, room_id, version, creators)
        await self._closing.replaced(requester.user_id, await self._rooms.get(room_id), new)
        await self._succession.joined(requester.user_id, requester.user_nid, new)
        return new.room_id

    async def _check_rights(self, room: Room, user_id: str) -> None:
        member = (EventTypes.MEMBER, user_id)
        slots = [member, (EventTypes.CREATE, ""), (EventTypes.POWER_LEVELS, "")]
        state = await self._rooms.state(room, slots)
        if member not in state or state[member].membership != Membership.JOIN:
            raise not_in_room(room.room_id)
        levels = PowerLevels.of(state)
        if levels.of_user(user_id) < levels.to_send(EventTypes.TOMBSTONE, is_state=True):
            raise Forbidden("You don't have permission to upgrade this room")

    async def _replacement(self, user_id: str, old: Room, version: RoomVersion) -> Room | None:
        """The room that the user has upgraded this one to already, if it is of that version."""
        tombstone = await self._rooms.current(old, EventTypes.TOMBSTONE)
        new_id = None if tombstone is None else tombstone.content.get("replacement_room")
        if not is_room_id(new_id):
            return None
        try:
            new = await self._rooms.get(new_id)
        except NotFound:
            return None
        create = await self._rooms.current(new, EventTypes.CREATE)
        member = await self._rooms.current(new, EventTypes.MEMBER, user_id)
        if create is None or create.sender != user_id or new.version is not version:
            return None
        if member is None or member.membership != Membership.JOIN:
            return None
        return new if await self._succession.predecessor(new) == old.room_id else None

    # The new room.

    async def _replace(
        self, user_id: str, old_id: str, version: RoomVersion, creators: list[str]
    ) -> Room:
        for tries in range(_TRIES):
            old = await self._rooms.get(old_id)
            made = await self._replacement(user_id, old, version)
            if made is not None:
                return made
            if tries == 0:
                self._limit.check(user_id)
            try:
                return await self._replace_once(user_id, old, version, creators)
            except HeadMoved:
                logger.info("Room %s moved on: upgrading it anew", old_id)
        raise HeadMoved(old_id)

    async def _replace_once(
        self, user_id: str, old: Room, version: RoomVersion, creators: list[str]
    ) -> Room:
        seen = await self._rooms.current(old, EventTypes.TOMBSTONE)
        state = {event.slot: event for event in await self._states.without_members(old.nid)}
        tombstone = Draft(
            EventTypes.TOMBSTONE, user_id, {"body": "This room has been replaced"}, ""
        )
        return await self._writer.replace(
            old.room_id,
            version,
            await self._drafts(user_id, old, state, version, creators),
            new_room_id(self._server_name),
            tombstone=tombstone,
            seen=seen,
        )

    async def _drafts(
        self, user_id: str, old: Room, state: StateMap, version: RoomVersion, creators: list[str]
    ) -> list[Draft]:
        """The new room's first events.

        Its power levels come last: until then its creator may set whatever the old room had, also
        what they could not set in it.
        """
        create = state[EventTypes.CREATE, ""]
        creation = carried_creation(create)
        creation["room_version"] = version.identifier
        creation["predecessor"] = {"room_id": old.room_id, "event_id": old.tips[0].event_id}
        if not version.implicit_creator:
            creation["creator"] = user_id
        if creators:
            creation["additional_creators"] = creators
        profile = await self._profiles.profile(user_id)
        shown: dict[str, Any] = {
            key: profile[key] for key in ("displayname", "avatar_url") if key in profile
        }
        join = {**shown, "membership": Membership.JOIN}
        drafts = [
            Draft(EventTypes.CREATE, user_id, creation, ""),
            Draft(EventTypes.MEMBER, user_id, join, user_id),
        ]
        drafts += [
            Draft(type_, user_id, content, key)
            for type_, key, content in carried_state(state, version)
        ]
        canonical = await self._moving_aliases(old, state)
        if canonical:
            drafts.append(Draft(EventTypes.CANONICAL_ALIAS, user_id, canonical, ""))
        drafts += [
            ban_again(user_id, ban)
            for ban in await self._closing.newest_bans(old)
            if ban.state_key not in creators
        ]
        levels = carried_power_levels(
            create, state.get((EventTypes.POWER_LEVELS, "")), version, [user_id, *creators]
        )
        if levels is not None:
            drafts.append(Draft(EventTypes.POWER_LEVELS, user_id, levels, ""))
        return drafts

    async def _moving_aliases(self, old: Room, state: StateMap) -> dict[str, Any]:
        """The new room's canonical aliases: those of the old one that are this server's to move."""
        event = state.get((EventTypes.CANONICAL_ALIAS, ""))
        if event is None:
            return {}
        return only_aliases(event.content, set(await self._store.aliases(old.nid)))


def _checked_creators(requester: Requester, creators: list[str]) -> list[str]:
    for user_id in creators:
        if not is_user_id(user_id):
            raise InvalidParam(f"additional_creators: not a user id: {user_id[:255]!r}")
    if len(creators) > _MAX_CREATORS:
        raise BadJson(f"additional_creators names at most {_MAX_CREATORS} users")
    return [user_id for user_id in dict.fromkeys(creators) if user_id != requester.user_id]
