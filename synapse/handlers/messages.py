"""Sending message events and redactions."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from synapse.api.constants import MAX_ID_BYTES, EventTypes, Membership
from synapse.api.errors import BadJson, Forbidden, InvalidParam, MissingParam, NotFound
from synapse.api.identifiers import domain_of, fits_in_bytes, is_event_id
from synapse.events.event import Event
from synapse.events.power_levels import PowerLevels
from synapse.handlers.auth import Requester
from synapse.handlers.presence import Presence
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.related_events import RelatedEvents
from synapse.handlers.relation_rules import RelationRules
from synapse.handlers.room_access import not_in_room, room_of_member
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.rooms.txns import Transactions
from synapse.rooms.writer import Draft, RoomWriter
from synapse.storage.stores.events import REDACTION_TXN, EventStore
from synapse.storage.stores.related_redactions import RelatedRedaction, RelatedRedactionStore

_LEVEL_SLOTS = [(EventTypes.CREATE, ""), (EventTypes.POWER_LEVELS, "")]
# Taking them away would break the room for everyone.
_NOT_REDACTABLE = (EventTypes.CREATE, EventTypes.SERVER_ACL)


class Messages:
    """Says what users say. Each device's transaction id sends one event."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        writer: RoomWriter,
        transactions: Transactions,
        presence: Presence,
        relation_rules: RelationRules,
        related: RelatedEvents,
        related_redactions: RelatedRedactionStore,
        *,
        messages_limit: RateLimiter,
        moderation_limit: RateLimiter | None,
        server_name: str,
    ) -> None:
        """`moderation_limit` is for redactions of others' events; None: they count as messages."""
        self._rooms = rooms
        self._events = events
        self._writer = writer
        self._transactions = transactions
        self._presence = presence
        self._relation_rules = relation_rules
        self._related = related
        self._related_redactions = related_redactions
        self._messages_limit = messages_limit
        self._moderation_limit = moderation_limit or messages_limit
        self._server_name = server_name

    async def send(
        self,
        requester: Requester,
        room_id: str,
        type: str,
        content: dict[str, Any],
        txn_id: str | None,
    ) -> str:
        """Send a message event; its id.

        Raises `Forbidden`, what `RelationRules` and what the builder refuse.
        """
        if type == EventTypes.REDACTION:
            target, content = _without_target(content)
            return await self.redact(requester, room_id, target, content, txn_id)
        if type == EventTypes.CREATE:
            raise Forbidden("A room has one m.room.create, and it has it from the start")
        room = await room_of_member(self._rooms, room_id)
        draft = Draft(type, requester.user_id, content)

        async def send() -> str:
            self._messages_limit.check(requester.user_id)
            async with self._relation_rules.kept(room, draft):
                event = await self._writer.send(room_id, draft)
            self._presence.acted(requester)
            return event.event_id

        return await self._once(requester, room, draft, txn_id, send)

    async def redact(
        self,
        requester: Requester,
        room_id: str,
        target_id: str,
        content: dict[str, Any],
        txn_id: str | None,
        rel_types: Collection[str] = (),
    ) -> str:
        """Redact an event; the id of the redaction.

        What relates to it in one of the ways `rel_types` is redacted as well, as far as the
        requester may, also what comes later from other servers (MSC3912).
        """
        if content.get("redacts", target_id) != target_id:
            raise InvalidParam("'redacts' names another event than the path")
        content = {key: value for key, value in content.items() if key != "redacts"}
        if content.get("reason", "") is None:
            del content["reason"]
        if not isinstance(content.get("reason", ""), str):
            raise BadJson("'reason' must be a string")
        room = await room_of_member(self._rooms, room_id)
        draft = Draft(EventTypes.REDACTION, requester.user_id, content, redacts=target_id)

        async def send() -> str:
            target = await self._redactable(requester, room, target_id)
            is_own = target.sender == requester.user_id
            limit = self._messages_limit if is_own else self._moderation_limit
            limit.check(requester.user_id)
            if rel_types:
                # First of all: who repeats a request that was cut in two finds what is left.
                await self._related_redactions.add(
                    RelatedRedaction(target_id, requester.user_nid, frozenset(rel_types), content)
                )
                await self._redact_related(requester, room, target, content, set(rel_types))
            return (await self._writer.send(room_id, draft)).event_id

        return await self._once(requester, room, draft, txn_id, send)

    async def _redact_related(
        self,
        requester: Requester,
        room: Room,
        parent: Event,
        content: dict[str, Any],
        rel_types: set[str],
    ) -> None:
        async for child in self._related.of(room, parent, rel_types):
            try:
                await self._redactable(requester, room, child.event_id)
            except Forbidden:
                continue  # it stays, as the proposal wants it
            await self._send_redaction(requester.user_id, room, child, content)

    async def redact_relative(
        self, user_id: str, room: Room, child: Event, content: dict[str, Any]
    ) -> None:
        """Redact an event of another server, which relates to one that a user redacted so.

        Raises `Forbidden`.
        """
        levels = await self._levels_of_member(user_id, room)
        if child.type in _NOT_REDACTABLE or levels.of_user(user_id) < levels.redact:
            raise Forbidden("You don't have permission to redact this event")
        await self._send_redaction(user_id, room, child, content)

    async def _send_redaction(
        self, user_id: str, room: Room, target: Event, content: dict[str, Any]
    ) -> None:
        draft = Draft(EventTypes.REDACTION, user_id, dict(content), redacts=target.event_id)
        await self._writer.send(room.room_id, draft)

    async def _once(
        self,
        requester: Requester,
        room: Room,
        draft: Draft,
        txn_id: str | None,
        send: Callable[[], Awaitable[str]],
    ) -> str:
        if txn_id is None:
            return await send()
        if not fits_in_bytes(txn_id, MAX_ID_BYTES):
            raise InvalidParam(f"A transaction id has at most {MAX_ID_BYTES} bytes")
        if draft.type == EventTypes.REDACTION:
            txn_id = REDACTION_TXN + txn_id
        draft.txn = (requester.device_nid, txn_id)
        return await self._transactions.once(requester.device_nid, room.nid, txn_id, send)

    async def _redactable(self, requester: Requester, room: Room, event_id: str) -> Event:
        """The event of that id, if the requester may redact it."""
        levels = await self._levels_of_member(requester.user_id, room)
        target = await self._events.get(event_id)
        if target is None or target.room_id != room.room_id:
            raise NotFound(f"The event {event_id[:255]} is not in this room")
        if target.type in _NOT_REDACTABLE:
            raise Forbidden(f"{target.type} can't be redacted")
        if target.sender == requester.user_id:
            return target
        if requester.is_admin and domain_of(target.sender) == self._server_name:
            return target
        if levels.of_user(requester.user_id) < levels.redact:
            raise Forbidden("You don't have permission to redact events of others")
        return target

    async def _levels_of_member(self, user_id: str, room: Room) -> PowerLevels:
        """The room's levels, for who is in it. Raises `Forbidden` for others."""
        state = await self._rooms.state(room, [*_LEVEL_SLOTS, (EventTypes.MEMBER, user_id)])
        member = state.get((EventTypes.MEMBER, user_id))
        if member is None or member.membership != Membership.JOIN:
            raise not_in_room(room.room_id)
        return PowerLevels.of(state)


def _without_target(content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The event that a redaction's content names, and the rest of the content."""
    if "redacts" not in content:
        raise MissingParam("redacts")
    target = content["redacts"]
    if not is_event_id(target):
        raise InvalidParam("'redacts' must be an event id")
    return target, {key: value for key, value in content.items() if key != "redacts"}
