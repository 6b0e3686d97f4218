"""Membership: joining, inviting, leaving, kicking, banning, knocking, forgetting."""

import logging
from collections.abc import Sequence
from typing import Any

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import BadJson, Forbidden, InvalidParam, MatrixError, NotFound
from synapse.api.identifiers import domain_of, is_room_id, is_user_id
from synapse.config.rooms import RoomsConfig
from synapse.events.event import Event
from synapse.handlers.auth import GuestForbidden, Requester
from synapse.handlers.elsewhere import Elsewhere, is_here
from synapse.handlers.guest_access import admits_guests
from synapse.handlers.invite_permission import InvitePermission
from synapse.handlers.membership_limits import MembershipLimits
from synapse.handlers.notices_user import NoticesUser
from synapse.handlers.removal_redactions import RemovalRedactions
from synapse.handlers.restricted_joins import CannotGrant, RestrictedJoins
from synapse.handlers.room_access import not_in_room, room_of_member
from synapse.handlers.room_succession import RoomSuccession
from synapse.handlers.same_content import is_same_content
from synapse.handlers.third_party_joins import ThirdPartyJoins
from synapse.rooms.cache import RoomCache
from synapse.rooms.removals import REDACT_EVENTS
from synapse.rooms.room import Room
from synapse.rooms.wholeness import Wholeness
from synapse.rooms.writer import Draft, RoomWriter
from synapse.storage.stores import members
from synapse.storage.stores.members import MemberStore
from synapse.storage.stores.names import Names
from synapse.storage.stores.profiles import ProfileStore

logger = logging.getLogger(__name__)

# The member of a restricted room who lets a user in.
_AUTHORISER = "join_authorised_via_users_server"


