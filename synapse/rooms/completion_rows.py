"""The rows that change when a room becomes whole, in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from synapse.rooms.replay import Outcome
from synapse.rooms.room import HeadMoved, Room
from synapse.storage.stores.events import REDACTED, REJECTED, SOFT_FAILED
from synapse.storage.stores.flips import INSERT_FLIP
from synapse.storage.stores.forks import KnownState
from synapse.storage.stores.members import UPSERT_MEMBER, Membership
from synapse.storage.stores.states import insert_state, link_on_whole, next_link
from synapse.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A row of `members` that is new or another one."""

    user_nid: int
    membership: Membership
    event_nid: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Completed:
    """A room as it is once it is whole."""

    room: Room
    join_nid: int
    whole_nid: int
    head: int  # what it becomes: whoever knows the room as it was has to look again
    outcomes: Sequence[Outcome]
    view: KnownState
    tips: Sequence[int]
    joined: int
    invited: int
    local_joined: int
    members: Sequence[MemberRow]
    gone_members: Sequence[int]  # user_nids
    room_state: Mapping[int, int]  # slot_nid → event_nid, where it is another one; 0: none
    flips: Mapping[int, int]  # the same for slots of which clients may have been told
    servers: Mapping[str, int]  # the other servers, each with how many members it has
    # Users of ours who are in the room, and those whose membership is another one than it was.
    ours: Sequence[int]
    ours_changed: Mapping[int, Membership]

    @property
    def is_large(self) -> bool:
        """See `synapse.storage.writer`."""
        return True

    def states(self) -> list[KnownState]:
        """The states that need a snapshot: those that differ from the whole one."""
        found = {id(outcome.after): outcome.after for outcome in self.outcomes}
        found |= {id(outcome.view): outcome.view for outcome in self.outcomes}
        found[id(self.view)] = self.view
        return [state for state in found.values() if state.changes]


def write_completed(
    txn: Transaction, item: Completed, first: int, server_nids: Mapping[str, int]
) -> int:
    """Write it all, with numbers from `first` on; the position at which the room is whole."""
    room_nid = item.room.nid
    states = item.states()
    numbers = {id(state): first + place for place, state in enumerate(states)}
    position = first + len(states)
    base = [link_on_whole(item.whole_nid)]
    for state in states:
        _, row = next_link(base, numbers[id(state)], dict(state.changes))
        insert_state(txn, room_nid, numbers[id(state)], row)

    def number(state: KnownState) -> int:
        return numbers.get(id(state), item.whole_nid)

    _update_room(txn, item, number(item.view), position)
    _update_events(txn, item.outcomes, number)
    _update_current(txn, item, position)
    _update_servers(txn, item, server_nids, position)
    txn.execute_many(
        INSERT_FLIP, [(room_nid, position, slot_nid, nid) for slot_nid, nid in item.flips.items()]
    )
    txn.execute_many(
        "INSERT INTO gaps (room_nid, event_id, below) VALUES (?, ?, ?)"
        " ON CONFLICT (room_nid, event_id) DO NOTHING",
        [
            (room_nid, event_id, outcome.event.pos)
            for outcome in item.outcomes
            for event_id in outcome.missing
            if not outcome.is_refused
        ],
    )
    txn.execute("UPDATE partial_rooms SET completed = ? WHERE room_nid = ?", position, room_nid)
    return position


def _update_room(txn: Transaction, item: Completed, state_nid: int, position: int) -> None:
    changed = txn.execute(
        """UPDATE rooms SET head = ?, tips = ?, state_nid = ?, joined = ?, invited = ?,
               local_joined = ?, last_nid = ?,
               flipped = CASE WHEN ? = 1 THEN ? ELSE flipped END
           WHERE room_nid = ? AND head = ? RETURNING room_nid""",
        item.head,
        orjson.dumps(list(item.tips)).decode(),
        state_nid,
        item.joined,
        item.invited,
        item.local_joined,
        position,
        int(bool(item.flips)),
        position,
        item.room.nid,
        item.room.head,
    )
    if not changed:
        raise HeadMoved(item.room.room_id)


def _update_events(
    txn: Transaction, outcomes: Sequence[Outcome], number: Callable[[KnownState], int]
) -> None:
    txn.execute_many(
        "UPDATE events SET state_nid = ?, view_nid = ?, replaces = ? WHERE event_nid = ?",
        [
            (
                number(outcome.after),
                number(outcome.view),
                outcome.replaces_nid or None,
                outcome.event.nid,
            )
            for outcome in outcomes
            if not outcome.is_refused
        ],
    )
    refused = [outcome for outcome in outcomes if outcome.is_refused]
    txn.execute_many(
        f"""UPDATE events SET pos = NULL, flags = (flags & {REDACTED}) | ?, state_nid = ?,
                view_nid = NULL, replaces = ? WHERE event_nid = ?""",
        [
            (
                outcome.rejected * REJECTED | outcome.soft_failed * SOFT_FAILED,
                0 if outcome.is_lost else number(outcome.after),
                outcome.replaces_nid or None,
                outcome.event.nid,
            )
            for outcome in refused
        ],
    )
    txn.execute_many("DELETE FROM relations WHERE event_nid = ?", [(o.event.nid,) for o in refused])


def _update_current(txn: Transaction, item: Completed, position: int) -> None:
    room_nid = item.room.nid
    txn.execute_many(
        UPSERT_MEMBER,
        [
            (
                row.user_nid,
                room_nid,
                int(row.membership),
                row.event_nid,
                item.join_nid if row.is_new else position,
            )
            for row in item.members
        ],
    )
    txn.execute_many(
        "DELETE FROM members WHERE user_nid = ? AND room_nid = ?",
        [(user_nid, room_nid) for user_nid in item.gone_members],
    )
    txn.execute_many(
        """INSERT INTO room_state (room_nid, slot_nid, event_nid) VALUES (?, ?, ?)
           ON CONFLICT (room_nid, slot_nid) DO UPDATE SET event_nid = excluded.event_nid""",
        [(room_nid, slot_nid, nid) for slot_nid, nid in item.room_state.items() if nid],
    )
    txn.execute_many(
        "DELETE FROM room_state WHERE room_nid = ? AND slot_nid = ?",
        [(room_nid, slot_nid) for slot_nid, nid in item.room_state.items() if not nid],
    )


def _update_servers(
    txn: Transaction, item: Completed, server_nids: Mapping[str, int], position: int
) -> None:
    """Count the servers' users. Those that we thought were there, and aren't, heard all so far."""
    room_nid = item.room.nid
    txn.execute(
        "UPDATE room_servers SET joined = 0, until = ? WHERE room_nid = ?", position, room_nid
    )
    txn.execute_many(
        """INSERT INTO room_servers (server_nid, room_nid, joined, since, until)
           VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (server_nid, room_nid) DO UPDATE SET joined = excluded.joined""",
        [
            (server_nids[server], room_nid, joined, item.join_nid, position)
            for server, joined in item.servers.items()
        ],
    )
