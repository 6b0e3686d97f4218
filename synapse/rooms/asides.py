"""Asides: events without a place in their room's timeline, and how they are written.

Three kinds of events stand aside. *Outliers* are known only because others cite them: what
authorised an event, or was part of a state. *Rejected* events broke the rules where they stood, and
*soft-failed* ones break those of the room as it is now. The last two are kept to know them again,
and because later events may stand on them: for those, the state after a rejected event is the one
before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from synapse.api.errors import BadJson
from synapse.events.event import Event
from synapse.rooms.rows import INSERT_EVENT, event_row
from synapse.state.layers import Layer, at
from synapse.storage.database import Database
from synapse.storage.sql import Row
from synapse.storage.stores.events import REJECTED, SOFT_FAILED, EventStore
from synapse.storage.stores.forks import KnownState
from synapse.storage.stores.names import Names
from synapse.storage.stores.slots import Slots
from synapse.storage.stores.states import StateStore
from synapse.storage.transaction import Transaction

_MANY = 30


@dataclass(frozen=True, slots=True)
class Aside:
    """An event to be kept, with `rejected` and `soft_failed` set on it if it is one of these."""

    event: Event
    auth_events: Sequence[Event]  # in the database, or earlier in the same list of asides
    before: KnownState | None = None  # the state that it stands on; None: an outlier

    @property
    def own_auth_events(self) -> list[Event]:
        """Those of the room: who makes an event that cites others is not told of these for it."""
        room_id = self.event.room_id
        return [auth for auth in self.auth_events if auth.room_id == room_id]


@dataclass(frozen=True, slots=True)
class _Batch:
    room_nid: int
    asides: Sequence[Aside]

    @property
    def is_large(self) -> bool:
        """See `synapse.storage.writer`."""
        return len(self.asides) > _MANY


class Asides:
    """Writes asides."""

    def __init__(
        self,
        database: Database,
        names: Names,
        slots: Slots,
        events: EventStore,
        states: StateStore,
    ) -> None:
        self._database = database
        self._names = names
        self._slots = slots
        self._events = events
        self._states = states
        self._write = self._apply

    async def keep(self, room_nid: int, asides: Sequence[Aside]) -> None:
        """Write events of one room, all or none, and number them.

        Those that are in the database already stay as they are there, and get their number.
        Raises `BadJson` if one has the id of an event of another room.
        """
        await self._database.write(self._write, _Batch(room_nid, asides))

    def _apply(self, txn: Transaction, batches: list[_Batch]) -> None:
        nid = txn.stream(sum(len(batch.asides) for batch in batches))
        asides = [aside for batch in batches for aside in batch.asides]
        names = self._names.intern(
            txn, [name for aside in asides for name in (aside.event.type, aside.event.sender)]
        )
        slots = self._slots.intern(
            txn, [aside.event.slot for aside in asides if aside.event.state_key is not None]
        )
        known = _known(txn, [aside.event.event_id for aside in asides])
        rows: list[Row] = []
        for batch in batches:
            for aside in batch.asides:
                event = aside.event
                if event.event_id in known:
                    event.nid, room_nid = known[event.event_id]
                    if room_nid != batch.room_nid:
                        raise BadJson(f"{event.event_id} is the id of an event of another room")
                    self._learn_more(txn, batch.room_nid, aside, slots, nid)
                else:
                    event.nid = nid
                    known[event.event_id] = nid, batch.room_nid
                    self._add_state(txn, batch.room_nid, aside, slots, nid)
                    rows.append(_row(batch.room_nid, aside, names, slots))
                nid += 1
        txn.execute_many(INSERT_EVENT, rows)
        txn.after_commit(lambda: self._remember(asides))

    def _learn_more(
        self,
        txn: Transaction,
        room_nid: int,
        aside: Aside,
        slots: dict[tuple[str, str], int],
        position: int,
    ) -> None:
        """Add what was not known of an event that is in the database."""
        event = aside.event
        # Invitations come without what authorises them.
        if aside.auth_events:
            txn.execute(
                "UPDATE events SET auth = ? WHERE event_nid = ? AND auth = ?",
                _cited(aside.own_auth_events),
                event.nid,
                _cited(()),
            )
        if aside.before is None:
            return
        self._add_state(txn, room_nid, aside, slots, position)
        txn.execute(
            "UPDATE events SET state_nid = ?, replaces = ?, flags = flags | ?"
            " WHERE event_nid = ? AND state_nid = 0",
            event.state_nid,
            event.replaces_nid or None,
            _flags(event),
            event.nid,
        )

    def _add_state(
        self,
        txn: Transaction,
        room_nid: int,
        aside: Aside,
        slots: dict[tuple[str, str], int],
        state_nid: int,
    ) -> None:
        event, before = aside.event, aside.before
        if before is None:
            return
        changes = dict(before.changes)
        if event.state_key is not None and not event.rejected:
            event.replaces_nid = self._filled(txn, before, slots[event.slot])
            changes[slots[event.slot]] = event.nid
        event.state_nid = event.view_nid = self._states.add(
            txn, room_nid, state_nid, before.base_nid, changes
        )

    def _filled(self, txn: Transaction, state: KnownState, slot_nid: int) -> int:
        if slot_nid in state.changes:
            return state.changes[slot_nid]
        chain = self._states.chain(txn, state.base_nid)
        return at([Layer(link.state_nid, link.delta) for link in chain], slot_nid)

    def _remember(self, asides: list[Aside]) -> None:
        for aside in asides:
            # One that was here may have a place that this object doesn't know of.
            self._events.forget(aside.event.nid)


def _known(txn: Transaction, event_ids: list[str]) -> dict[str, tuple[int, int]]:
    """event_id → event_nid and room_nid"""
    rows = txn.execute(
        "SELECT event_id, event_nid, room_nid FROM events WHERE event_id = ANY(?)", event_ids
    )
    return {event_id: (nid, room_nid) for event_id, nid, room_nid in rows}


def _row(
    room_nid: int, aside: Aside, names: dict[str, int], slots: dict[tuple[str, str], int]
) -> Row:
    event = aside.event
    sent = (None, event.replaces_nid or None, None, None)
    flags = _flags(event)
    return event_row(event, room_nid, aside.own_auth_events, names, slots, flags=flags, sent=sent)


def _flags(event: Event) -> int:
    return event.rejected * REJECTED | event.soft_failed * SOFT_FAILED


def _cited(auth_events: Sequence[Event]) -> bytes:
    return msgspec.msgpack.encode([event.nid for event in auth_events])
