"""`send_join`, `send_leave`, `send_knock`: users of other servers come, go, and ask to be let in.

Server-server API, "Joining Rooms", "Knocking upon a room", "Leaving Rooms". The event goes to the
room like any that comes from another server, and is committed when it is answered. From there the
other servers of the room hear of it.
"""

from dataclasses import replace
from typing import Any

from synapse.api.constants import Membership
from synapse.api.errors import Forbidden, InvalidParam
from synapse.api.identifiers import domain_of
from synapse.events.event import Event
from synapse.federation.inbound import Inbound
from synapse.federation.pdus import Verified
from synapse.federation.residence import Residence
from synapse.federation.restricted import RemoteRestrictedJoins
from synapse.federation.signed_events import Signing, check_is_same, member_event
from synapse.handlers.membership_limits import MembershipLimits
from synapse.rooms.cache import RoomCache
from synapse.rooms.judging import slots_of_event, why_not
from synapse.rooms.receiver import Receiver, Verdict
from synapse.rooms.room import Room
from synapse.storage.stores.events import EventStore


class Admissions:
    """Takes up member events that other servers made of our templates."""

    def __init__(
        self,
        residence: Residence,
        rooms: RoomCache,
        events: EventStore,
        inbound: Inbound,
        receiver: Receiver,
        restricted: RemoteRestrictedJoins,
        signing: Signing,
        limits: MembershipLimits,
        *,
        server_name: str,
    ) -> None:
        self._residence = residence
        self._rooms = rooms
        self._events = events
        self._inbound = inbound
        self._receiver = receiver
        self._restricted = restricted
        self._signing = signing
        self._limits = limits
        self._server_name = server_name

    async def take_up(
        self, origin: str, room_id: str, event_id: str, value: Any, membership: str
    ) -> tuple[Room, Event]:
        """Take up the event that `origin` sent; the room, and the event as it was committed.

        Raises `NotFound`, `Forbidden`, `InvalidParam`, `BadJson`, `LimitExceeded`, and for joins
        what `RemoteRestrictedJoins.authoriser` raises. Who repeats a request gets the same answer.
        """
        room = await self._residence.room(origin, room_id)
        event = member_event(
            value,
            room.version,
            origin=origin,
            room_id=room_id,
            event_id=event_id,
            membership=membership,
        )
        if event.state_key != event.sender:
            raise InvalidParam("The event's state_key is not its sender")
        known = await self._events.get(event_id)
        if known is not None:
            check_is_same(known, event)
            if known.state_nid:
                return room, _unless_refused(known)
        if membership == Membership.JOIN:
            self._limits.check_admission(room_id)
            await self._check_may_be_vouched_for(room, event)
        signed = self._signing.sign(value, room.version)
        verified = await self._signing.verify(event, signed)
        return room, await self._add(room, verified)

    async def _check_may_be_vouched_for(self, room: Room, event: Event) -> None:
        """We sign for a user of ours only who the room's rule admits."""
        authoriser = event.content.get("join_authorised_via_users_server")
        if isinstance(authoriser, str) and domain_of(authoriser) == self._server_name:
            await self._restricted.authoriser(room, event.sender)

    async def _add(self, room: Room, verified: Verified) -> Event:
        ready = await self._inbound.ready([verified])
        arrivals = [replace(arrival, is_passed_on=True) for arrival in ready]
        if not arrivals:
            raise InvalidParam("The event stands on events that are not known here")
        event = verified.event
        error = why_not(arrivals[0], await self._rooms.state(room, slots_of_event(event)))
        if error is not None:
            raise error
        (verdict,) = await self._receiver.receive(room.room_id, arrivals)
        if verdict in (Verdict.REJECTED, Verdict.SOFT_FAILED):
            raise _refused()
        committed = await self._events.get(event.event_id)
        assert committed is not None, "what was accepted is in the database"
        return _unless_refused(committed)


def _unless_refused(event: Event) -> Event:
    if event.rejected or event.soft_failed:
        raise _refused()
    return event


def _refused() -> Forbidden:
    return Forbidden("The room does not allow this event")
