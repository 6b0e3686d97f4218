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

from synapse.events.event import Event
from synapse.rooms.rows import INSERT_EVENT, event_row
from synapse.storage.database import Database
from synapse.storage.sql import Row
from synapse.storage.stores.events import REJECTED, SOFT_FAILED, EventStore
from synapse.storage.stores.forks import KnownState
from synapse.storage.stores.names import Names
from synapse.storage.stores.slots import Slots
from synapse.storage.stores.states import StateStore, next_link
from synapse.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Aside:
    """An event to be kept, with `rejected` and `soft_failed` set on it if it is one of these."""

    event: Event
    auth_events: Sequence[Event]  # in the database, or earlier in the same list of asides
    before: KnownState | None = None  # the state that it stands on; None: an outlier


@dataclass(frozen=True, slots=True)
class _Batch:
    room_nid: int
    asides: Sequence[Aside]


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
        learned: list[Row] = []
        written = []
        for batch in batches:
            for aside in batch.asides:
                event = aside.event
                if event.event_id in known:
                    event.nid = known[event.event_id]
                    learned.append((_cited(aside), event.nid, _NOTHING_CITED))
                    continue
                event.nid = known[event.event_id] = nid
                nid += 1
                event.state_nid = event.view_nid = self._state_after(txn, batch, aside, slots)
                flags = event.rejected * REJECTED | event.soft_failed * SOFT_FAILED
                rows.append(
                    event_row(event, batch.room_nid, aside.auth_events, names, slots, flags=flags)
                )
                written.append(event)
        txn.execute_many(INSERT_EVENT, rows)
        # Invitations come without what authorises them.
        txn.execute_many(
            "UPDATE events SET auth = ? WHERE event_nid = ? AND auth = ?",
            [row for row in learned if row[0] != _NOTHING_CITED],
        )
        txn.after_commit(lambda: self._remember(written))

    def _state_after(
        self,
        txn: Transaction,
        batch: _Batch,
        aside: Aside,
        slots: dict[tuple[str, str], int],
    ) -> int:
        event, before = aside.event, aside.before
        if before is None:
            return 0
        changes = dict(before.changes)
        if event.state_key is not None and not event.rejected:
            changes[slots[event.slot]] = event.nid
        if not changes:
            return before.base_nid
        chain = self._states.chain(txn, before.base_nid)
        _, (state_nid, change, base_nid, delta) = next_link(chain, event.nid, changes)
        txn.execute(
            "INSERT INTO states (state_nid, room_nid, change, base_nid, delta)"
            " VALUES (?, ?, ?, ?, ?)",
            state_nid,
            batch.room_nid,
            change,
            base_nid,
            delta,
        )
        return state_nid

    def _remember(self, events: list[Event]) -> None:
        for event in events:
            self._events.remember(event)


_NOTHING_CITED = msgspec.msgpack.encode([])


def _cited(aside: Aside) -> bytes:
    return msgspec.msgpack.encode([auth.nid for auth in aside.auth_events])


def _known(txn: Transaction, event_ids: list[str]) -> dict[str, int]:
    rows = txn.execute("SELECT event_id, event_nid FROM events WHERE event_id = ANY(?)", event_ids)
    return dict(rows)
