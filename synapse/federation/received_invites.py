"""`PUT /invite`: users of ours are invited into rooms of other servers.

Server-server API, "Inviting to a room". We sign what we took up; the inviter's server then sends
the event to the room. If we are in that room, it goes there from here too.
"""

import logging
from typing import Any

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import Forbidden, InvalidParam, MatrixError, NotFound
from synapse.api.identifiers import domain_of
from synapse.api.room_versions import ROOM_VERSIONS, RoomVersion
from synapse.events.event import Event
from synapse.federation.inbound import Inbound
from synapse.federation.inbox import Inbox
from synapse.federation.pdus import Verified
from synapse.federation.server_acls import ServerAcls
from synapse.federation.shown_state import ShownState
from synapse.federation.signed_events import Signing, check_is_same, member_event
from synapse.handlers.invite_permission import InvitePermission
from synapse.handlers.membership_limits import MembershipLimits
from synapse.handlers.notices_user import NoticesUser
from synapse.rooms.cache import RoomCache
from synapse.rooms.doorstep import Doorstep
from synapse.rooms.entrances import Entrances
from synapse.rooms.receiver import Verdict
from synapse.rooms.room import Room
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.users import UserStore

logger = logging.getLogger(__name__)


class ReceivedInvites:
    """Takes up and signs invites."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        users: UserStore,
        acls: ServerAcls,
        signing: Signing,
        shown_state: ShownState,
        inbound: Inbound,
        inbox: Inbox,
        entrances: Entrances,
        doorstep: Doorstep,
        permission: InvitePermission,
        notices_user: NoticesUser,
        limits: MembershipLimits,
        *,
        server_name: str,
        blocked: bool,
    ) -> None:
        """`blocked`: nobody but administrators of this server may invite its users."""
        self._rooms = rooms
        self._events = events
        self._users = users
        self._acls = acls
        self._signing = signing
        self._shown_state = shown_state
        self._inbound = inbound
        self._inbox = inbox
        self._entrances = entrances
        self._doorstep = doorstep
        self._permission = permission
        self._notices_user = notices_user
        self._limits = limits
        self._server_name = server_name
        self._blocked = blocked

    async def take_up(
        self, origin: str, room_id: str, event_id: str, version_id: str, value: Any, shown: Any
    ) -> dict[str, Any]:
        """The event with our signature. `shown` is the state that the room shows.

        Raises 400 `M_INCOMPATIBLE_ROOM_VERSION`, `InvalidParam`, `BadJson`, `NotFound`,
        `Forbidden`, 403 `M_INVITE_BLOCKED` and `LimitExceeded`.
        """
        version = _version(version_id)
        event = member_event(
            value,
            version,
            origin=origin,
            room_id=room_id,
            event_id=event_id,
            membership=Membership.INVITE,
        )
        room = await self._room(origin, room_id, version)
        await self._check_may_invite(event)
        known = await self._events.get(event_id)
        if known is not None:
            check_is_same(known, event)
        signed = self._signing.sign(value, version)
        verified = await self._signing.verify(event, signed)
        if room is not None and room.local_joined:
            await self._take_into(room, origin, verified)
        elif known is None or not await self._has_moved_on(room, verified.event):
            state = await self._shown_state.checked(version, room_id, shown)
            room_nid = await self._entrances.open(room_id, version)
            await self._doorstep.stand(room_nid, verified.event, state)
        return signed

    async def _has_moved_on(self, room: Room | None, event: Event) -> bool:
        """Whether an invite that comes again was refused, or another one has come since.

        Its server may not have heard our answer, or the refusal.
        """
        if room is None:
            return False
        current = await self._rooms.current(room, EventTypes.MEMBER, event.state_key or "")
        return current is not None and current.event_id != event.event_id

    async def _room(self, origin: str, room_id: str, version: RoomVersion) -> Room | None:
        """The room if it is known here."""
        try:
            room = await self._rooms.get(room_id)
        except NotFound:
            return None
        if room.tips and room.version is not version:
            raise InvalidParam(f"The room has the version {room.version.identifier}")
        if room.local_joined:
            await self._acls.check(room, origin)
        return room

    async def _check_may_invite(self, event: Event) -> None:
        """Whether the invited user is one of ours, and may be invited by the sender."""
        user_id = event.state_key
        if user_id is None or domain_of(user_id) != self._server_name:
            raise InvalidParam("The event's state_key is not a user of this server")
        if self._blocked:
            raise Forbidden("This server does not accept invites")
        user = await self._users.user(user_id)
        if user is None or user.is_deactivated:
            raise NotFound(f"There is no user {user_id}")
        self._notices_user.check_may_be_invited([user_id])
        await self._permission.check(event.sender, user_id)
        self._limits.check_invite_from_elsewhere(event.room_id, user_id)

    async def _take_into(self, room: Room, origin: str, verified: Verified) -> None:
        """Put the invite into a room that we are in, or let it wait for what it stands on."""
        done = await self._inbound.take_up_ready(room.room_id, [verified])
        verdict = done.get(verified.event.event_id)
        if verdict in (Verdict.REJECTED, Verdict.SOFT_FAILED):
            raise Forbidden("The room does not allow this invite")
        if verdict is None and not await self._inbox.put(room, origin, [verified]):
            raise MatrixError(503, "M_UNKNOWN", "Too many events of the room wait already")


def _version(identifier: str) -> RoomVersion:
    version = ROOM_VERSIONS.get(identifier)
    if version is None:
        raise MatrixError(
            400,
            "M_INCOMPATIBLE_ROOM_VERSION",
            "This server does not support the room's version",
            room_version=identifier[:100],
        )
    return version
