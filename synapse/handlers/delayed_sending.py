"""Sending delayed events when their time has come.

An event is claimed, sent and finalised. Its delay id is its transaction id, which is committed with
the event: who repeats what a crash interrupted between the two last steps gets the same event.
"""

import logging

import orjson
from twisted.internet.defer import Deferred, DeferredList

from synapse.api.errors import MatrixError
from synapse.events.client_format import DELAYED_TXN
from synapse.handlers.auth import Requester
from synapse.handlers.messages import Messages
from synapse.handlers.room_access import room_of_member
from synapse.handlers.state_events import StateEvents
from synapse.rooms.cache import RoomCache
from synapse.rooms.txns import Transactions
from synapse.storage.stores.delayed_events import DelayedEvent, DelayedEventStore, Finalisation
from synapse.storage.stores.users import UserStore
from synapse.util.background import Background
from synapse.util.clock import Clock, Timer
from synapse.util.turns import TurnsByKey

logger = logging.getLogger(__name__)

_CLAIMED_AT_ONCE = 20
# When the database can't be reached, or the server is too busy.
_RETRY_MS = 5_000
# For rooms in which sending takes long; it goes on, behind the others.
_PATIENCE_S = 2.0
# Timers of reactors don't reach further than this for certain.
_LONGEST_SLEEP_MS = 24 * 3600 * 1000
_KEPT_MS = 7 * 24 * 3600 * 1000


