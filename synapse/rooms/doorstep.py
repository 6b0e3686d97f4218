"""The doorstep: memberships of our users in rooms that this server is not in.

An invitation from another server, a knock at its door, and what ends either. The event itself is
kept as an outlier, beside what the other server showed of the room; there is no timeline to put it
into.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from synapse.events.event import Event
from synapse.rooms.announce import Announcer
from synapse.rooms.asides import Aside, Asides
from synapse.storage.database import Database
from synapse.storage.stores.flips import INSERT_FLIP
from synapse.storage.stores.members import UPSERT_MEMBER, Membership
from synapse.storage.stores.names import Names
from synapse.storage.stores.slots import Slots
from synapse.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class _Standing:
    room_nid: int
    event: Event
    stripped_state: bytes


class Doorstep:
    """Writes and reads them."""

    def __init__(
        self,
        database: Database,
        names: Names,
        slots: Slots,
        asides: Asides,
        announcer: Announcer,
    ) -> None:
        self._database = database
        self._names = names
        self._slots = slots
        self._asides = asides
        self._announcer = announcer
        self._write = self._apply

    async def stand(self, room_nid: int, event: Event, stripped_state: Sequence[Any]) -> None:
        """Write a member event of a user of ours, and what the user is shown of the room.

        The room must be known (`Entrances.open`), and this server not in it.
        """
        await self._asides.keep(room_nid, [Aside(event, ())])
        standing = _Standing(room_nid, event, orjson.dumps(list(stripped_state)))
        await self._database.write(self._write, standing)

    async def shown(self, room_nid: int, user_nid: int) -> list[Any]:
        """The stripped state that a user was shown of a room; empty if there is none."""
        row = await self._database.fetch_one(
            "SELECT json FROM stripped_states WHERE room_nid = ? AND user_nid = ?",
            room_nid,
            user_nid,
        )
        return [] if row is None else list(orjson.loads(row[0]))

    def _apply(self, txn: Transaction, standings: list[_Standing]) -> None:
        position = txn.stream(len(standings))
        users = [standing.event.state_key or "" for standing in standings]
        nids = self._names.intern(txn, users)
        slots = self._slots.intern(txn, [standing.event.slot for standing in standings])
        for standing, user_id in zip(standings, users, strict=True):
            event, key = standing.event, (nids[user_id], standing.room_nid)
            membership = int(Membership.of(event.membership))
            txn.execute(UPSERT_MEMBER, *key, membership, event.nid, position)
            txn.execute(
                """INSERT INTO stripped_states (user_nid, room_nid, json) VALUES (?, ?, ?)
                   ON CONFLICT (room_nid, user_nid) DO UPDATE SET json = excluded.json""",
                *key,
                standing.stripped_state,
            )
            # The event may have been known for long: it is this that tells when it counted.
            txn.execute(INSERT_FLIP, standing.room_nid, position, slots[event.slot], event.nid)
            self._tell(txn, standing, position)
            position += 1

    def _tell(self, txn: Transaction, standing: _Standing, position: int) -> None:
        room_nid, event = standing.room_nid, standing.event
        txn.after_commit(lambda: self._announcer.stood(room_nid, event, position))
