"""Restricted rooms: who may join because of being in another room.

Client-server API, "Restricted rooms", and MSC3083: the join names a member who could have invited
the user, `join_authorised_via_users_server`; this server vouches for that by its signature.
"""

from collections.abc import Sequence

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import Forbidden, NotFound
from synapse.events.event import Event, StateMap
from synapse.events.power_levels import PowerLevels, creators
from synapse.handlers.room_summaries import allowed_rooms, is_restricted
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.storage.stores.members import MemberStore

_RULE_SLOTS = [
    (EventTypes.CREATE, ""),
    (EventTypes.POWER_LEVELS, ""),
    (EventTypes.JOIN_RULES, ""),
]
# Who may invite is found among so many; a large room's members are not all asked.
_MAX_CANDIDATES = 100


class CannotAuthorise(Forbidden):
    """This server is in none of the rooms whose members may join: others may know more."""


class CannotGrant(Forbidden):
    """The user may join, but nobody of this server may let them in: others' users may."""


class RestrictedJoins:
    """Finds out whether a restricted room admits a user, and who vouches for them."""

    def __init__(self, rooms: RoomCache, member_store: MemberStore, *, server_name: str) -> None:
        self._rooms = rooms
        self._members = member_store
        self._domain = ":" + server_name

    async def authoriser(self, room: Room, user_id: str) -> str | None:
        """The user of ours who vouches for a join; None if the join needs nobody.

        Raises `Forbidden` if the user is in none of the rooms that the rule allows, and
        `CannotAuthorise` or `CannotGrant` if that is for other servers to say.
        """
        member = (EventTypes.MEMBER, user_id)
        state = await self._rooms.state(room, [*_RULE_SLOTS, member])
        rule = state.get((EventTypes.JOIN_RULES, ""))
        if rule is None or not is_restricted(rule.content.get("join_rule"), room.version):
            return None
        if member in state and state[member].membership in (Membership.JOIN, Membership.INVITE):
            return None
        await self._check_is_joined_to_any(allowed_rooms(rule, room.version), user_id)
        authoriser = await self._named_inviter(room, state) or await self._any_inviter(room, state)
        if authoriser is None:
            raise CannotGrant("Nobody of this server in the room may let you in")
        return authoriser

    async def _named_inviter(self, room: Room, state: StateMap) -> str | None:
        """A member of ours who may invite, of those whom the room's state names."""
        levels = PowerLevels.of(state)
        power = state.get((EventTypes.POWER_LEVELS, ""))
        users = None if power is None else power.content.get("users")
        named = [
            *creators(state[EventTypes.CREATE, ""]),
            *(users if isinstance(users, dict) else ()),
        ]
        candidates = [
            user_id
            for user_id in dict.fromkeys(named)
            if user_id.endswith(self._domain) and levels.of_user(user_id) >= levels.invite
        ][:_MAX_CANDIDATES]
        slots = [(EventTypes.MEMBER, user_id) for user_id in candidates]
        found = await self._rooms.state(room, slots)
        return next((slot[1] for slot in slots if _is_joined(found.get(slot))), None)

    async def _any_inviter(self, room: Room, state: StateMap) -> str | None:
        """A member of ours who may invite because everybody may."""
        levels = PowerLevels.of(state)
        if levels.named("users_default") < levels.invite:
            return None
        for user_id in await self._members.some_of_ours(room.nid, _MAX_CANDIDATES):
            if levels.of_user(user_id) >= levels.invite:
                return user_id
        return None

    async def _check_is_joined_to_any(self, room_ids: Sequence[str], user_id: str) -> None:
        is_in_one = False
        for room_id in room_ids:
            try:
                room = await self._rooms.get(room_id)
            except NotFound:
                continue
            if not room.local_joined:
                continue  # what we know of it is of before
            is_in_one = True
            if _is_joined(await self._rooms.current(room, EventTypes.MEMBER, user_id)):
                return
        if room_ids and not is_in_one:
            raise CannotAuthorise("This server is in none of the rooms whose members may join")
        raise Forbidden("You are in none of the rooms whose members may join this room")


def _is_joined(member: Event | None) -> bool:
    return member is not None and member.membership == Membership.JOIN