class Memberships:
    """Changes who is in a room."""

    def __init__(
        self,
        rooms: RoomCache,
        writer: RoomWriter,
        member_store: MemberStore,
        names: Names,
        profiles: ProfileStore,
        restricted: RestrictedJoins,
        invite_permission: InvitePermission,
        notices_user: NoticesUser,
        succession: RoomSuccession,
        third_party_joins: ThirdPartyJoins,
        limits: MembershipLimits,
        removals: RemovalRedactions,
        elsewhere: Elsewhere,
        wholeness: Wholeness,
        config: RoomsConfig,
        *,
        server_name: str,
    ) -> None:
        self._rooms = rooms
        self._writer = writer
        self._members = member_store
        self._names = names
        self._profiles = profiles
        self._restricted = restricted
        self._invite_permission = invite_permission
        self._notices_user = notices_user
        self._succession = succession
        self._third_party_joins = third_party_joins
        self._limits = limits
        self._removals = removals
        self._elsewhere = elsewhere
        self._wholeness = wholeness
        self._config = config
        self._server_name = server_name

    async def join(
        self,
        requester: Requester,
        room_id: str,
        more: dict[str, Any] | None = None,
        *,
        third_party_signed: dict[str, Any] | None = None,
        servers: Sequence[str] = (),
    ) -> str:
        """Join a room; the event's id. Who is in the room already stays in it as they are.

        `more` are further members of the event's content. `third_party_signed` shows that the user
        has an address that was invited. `servers` are said to be in the room, for the case that
        this one isn't. Raises `NotFound` for a room that nobody knows, `Forbidden`.
        """
        content = {**await self.joining(requester.user_id), **(more or {})}
        content["membership"] = Membership.JOIN
        room = await self._known(room_id)
        if room is None or not is_here(room):
            event_id = await self._join_elsewhere(
                requester, room, room_id, content, third_party_signed, servers
            )
            room = await self._rooms.get(room_id)
            if event_id is not None:
                await self._succession.joined(requester.user_id, requester.user_nid, room)
                return event_id
        return await self._join_here(requester, room, content, third_party_signed, servers)

    async def _join_here(
        self,
        requester: Requester,
        room: Room,
        content: dict[str, Any],
        third_party_signed: dict[str, Any] | None,
        servers: Sequence[str],
    ) -> str:
        user_id, room_id = requester.user_id, room.room_id
        if requester.is_guest:
            await self._check_guest(room)
        current = await self._rooms.current(room, EventTypes.MEMBER, user_id)
        is_new = current is None or current.membership != Membership.JOIN
        if is_new:
            self._limits.check_join(user_id, room_id)
            room = await self._wholeness.of(room)
            is_invited = current is not None and current.membership == Membership.INVITE
            if third_party_signed is not None and not is_invited:
                await self._third_party_joins.exchange(
                    user_id, room, third_party_signed, sender=third_party_signed.get("sender")
                )
        try:
            authoriser = await self._restricted.authoriser(room, user_id)
        except CannotGrant:
            if room.joined == room.local_joined:
                raise
            joined = await self._elsewhere.join(
                user_id, room_id, content, servers, from_within=True
            )
            assert joined is not None, "from within there is no other way to join"
            event_id = joined
        else:
            if authoriser is not None:
                content[_AUTHORISER] = authoriser
            event_id = await self._send_own(user_id, room_id, content)
        if is_new:
            await self._succession.joined(user_id, requester.user_nid, room)
        return event_id

    async def _join_elsewhere(
        self,
        requester: Requester,
        room: Room | None,
        room_id: str,
        content: dict[str, Any],
        third_party_signed: dict[str, Any] | None,
        servers: Sequence[str],
    ) -> str | None:
        """Join a room that this server isn't in. None: it is by now, and the user isn't."""
        if not is_room_id(room_id):
            raise NotFound(f"Unknown room: {room_id[:255]}")
        user_id = requester.user_id
        if requester.is_guest:
            # Whether the room admits guests isn't known before somebody is in it.
            raise GuestForbidden("Guests can't join rooms of other servers")
        self._limits.check_remote_join(user_id, room_id)
        if third_party_signed is not None and third_party_signed.get("mxid") == user_id:
            current = None
            if room is not None:
                current = await self._rooms.current(room, EventTypes.MEMBER, user_id)
            if current is None or current.membership != Membership.INVITE:
                sender = third_party_signed.get("sender")
                await self._elsewhere.exchange(user_id, room_id, sender, third_party_signed)
        return await self._elsewhere.join(user_id, room_id, content, servers)

    async def joining(self, user_id: str) -> dict[str, Any]:
        """The content of a join: with the user's profile."""
        return {**await self._profile(user_id), "membership": Membership.JOIN}

    async def knock(
        self,
        requester: Requester,
        room_id: str,
        more: dict[str, Any] | None = None,
        *,
        servers: Sequence[str] = (),
    ) -> str:
        """Ask to be let in; the event's id. `more` are further members of the event's content."""
        user_id = requester.user_id
        content = {**await self._profile(user_id), **(more or {})}
        content["membership"] = Membership.KNOCK
        room = await self._known(room_id)
        if room is None or not is_here(room):
            if not is_room_id(room_id):
                raise NotFound(f"Unknown room: {room_id[:255]}")
            self._limits.check_remote_join(user_id, room_id)
            return await self._elsewhere.knock(user_id, room_id, content, servers)
        current = await self._rooms.current(room, EventTypes.MEMBER, user_id)
        if current is None or current.membership != Membership.KNOCK:
            # Counts as an attempt to join, as often as those.
            self._limits.check_join(user_id, room_id)
        return await self._send_own(user_id, room_id, content)

    async def invite(
        self,
        requester: Requester,
        room_id: str,
        user_id: str,
        reason: str | None = None,
        *,
        is_direct: bool = False,
    ) -> str:
        """Invite a user; the event's id."""
        self.check_may_invite(requester, [user_id])
        await self._target_room(requester, room_id, user_id)
        self._limits.check_invite(requester.user_id, room_id, user_id)
        content = await self.invitation(requester.user_id, user_id, reason, is_direct=is_direct)
        return await self._send(requester.user_id, room_id, user_id, content)

    async def invite_elsewhere(
        self, requester: Requester, room_id: str, user_id: str, *, is_direct: bool
    ) -> None:
        """Invite a user of another server into a room that the requester has just created."""
        content = await self.invitation(requester.user_id, user_id, is_direct=is_direct)
        await self._send(requester.user_id, room_id, user_id, content)

    def check_may_invite(self, requester: Requester, user_ids: Sequence[str]) -> None:
        """Whether the requester may invite these users at all. Raises `InvalidParam`, and
        `Forbidden`."""
        for user_id in user_ids:
            if not is_user_id(user_id):
                raise InvalidParam(f"Not a user id: {user_id[:255]!r}")
        if not user_ids:
            return
        self.check_may_invite_anybody(requester)
        self._notices_user.check_may_be_invited(user_ids)

    def check_may_invite_anybody(self, requester: Requester) -> None:
        if self._config.block_non_admin_invites and not requester.is_admin:
            raise Forbidden("Invites have been disabled on this server")

    async def invitation(
        self, inviter: str, user_id: str, reason: str | None = None, *, is_direct: bool = False
    ) -> dict[str, Any]:
        """The content of an invite: with the invitee's profile, if that is configured.

        Raises 403 `M_INVITE_BLOCKED` for who doesn't want to be invited by this user.
        """
        await self._invite_permission.check(inviter, user_id)
        content: dict[str, Any] = {}
        if self._config.include_profile_data_on_invite:
            content.update(await self._profile(user_id))
        content.update(_reason(reason))
        if is_direct:
            content["is_direct"] = True
        content["membership"] = Membership.INVITE
        return content

    async def leave(self, requester: Requester, room_id: str, reason: str | None = None) -> None:
        """Leave a room, refuse an invite, or take back a knock."""
        room = await room_of_member(self._rooms, room_id)
        current = await self._rooms.current(room, EventTypes.MEMBER, requester.user_id)
        if current is None:
            raise not_in_room(room_id)
        if current.membership != Membership.LEAVE:
            await self._notices_user.check_may_leave(requester.user_nid, room_id, current)
            content = {**_reason(reason), "membership": Membership.LEAVE}
            await self._leave(requester.user_id, room, current, content)
        # Also for who repeats a request that a stop of the server cut in two.
        if self._config.forget_rooms_on_leave:
            await self._members.forget(requester.user_nid, room.nid)

    async def kick(
        self,
        requester: Requester,
        room_id: str,
        user_id: str,
        reason: str | None,
        *,
        redact_events: bool = False,
    ) -> None:
        """Make another user leave. Raises `Forbidden` if they are not in the room.

        `redact_events` takes away what they said since they came (MSC4293).
        """
        room = await self._target_room(requester, room_id, user_id)
        current = await self._rooms.current(room, EventTypes.MEMBER, user_id)
        if current is None or current.membership in (Membership.LEAVE, Membership.BAN):
            raise Forbidden(f"The user {user_id} is not in the room")
        content = {**_removal(reason, redact_events), "membership": Membership.LEAVE}
        await self._send(requester.user_id, room_id, user_id, content)

    async def ban(
        self,
        requester: Requester,
        room_id: str,
        user_id: str,
        reason: str | None,
        *,
        redact_events: bool = False,
    ) -> None:
        """Keep a user out, with `redact_events` as above."""
        await self._target_room(requester, room_id, user_id)
        content = {**_removal(reason, redact_events), "membership": Membership.BAN}
        await self._send(requester.user_id, room_id, user_id, content)

    async def unban(
        self, requester: Requester, room_id: str, user_id: str, reason: str | None
    ) -> None:
        """Lift a ban. Raises `Forbidden` if there is none."""
        room = await self._target_room(requester, room_id, user_id)
        current = await self._rooms.current(room, EventTypes.MEMBER, user_id)
        if current is None or current.membership != Membership.BAN:
            raise Forbidden(f"The user {user_id} is not banned from the room")
        content = {**_reason(reason), "membership": Membership.LEAVE}
        await self._send(requester.user_id, room_id, user_id, content)

    async def forget(self, requester: Requester, room_id: str) -> None:
        """Hide a room that the user has left. Raises 400 `M_UNKNOWN` if they have not."""
        try:
            room = await self._rooms.get(room_id)
        except NotFound:
            raise _never_in_room() from None
        row = await self._members.get(requester.user_nid, room.nid)
        if row is None:
            raise _never_in_room()
        if row.membership not in (members.Membership.LEAVE, members.Membership.BAN):
            raise MatrixError(400, "M_UNKNOWN", "You have to leave the room before you forget it")
        await self._members.forget(requester.user_nid, room.nid)

    async def change(
        self, requester: Requester, room_id: str, user_id: str, content: dict[str, Any]
    ) -> str:
        """A membership sent as state; the event's id. The same rules as above hold."""
        membership = content.get("membership")
        if membership not in Membership.ALL:
            raise BadJson(f"Unknown membership: {str(membership)[:100]!r}")
        # Who vouches for a join is for the server to say.
        content = {key: value for key, value in content.items() if key != _AUTHORISER}
        if user_id == requester.user_id:
            if membership == Membership.JOIN:
                return await self._join_or_rename(requester, room_id, content)
            room = await room_of_member(self._rooms, room_id)
            if membership == Membership.KNOCK:
                return await self.knock(requester, room_id, content)
            if current := await self._rooms.current(room, EventTypes.MEMBER, user_id):
                await self._notices_user.check_may_leave(requester.user_nid, room_id, current)
                if membership == Membership.LEAVE and not is_here(room):
                    await self._leave(user_id, room, current, content)
                    left = await self._rooms.current(room, EventTypes.MEMBER, user_id)
                    return (left or current).event_id
            return await self._send_own(user_id, room_id, content)
        room = await self._target_room(requester, room_id, user_id)
        if membership == Membership.INVITE:
            self.check_may_invite(requester, [user_id])
            self._limits.check_invite(requester.user_id, room_id, user_id)
            await self._invite_permission.check(requester.user_id, user_id)
        elif membership == Membership.LEAVE:
            current = await self._rooms.current(room, EventTypes.MEMBER, user_id)
            if current is None or current.membership == Membership.LEAVE:
                raise Forbidden(f"The user {user_id} is not in the room")
        return await self._send(requester.user_id, room_id, user_id, content, unless_same=True)

    async def _join_or_rename(
        self, requester: Requester, room_id: str, content: dict[str, Any]
    ) -> str:
        """One's own join, sent as state: a join, or another profile for this room."""
        room = await self._rooms.get(room_id)
        current = await self._rooms.current(room, EventTypes.MEMBER, requester.user_id)
        if current is None or current.membership != Membership.JOIN:
            return await self.join(requester, room_id, content)
        if not self._config.allow_per_room_profiles:
            content = {**content, **await self._profile(requester.user_id)}
        return await self._send(
            requester.user_id, room_id, requester.user_id, content, unless_same=True
        )

    async def leave_all_rooms(self, user_id: str) -> None:
        """What a deactivated account leaves behind: no rooms and no invites."""
        user_nid = await self._names.nid(user_id)
        if user_nid is None:
            return
        wanted = [members.Membership.JOIN, members.Membership.INVITE, members.Membership.KNOCK]
        for row in await self._members.rooms_of(user_nid, wanted):
            room = await self._rooms.get_by_nid(row.room_nid)
            current = await self._rooms.current(room, EventTypes.MEMBER, user_id)
            assert current is not None, "who has a row has a member event"
            try:
                await self._leave(user_id, room, current, {"membership": Membership.LEAVE})
            except MatrixError as error:
                logger.warning("%s could not leave %s: %s", user_id, room.room_id, error)

    async def update_profile(self, user_id: str, room_nid: int) -> None:
        """Say the user's present profile in a room that they are in."""
        room = await self._rooms.get_by_nid(room_nid)
        current = await self._rooms.current(room, EventTypes.MEMBER, user_id)
        if current is None or current.membership != Membership.JOIN:
            return
        kept = {
            key: value
            for key, value in current.content.items()
            if key not in ("displayname", "avatar_url", _AUTHORISER)
        }
        content = {**kept, **await self._profile(user_id)}
        await self._send(user_id, room.room_id, user_id, content, unless_same=True)

    async def _leave(
        self, user_id: str, room: Room, current: Event, content: dict[str, Any]
    ) -> None:
        if is_here(room):
            await self._send(user_id, room.room_id, user_id, content)
        elif current.membership in (Membership.INVITE, Membership.KNOCK):
            await self._elsewhere.leave(user_id, room, current, content)
        else:
            raise not_in_room(room.room_id)

    async def _send(
        self,
        sender: str,
        room_id: str,
        user_id: str,
        content: dict[str, Any],
        *,
        unless_same: bool = False,
    ) -> str:
        """Send the member event, unless the sender has said the same and it stands; its id."""

        def unless(room: Room) -> Event | None:
            event = room.current((EventTypes.MEMBER, user_id))
            if event is None or event.sender != sender or not is_same_content(event, content):
                return None
            return event if room.membership(sender) == Membership.JOIN else None

        draft = Draft(EventTypes.MEMBER, sender, content, state_key=user_id)
        if content["membership"] == Membership.INVITE and domain_of(user_id) != self._server_name:
            room = await self._rooms.get(room_id)
            await self._rooms.state(room, [(EventTypes.MEMBER, u) for u in (user_id, sender)])
            said = unless(room) if unless_same else None
            return (said or await self._elsewhere.invite(room_id, draft)).event_id
        event = await self._writer.send(room_id, draft, unless=unless if unless_same else None)
        await self._removals.removed(event)
        return event.event_id

    async def _send_own(self, user_id: str, room_id: str, content: dict[str, Any]) -> str:
        """Send one's own member event, unless one's membership is that already; its id."""

        def unless(room: Room) -> Event | None:
            event = room.current((EventTypes.MEMBER, user_id))
            if event is None or event.membership != content["membership"]:
                return None
            return event

        draft = Draft(EventTypes.MEMBER, user_id, content, state_key=user_id)
        return (await self._writer.send(room_id, draft, unless=unless)).event_id

    async def _profile(self, user_id: str) -> dict[str, Any]:
        """`displayname` and `avatar_url` of a user of ours."""
        if domain_of(user_id) != self._server_name:
            return {}
        profile = await self._profiles.profile(user_id)
        return {key: profile[key] for key in ("displayname", "avatar_url") if key in profile}

    async def _known(self, room_id: str) -> Room | None:
        try:
            return await self._rooms.get(room_id)
        except NotFound:
            return None

    async def _target_room(self, requester: Requester, room_id: str, user_id: str) -> Room:
        """The room, for one of its members, who alone learn what others are in it."""
        if not is_user_id(user_id):
            raise InvalidParam(f"Not a user id: {user_id[:255]!r}")
        room = await room_of_member(self._rooms, room_id)
        own = await self._rooms.current(room, EventTypes.MEMBER, requester.user_id)
        if own is None or own.membership != Membership.JOIN:
            raise not_in_room(room_id)
        return await self._wholeness.of(room)

    async def _check_guest(self, room: Room) -> None:
        if not admits_guests(await self._rooms.current(room, EventTypes.GUEST_ACCESS)):
            raise GuestForbidden("Guests can't join this room")


def _never_in_room() -> NotFound:
    return NotFound("You were never in this room")


def _reason(reason: str | None) -> dict[str, Any]:
    return {} if reason is None else {"reason": reason}


def _removal(reason: str | None, redact_events: bool) -> dict[str, Any]:
    content = _reason(reason)
    if redact_events:
        content[REDACT_EVENTS] = True
    return content
