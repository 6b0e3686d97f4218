"""One event that a server gives us in a request of its own, to be judged before anything else.

It has to be what the request's path says, and by the server that sent the request; so that nothing
is signed or sent on that another server has slipped in.
"""

from collections.abc import Mapping
from typing import Any

from synapse.api.constants import EventTypes
from synapse.api.errors import InvalidParam
from synapse.api.identifiers import domain_of
from synapse.api.room_versions import RoomVersion
from synapse.crypto.signing import SigningKey
from synapse.events.event import Event
from synapse.events.parsing import parse_received
from synapse.events.templates import signed_also_by
from synapse.federation.pdus import Pdus, Refused, Verified


def member_event(
    value: Any,
    version: RoomVersion,
    *,
    origin: str,
    room_id: str,
    event_id: str,
    membership: str,
) -> Event:
    """The member event that `origin` gives us for one of its users.

    Its signatures aren't verified yet. Raises `BadJson`, `TooLarge` and `InvalidParam`.
    """
    received = parse_received(value, version)
    event = received.event
    if not received.content_hash_matches:
        raise InvalidParam("The event's content hash is wrong")
    if event.room_id != room_id:
        raise InvalidParam(f"The event is of the room {event.room_id}")
    if event.event_id != event_id:
        raise InvalidParam(f"The event's id is {event.event_id}")
    if event.type != EventTypes.MEMBER or event.membership != membership:
        raise InvalidParam(f"Not a member event with the membership {membership}")
    if domain_of(event.sender) != origin:
        raise InvalidParam(f"The event's sender is not a user of {origin}")
    return event


def check_is_same(known: Event, event: Event) -> None:
    """Raises `InvalidParam` if an event that we have isn't the one that has its id.

    In room versions 1 and 2 servers choose the ids of their events.
    """
    if (known.room_id, known.type, known.sender, known.state_key) != (
        event.room_id,
        event.type,
        event.sender,
        event.state_key,
    ) or known.membership != event.membership:
        raise InvalidParam(f"There is another event with the id {event.event_id}")


class Signing:
    """Puts our signature on events of others, and verifies theirs."""

    def __init__(self, pdus: Pdus, *, server_name: str, key: SigningKey) -> None:
        self._pdus = pdus
        self._server_name = server_name
        self._key = key

    def sign(self, value: Mapping[str, Any], version: RoomVersion) -> dict[str, Any]:
        """The event with our signature too. Its shape must have been checked."""
        return signed_also_by(value, version, self._server_name, self._key)

    async def verify(self, event: Event, value: Mapping[str, Any]) -> Verified:
        """The event in `value`, which is another spelling of `event`: with more signatures.

        Raises `InvalidParam` unless all who must have signed it have.
        """
        (one,) = await self._pdus.verify(event.version, event.room_id, [value])
        if isinstance(one, Refused):
            raise InvalidParam(one.reason)
        if one.event.event_id != event.event_id:
            raise InvalidParam(f"The event's id is {one.event.event_id}")
        return one
