"""Setting a room's state."""

from typing import Any

from synapse.api.constants import EventTypes
from synapse.api.errors import Forbidden, InvalidParam
from synapse.events.client_content import (
    check_client_content,
    check_power_levels,
    check_server_acl,
)
from synapse.events.event import Event
from synapse.handlers.aliases import Aliases
from synapse.handlers.auth import Requester
from synapse.handlers.guest_access import GuestAccess
from synapse.handlers.membership import Memberships
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.room_access import room_of_member
from synapse.handlers.same_content import is_same_content
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft, RoomWriter
from synapse.storage.stores.members import Membership


class StateEvents:
    """Sends state events, each with the checks that its type asks for."""

    def __init__(
        self,
        rooms: RoomCache,
        writer: RoomWriter,
        memberships: Memberships,
        aliases: Aliases,
        guest_access: GuestAccess,
        *,
        limit: RateLimiter,
        server_name: str,
    ) -> None:
        self._rooms = rooms
        self._writer = writer
        self._memberships = memberships
        self._aliases = aliases
        self._guest_access = guest_access
        self._limit = limit
        self._server_name = server_name

    async def set(
        self,
        requester: Requester,
        room_id: str,
        type: str,
        state_key: str,
        content: dict[str, Any],
        *,
        txn_id: str | None = None,
    ) -> str:
        """Set one piece of state; the event's id. State that stands already is not set again.

        `txn_id` is kept with the event. (Memberships can be set twice without harm.)
        """
        check_settable(type)
        check_client_content(type, state_key, content)
        if type == EventTypes.MEMBER:
            self._limit.check(requester.user_id)
            return await self._memberships.change(requester, room_id, state_key, content)
        room = await room_of_member(self._rooms, room_id)
        if state_key == "":
            await self._check_special(room, type, content)
        draft = Draft(type, requester.user_id, content, state_key=state_key)
        if txn_id is not None:
            draft.txn = (requester.device_nid, txn_id)

        def unless(room: Room) -> Event | None:
            event = _said(room, draft)
            if event is None:
                self._limit.check(requester.user_id)
            return event

        event = await self._writer.send(room_id, draft, unless=unless)
        if type == EventTypes.GUEST_ACCESS and state_key == "":
            self._guest_access.changed(room, content)
        return event.event_id

    async def _check_special(self, room: Room, type: str, content: dict[str, Any]) -> None:
        """What depends on the room or the server."""
        if type == EventTypes.CANONICAL_ALIAS:
            await self._check_aliases(room, content)
        elif type == EventTypes.POWER_LEVELS:
            check_power_levels(content, room.version)
        elif type == EventTypes.SERVER_ACL:
            check_server_acl(content, self._server_name)

    async def _check_aliases(self, room: Room, content: dict[str, Any]) -> None:
        current = await self._rooms.current(room, EventTypes.CANONICAL_ALIAS)
        await self._aliases.check_canonical(
            room.room_id, content, {} if current is None else current.content
        )


def check_settable(type: str) -> None:
    """Raises for what is no state that clients can set."""
    if type == EventTypes.CREATE:
        raise Forbidden("A room has one m.room.create, and it has it from the start")
    if type == EventTypes.REDACTION:
        raise InvalidParam("m.room.redaction is no state: send it with PUT /send or /redact")


def _said(room: Room, draft: Draft) -> Event | None:
    """The event with which the sender has said the same, and it still stands."""
    assert draft.state_key is not None, "only state stands"
    event = room.current((draft.type, draft.state_key))
    if event is None or event.sender != draft.sender:
        return None
    if room.membership(draft.sender) != Membership.JOIN.text:
        return None
    return event if is_same_content(event, draft.content) else None
