"""Restricted rooms: who may join because of being in another room.

Client-server API, "Restricted rooms", and MSC3083: the join names a member who could have invited
the user, `join_authorised_via_users_server`; this server vouches for that by its signature.
"""

from synapse.api.constants import EventTypes, JoinRules, Membership
from synapse.api.errors import Forbidden, NotFound
from synapse.api.identifiers import is_room_id
from synapse.events.power_levels import PowerLevels
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.storage.stores import members
from synapse.storage.stores.members import MemberStore
from synapse.storage.stores.names import Names

_RULE_SLOTS = [
    (EventTypes.CREATE, ""),
    (EventTypes.POWER_LEVELS, ""),
    (EventTypes.JOIN_RULES, ""),
]
# `allow` is written by the room's administrators; a reader is not made to walk through thousands.
_MAX_ALLOWED_ROOMS = 100


class RestrictedJoins:
    """Finds out whether a restricted room admits a user, and who vouches for them."""

    def __init__(
        self, rooms: RoomCache, member_store: MemberStore, names: Names, *, server_name: str
    ) -> None:
        self._rooms = rooms
        self._members = member_store
        self._names = names
        self._domain = ":" + server_name

    async def authoriser(self, room: Room, user_id: str) -> str | None:
        """The user of ours who vouches for a join; None if the join needs nobody.

        Raises `Forbidden` if the user is in none of the rooms that the rule allows.
        """
        member = (EventTypes.MEMBER, user_id)
        state = await self._rooms.state(room, [*_RULE_SLOTS, member])
        rule = state.get((EventTypes.JOIN_RULES, ""))
        if rule is None or not _is_restricted(rule.content.get("join_rule"), room):
            return None
        if member in state and state[member].membership in (Membership.JOIN, Membership.INVITE):
            return None
        if not await self._is_allowed(rule.content.get("allow"), user_id):
            raise Forbidden("You are in none of the rooms whose members may join this room")
        levels = PowerLevels.of(state)
        for row in await self._members.of_room(room.nid, [members.Membership.JOIN]):
            candidate = await self._names.text(row.user_nid)
            if candidate.endswith(self._domain) and levels.of_user(candidate) >= levels.invite:
                return candidate
        raise Forbidden("Nobody of this server in the room may let you in")

    async def _is_allowed(self, allow: object, user_id: str) -> bool:
        if not isinstance(allow, list):
            return False
        for condition in allow[:_MAX_ALLOWED_ROOMS]:
            if not isinstance(condition, dict) or condition.get("type") != "m.room_membership":
                continue
            room_id = condition.get("room_id")
            if is_room_id(room_id) and await self._is_joined(room_id, user_id):
                return True
        return False

    async def _is_joined(self, room_id: str, user_id: str) -> bool:
        try:
            room = await self._rooms.get(room_id)
        except NotFound:
            return False
        member = await self._rooms.current(room, EventTypes.MEMBER, user_id)
        return member is not None and member.membership == Membership.JOIN


def _is_restricted(rule: object, room: Room) -> bool:
    if rule == JoinRules.RESTRICTED:
        return room.version.restricted_joins
    return rule == JoinRules.KNOCK_RESTRICTED and room.version.knock_restricted
