"""Rooms that were entered without their members: which they are, and how far they have got.

A room's row stays when the room is whole: clients that are shown whole rooms only have to be told
of it then, however old their token is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import orjson

from synapse.storage.database import Database
from synapse.storage.stores.states import add_whole
from synapse.storage.transaction import Reader, Transaction


class PartialRoom(NamedTuple):
    """A room that lacks its members."""

    room_nid: int
    join_nid: int  # our join
    servers: list[str]  # that are in the room, as we were told
    whole_nid: int | None  # the snapshot of the whole state before the join, if it is known


class Member(NamedTuple):
    """Whom a slot of a state is about."""

    user_nid: int
    user_id: str


@dataclass(frozen=True, slots=True)
class CurrentRows:
    """What the tables of a room's current state hold."""

    members: Mapping[int, int]  # user_nid → event_nid
    room_state: Mapping[int, int]  # slot_nid → event_nid
    servers: Mapping[int, int]  # server_nid → how many users


@dataclass(frozen=True, slots=True)
class _Whole:
    """The whole state before our join, to be written."""

    room_nid: int
    join_nid: int
    state: Mapping[int, int]

    @property
    def is_large(self) -> bool:
        """See `synapse.storage.writer`."""
        return len(self.state) > _MANY


_MANY = 1_000
_AT_ONCE = 1_000
# `+ 0`: by number, and not by reading the members of all rooms.
_MEMBERS_IN = """
    SELECT s.slot_nid, s.key_nid, n.name FROM slots s JOIN names n ON n.nid = s.key_nid
    WHERE s.slot_nid = ANY(?)
    AND s.type_nid + 0 = (SELECT nid FROM names WHERE name = 'm.room.member')
"""
_ASIDES = """
    SELECT event_nid FROM events
    WHERE room_nid = ? AND pos IS NULL AND event_nid > ? AND state_nid <> 0 ORDER BY event_nid"""
_COLUMNS = "room_nid, join_nid, servers, whole_nid"


class PartialRoomStore:
    """Reads them, and remembers how far they are; `synapse.rooms` begins and ends them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, room_nid: int) -> PartialRoom | None:
        """The room, if it is partial."""
        row = await self._database.fetch_one(
            f"SELECT {_COLUMNS} FROM partial_rooms WHERE room_nid = ? AND completed = 0", room_nid
        )
        return None if row is None else PartialRoom(row[0], row[1], orjson.loads(row[2]), row[3])

    async def all(self) -> set[int]:
        """The rooms that are partial."""
        rows = await self._database.fetch("SELECT room_nid FROM partial_rooms WHERE completed = 0")
        return {room_nid for (room_nid,) in rows}

    async def completed_since(self, user_nid: int, position: int) -> dict[int, int]:
        """The rooms of a user that became whole after a position, with when they did."""
        rows = await self._database.fetch(
            """SELECT p.room_nid, p.completed FROM partial_rooms p
               JOIN members m ON m.room_nid = p.room_nid AND m.user_nid = ? AND m.membership = 1
               WHERE p.completed > ?""",
            user_nid,
            position,
        )
        return dict(rows)

    async def keep_whole(self, room_nid: int, join_nid: int, state: Mapping[int, int]) -> int:
        """Write the whole state before a room's join; the snapshot's number."""
        return await self._database.write(_keep_whole, _Whole(room_nid, join_nid, state))

    async def members_in(self, slot_nids: Collection[int]) -> dict[int, Member]:
        """Those of some slots that are members', by slot."""
        return await self._database.scan(partial(_members_in, list(slot_nids)))

    async def asides_since(self, room_nid: int, join_nid: int) -> list[int]:
        """The events that were refused since a room's join."""

        def read(reader: Reader) -> list[int]:
            return [nid for (nid,) in reader.fetch(_ASIDES, room_nid, join_nid)]

        return await self._database.scan(read)

    async def current(self, room_nid: int) -> CurrentRows:
        """A room's current state as it is written."""
        return await self._database.scan(partial(_current, room_nid))

    async def drop(self, room: PartialRoom) -> None:
        """Forget a room in which nobody of ours is any more, unless it was entered anew."""
        await self._database.write(_drop, (room.room_nid, room.join_nid))


def begin_partial(txn: Transaction, room_nid: int, join_nid: int, servers: Sequence[str]) -> None:
    """A room was entered without its members."""
    txn.execute(
        "INSERT INTO partial_rooms (room_nid, join_nid, servers) VALUES (?, ?, ?)",
        room_nid,
        join_nid,
        orjson.dumps(list(servers)).decode(),
    )


def forget_partial(txn: Transaction, room_nid: int) -> None:
    """What was known of an earlier stay in a room counts no more."""
    txn.execute("DELETE FROM partial_rooms WHERE room_nid = ?", room_nid)


def _drop(txn: Transaction, items: list[tuple[int, int]]) -> None:
    txn.execute_many(
        "DELETE FROM partial_rooms WHERE room_nid = ? AND join_nid = ? AND completed = 0", items
    )


def _keep_whole(txn: Transaction, wholes: list[_Whole]) -> list[int]:
    nid = txn.stream(len(wholes))
    nids = list(range(nid, nid + len(wholes)))
    for state_nid, whole in zip(nids, wholes, strict=True):
        add_whole(txn, whole.room_nid, state_nid, whole.state)
        txn.execute(
            "UPDATE partial_rooms SET whole_nid = ? WHERE room_nid = ? AND join_nid = ?",
            state_nid,
            whole.room_nid,
            whole.join_nid,
        )
    return nids


def _members_in(slot_nids: list[int], reader: Reader) -> dict[int, Member]:
    found: dict[int, Member] = {}
    for start in range(0, len(slot_nids), _AT_ONCE):
        rows = reader.fetch(_MEMBERS_IN, slot_nids[start : start + _AT_ONCE])
        found.update((slot_nid, Member(*row)) for slot_nid, *row in rows)
    return found


def _current(room_nid: int, reader: Reader) -> CurrentRows:
    members = "SELECT user_nid, event_nid FROM members WHERE room_nid = ?"
    room_state = "SELECT slot_nid, event_nid FROM room_state WHERE room_nid = ?"
    servers = "SELECT server_nid, joined FROM room_servers WHERE room_nid = ?"
    return CurrentRows(
        dict(reader.fetch(members, room_nid)),
        dict(reader.fetch(room_state, room_nid)),
        dict(reader.fetch(servers, room_nid)),
    )