class DelayedSending:
    """Wakes when the next delayed event is due."""

    def __init__(
        self,
        store: DelayedEventStore,
        rooms: RoomCache,
        users: UserStore,
        messages: Messages,
        state_events: StateEvents,
        transactions: Transactions,
        background: Background,
        clock: Clock,
    ) -> None:
        self._store = store
        self._rooms = rooms
        self._users = users
        self._messages = messages
        self._state_events = state_events
        self._transactions = transactions
        self._background = background
        self._clock = clock
        self._timer: Timer | None = None
        self._wakes_ms = 0
        self._is_sending = False
        self._turns = TurnsByKey()  # rooms in which events are being sent
        self._is_stopped = False
        # Whether there may be claims that nobody acts on, of this process or of one before it.
        self._has_lost_claims = True

    async def resume(self) -> None:
        """At start: finish what was interrupted, send what became due, wait for the rest."""
        await self._send_due()

    def stop(self) -> None:
        self._is_stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def wake_at(self, time_ms: int) -> None:
        """An event is to be sent at this time."""
        if self._is_stopped:
            return
        sleeps_ms = min(max(0, time_ms - self._clock.now_ms()), _LONGEST_SLEEP_MS)
        wakes_ms = self._clock.now_ms() + sleeps_ms
        if self._timer is not None and self._timer.active():
            if self._wakes_ms <= wakes_ms:
                return
            self._timer.cancel()
        self._wakes_ms = wakes_ms
        self._timer = self._clock.call_later(sleeps_ms / 1000, self._wake)

    async def forget_finalised(self) -> None:
        """Forget what has been kept for a week, for clients to ask what became of it."""
        await self._store.forget_finalised(self._clock.now_ms() - _KEPT_MS)

    async def send_claimed(self, event: DelayedEvent) -> None:
        """Send an event before its time. Raises what sending raises.

        One that was refused stays scheduled; one whose fate is unknown is tried again soon.
        """
        try:
            await self._finalise(event, event_id=await self._send(event))
        except BaseException as error:
            if isinstance(error, MatrixError) and not error.is_ours:
                await self._store.release(event.delay_id)
                self.wake_at(event.scheduled_ms + event.delay_ms)
            else:
                self._has_lost_claims = True
                self.wake_at(self._clock.now_ms() + _RETRY_MS)
            raise

    def _wake(self) -> None:
        self._background.spawn("send delayed events", self._send_due())

    async def _send_due(self) -> None:
        if self._is_sending:
            return  # which looks for what is due until there is nothing
        self._is_sending = True
        next_ms: int | None = self._clock.now_ms() + _RETRY_MS
        try:
            if self._has_lost_claims:
                await self._store.release_all()
            self._has_lost_claims = True
            while not self._is_stopped:
                events = await self._store.claim_due(self._clock.now_ms(), _CLAIMED_AT_ONCE)
                if not events:
                    break
                if not await self._send_all(events):
                    return
            self._has_lost_claims = False
            next_ms = await self._store.next_ms()
        finally:
            self._is_sending = False
            if next_ms is not None:
                self.wake_at(next_ms)

    async def _send_all(self, events: list[DelayedEvent]) -> bool:
        """Send events; False if that is not possible at the moment.

        A room whose policy server takes its time is not waited for.
        """
        by_room: dict[str, list[DelayedEvent]] = {}
        for event in events:
            by_room.setdefault(event.room_id, []).append(event)
        sent = [
            Deferred.fromCoroutine(self._send_in_turn(room_id, of_room))
            for room_id, of_room in by_room.items()
        ]
        ended: Deferred[None] = Deferred()
        self._background.spawn("send delayed events in rooms", _after_all(sent, ended))
        if not await self._clock.wait_for(ended, _PATIENCE_S):
            logger.info("Sending delayed events in some room takes long")
        return all(each.result is True for each in sent if each.called)

    async def _send_in_turn(self, room_id: str, events: list[DelayedEvent]) -> bool:
        async with self._turns.of(room_id):
            try:
                if await self._send_in_room(events):
                    return True
            except Exception:
                logger.exception("Sending delayed events in %s failed", room_id)
        self._has_lost_claims = True
        self.wake_at(self._clock.now_ms() + _RETRY_MS)
        return False

    async def _send_in_room(self, events: list[DelayedEvent]) -> bool:
        """Send a room's events one after the other; False if that is not possible at the moment."""
        for event in events:
            try:
                event_id = await self._send(event)
            except MatrixError as error:
                if error.is_ours:
                    logger.warning("Sending delayed events later, after: %s", error)
                    return False
                await self._finalise(event, error=error)
            except Exception:
                logger.exception("The delayed event %s could not be sent", event.delay_id)
                broken = MatrixError(500, "M_UNKNOWN", "Internal server error")
                await self._finalise(event, error=broken)
            else:
                await self._finalise(event, event_id=event_id)
        return True

    async def _send(self, event: DelayedEvent) -> str:
        """The id of the event, also if it was sent before."""
        user = await self._users.user(event.user_id)
        if user is None or user.is_deactivated:
            raise MatrixError(403, "M_USER_DEACTIVATED", "The account has been deactivated")
        if user.is_locked:
            raise MatrixError(403, "M_USER_LOCKED", "The account has been locked")
        requester = Requester(
            user_id=event.user_id,
            user_nid=event.user_nid,
            device_id=None,
            device_nid=event.device_nid,
            token_id=0,
            is_guest=user.is_guest,
            is_admin=user.is_admin,
        )
        content, txn_id = orjson.loads(event.content), DELAYED_TXN + event.delay_id
        state_key = event.state_key
        if state_key is None:
            return await self._messages.send(requester, event.room_id, event.type, content, txn_id)

        async def set_state() -> str:
            return await self._state_events.set(
                requester, event.room_id, event.type, state_key, content, txn_id=txn_id
            )

        room = await room_of_member(self._rooms, event.room_id)
        return await self._transactions.once(requester.device_nid, room.nid, txn_id, set_state)

    async def _finalise(
        self, event: DelayedEvent, *, event_id: str | None = None, error: MatrixError | None = None
    ) -> None:
        json = None if error is None else orjson.dumps(error.body()).decode()
        await self._store.finalise(
            Finalisation(event.delay_id, event.user_nid, self._clock.now_ms(), event_id, json)
        )


async def _after_all(sent: list[Deferred[bool]], ended: Deferred[None]) -> None:
    """Fire `ended` when all are done, if somebody still waits for that."""
    await DeferredList(sent)
    if not ended.called:
        ended.callback(None)
