"""Delayed events (MSC4140): scheduled now, sent later, unless their user thinks better of it.

What is scheduled is in the database, and the sender (`DelayedSending`) wakes when the next one is
due. Rights are checked when an event is sent, not before.
"""

import secrets
from typing import Any

import orjson

from synapse.api.constants import MAX_EVENT_BYTES, MAX_ID_BYTES, EventTypes, Membership
from synapse.api.errors import (
    BadJson,
    Forbidden,
    InvalidParam,
    LimitExceeded,
    MatrixError,
    NotFound,
    TooLarge,
)
from synapse.api.identifiers import fits_in_bytes, is_short_text
from synapse.events import canonical
from synapse.events.client_content import check_client_content
from synapse.handlers.auth import Requester
from synapse.handlers.delayed_sending import DelayedSending
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.room_access import not_in_room, room_of_member
from synapse.handlers.state_events import check_settable
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.delayed_events import (
    DelayedEvent,
    DelayedEventStore,
    NewDelayedEvent,
)
from synapse.util.canonicaljson import NotCanonical
from synapse.util.clock import Clock

# How many events a user may have scheduled at a time.
MAX_SCHEDULED = 100
ACTIONS = ("send", "cancel", "restart")


class DelayedEvents:
    """What users do with their delayed events."""

    def __init__(
        self,
        store: DelayedEventStore,
        rooms: RoomCache,
        sending: DelayedSending,
        clock: Clock,
        *,
        max_delay_ms: int | None,
        schedule_limit: RateLimiter,
        manage_limit: RateLimiter,
    ) -> None:
        """`max_delay_ms` None: nothing can be scheduled."""
        self._store = store
        self._rooms = rooms
        self._sending = sending
        self._clock = clock
        self._max_delay_ms = max_delay_ms
        self._schedule_limit = schedule_limit
        self._manage_limit = manage_limit

    async def schedule(
        self,
        requester: Requester,
        room_id: str,
        type: str,
        state_key: str | None,
        content: dict[str, Any],
        delay_ms: int,
        txn_id: str | None,
    ) -> str:
        """The delay id. The same transaction id schedules one event.

        Raises `DelayTooLong`, `LimitExceeded`, and `Forbidden` for who isn't in the room.
        """
        if self._max_delay_ms is None:
            raise Forbidden("This server doesn't delay events")
        if delay_ms <= 0:
            raise InvalidParam("The delay must be a positive number of milliseconds")
        if delay_ms > self._max_delay_ms:
            raise DelayTooLong(self._max_delay_ms)
        if txn_id is not None and not is_short_text(txn_id):
            raise InvalidParam(f"A transaction id has at most {MAX_ID_BYTES} bytes")
        _check_event(type, state_key, content)
        room = await room_of_member(self._rooms, room_id)
        member = await self._rooms.current(room, EventTypes.MEMBER, requester.user_id)
        if member is None or member.membership != Membership.JOIN:
            raise not_in_room(room_id)
        try:
            json = canonical.encode(content, room.version)
        except NotCanonical as error:
            raise BadJson(f"The content can't be sent: {error}") from None
        if len(json) > MAX_EVENT_BYTES:
            raise TooLarge(f"An event has at most {MAX_EVENT_BYTES} bytes")
        self._schedule_limit.check(requester.user_id)
        now_ms = self._clock.now_ms()
        scheduled = await self._store.schedule(
            NewDelayedEvent(
                secrets.token_urlsafe(18),
                requester.user_nid,
                requester.device_nid,
                txn_id,
                room.nid,
                type,
                state_key,
                json,
                delay_ms,
                now_ms,
                MAX_SCHEDULED,
            )
        )
        if scheduled.delay_id is None:
            raise LimitExceeded(max(1, scheduled.send_ms - now_ms))
        self._sending.wake_at(scheduled.send_ms)
        return scheduled.delay_id

    async def manage(self, requester: Requester, delay_id: str, action: str) -> None:
        """`action` is one of `ACTIONS`. Raises 409 if it comes too late, `NotFound`."""
        self._manage_limit.check(requester.user_id)
        now_ms = self._clock.now_ms()
        if action == "cancel":
            is_done = await self._store.cancel(delay_id, requester.user_nid, now_ms)
        elif action == "restart":
            send_ms = await self._store.restart(delay_id, requester.user_nid, now_ms)
            is_done = send_ms is not None
            if send_ms is not None:
                self._sending.wake_at(send_ms)
        else:
            is_done = await self._store.claim(delay_id, requester.user_nid, now_ms)
            if is_done:
                await self._sending.send_claimed(await self._get(requester, delay_id))
        if not is_done:
            _check_outcome(await self._get(requester, delay_id), action)

    async def get(self, requester: Requester, delay_id: str) -> dict[str, Any]:
        """The user's delayed event as JSON. Raises `NotFound`."""
        self._manage_limit.check(requester.user_id)
        return _described(await self._get(requester, delay_id))

    async def scheduled(self, requester: Requester) -> list[dict[str, Any]]:
        """The user's events that are still to be sent, the next first."""
        self._manage_limit.check(requester.user_id)
        return [_described(event) for event in await self._store.scheduled(requester.user_nid)]

    async def _get(self, requester: Requester, delay_id: str) -> DelayedEvent:
        event = await self._store.get(delay_id, requester.user_nid)
        if event is None:
            raise NotFound("You have no such delayed event")
        return event


class DelayTooLong(MatrixError):
    """403 `M_FORBIDDEN`: the delay is longer than the server allows."""

    def __init__(self, max_delay_ms: int) -> None:
        super().__init__(403, "M_FORBIDDEN", f"Events can be delayed by {max_delay_ms} ms at most")
        self.max_delay_ms = max_delay_ms


class TooLate(MatrixError):
    """409 `M_UNKNOWN`: what became of the event is not what was asked for."""

    def __init__(self, outcome: str) -> None:
        super().__init__(409, "M_UNKNOWN", f"The delayed event {outcome}")


def _check_outcome(event: DelayedEvent, action: str) -> None:
    """Whether an event that could not be changed has ended as was wanted. Raises `TooLate`."""
    if event.finalised_ms is None:
        if event.is_being_sent and action != "send":
            raise TooLate("is being sent")
    elif event.event_id is not None:
        if action != "send":
            raise TooLate("has been sent")
    elif action != "cancel":
        raise TooLate("has been cancelled")


def _check_event(type: str, state_key: str | None, content: dict[str, Any]) -> None:
    if not is_short_text(type):
        raise InvalidParam(f"An event type has at most {MAX_ID_BYTES} bytes, and no NUL")
    if type == EventTypes.CREATE:
        raise Forbidden("A room has one m.room.create, and it has it from the start")
    if state_key is None:
        return
    if "\0" in state_key or not fits_in_bytes(state_key, MAX_ID_BYTES):
        raise InvalidParam(f"A state key has at most {MAX_ID_BYTES} bytes, and no NUL")
    check_settable(type)
    check_client_content(type, state_key, content)


def _described(event: DelayedEvent) -> dict[str, Any]:
    described: dict[str, Any] = {
        "delay_id": event.delay_id,
        "room_id": event.room_id,
        "type": event.type,
        "delay_ms": event.delay_ms,
        "scheduled_at": event.scheduled_ms,
        # COMPAT: the names of both in the proposal's first versions, which clients still read.
        "delay": event.delay_ms,
        "running_since": event.scheduled_ms,
        "content": orjson.loads(event.content),
    }
    if event.state_key is not None:
        described["state_key"] = event.state_key
    if event.finalised_ms is not None:
        described["finalised_ts"] = event.finalised_ms
    if event.event_id is not None:
        described["event_id"] = event.event_id
    if event.error is not None:
        described["error"] = orjson.loads(event.error)
    return described
