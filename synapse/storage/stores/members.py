"""Who is in which room: one row for each user that ever was in it."""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.transaction import Transaction


class Membership(IntEnum):
    """`members.membership`."""

    JOIN = 1
    INVITE = 2
    KNOCK = 3
    LEAVE = 4
    BAN = 5

    @classmethod
    def of(cls, text: str) -> "Membership":
        """From the specification's spelling. Raises `KeyError` for any other word."""
        return _BY_TEXT[text]

    @property
    def text(self) -> str:
        return self.name.lower()


_BY_TEXT = {membership.name.lower(): membership for membership in Membership}


class MemberRow(NamedTuple):
    """A user's membership of one room."""

    room_nid: int
    user_nid: int
    membership: int
    event_nid: int  # the member event; 0: there is none any more, since forks met
    # When this membership began: its event's number, or when state resolution chose it.
    since: int
    forgotten: bool


class MemberOverview(NamedTuple):
    """A user's membership of one room, with what orders and picks rooms in a list."""

    row: MemberRow
    room_id: str
    last_nid: int  # the room's last event
    sender_nid: int  # of the member event; 0: there is none
    is_first: bool  # the user had no member event before
    is_partial: bool  # not all of the room's members are known yet

    @property
    def changed(self) -> int:
        """When the membership last did."""
        return max(self.row.event_nid, self.row.since)


_COLUMNS = "room_nid, user_nid, membership, event_nid, since, forgotten"
# The event with which a membership began. It may have begun by something else: by a late event that
# had a number already.
BEGAN = "coalesce((SELECT b.event_nid FROM events b WHERE b.event_nid = m.since), m.event_nid)"


_SHARED = """
    members m JOIN members o ON o.room_nid = m.room_nid AND o.user_nid = ? AND o.membership = 1
    WHERE m.user_nid = ? AND m.membership = 1
"""
# Of each room the first six in the index: up to and with the sixth, if there are so many.
_HEROES = """
    SELECT ro.room_nid, n.name, m.membership FROM rooms ro
    CROSS JOIN members m JOIN names n ON n.nid = m.user_nid
    WHERE ro.room_nid = ANY(?) AND m.room_nid = ro.room_nid AND (m.membership, m.event_nid) <= (
        coalesce((SELECT f.membership FROM members f WHERE f.room_nid = ro.room_nid
                  ORDER BY f.membership, f.event_nid LIMIT 1 OFFSET 5), 9),
        coalesce((SELECT f.event_nid FROM members f WHERE f.room_nid = ro.room_nid
                  ORDER BY f.membership, f.event_nid LIMIT 1 OFFSET 5), 0))
    ORDER BY ro.room_nid, m.membership, m.event_nid
"""
_SLOT = """(
    SELECT slot_nid FROM slots WHERE key_nid = ?
    AND type_nid = (SELECT nid FROM names WHERE name = 'm.room.member'))
"""
# Where state resolution took a user's only membership away, there is no row any more.
_GONE = f"""
    SELECT f.room_nid, CAST(? AS BIGINT) AS user_nid, {int(Membership.LEAVE)} AS membership,
        0 AS event_nid, max(f.stream) AS since, 0 AS forgotten
    FROM flips f WHERE f.stream > ? AND f.slot_nid = {_SLOT}
    AND NOT EXISTS (SELECT 1 FROM members m WHERE m.user_nid = ? AND m.room_nid = f.room_nid)
    GROUP BY f.room_nid
"""
# By a new member event, or because state resolution gave the slot to another one, or to none.
_CHANGED = f"""
    SELECT {_COLUMNS} FROM members WHERE user_nid = ? AND event_nid > ?
    UNION
    SELECT {_COLUMNS} FROM members WHERE user_nid = ? AND room_nid IN (
        SELECT room_nid FROM flips WHERE stream > ? AND slot_nid = {_SLOT})
    UNION
    {_GONE}
"""
_OVERVIEW = f"""
    SELECT changed.room_nid, changed.user_nid, changed.membership, changed.event_nid,
        changed.since, changed.forgotten, r.room_id, r.last_nid, e.sender_nid, e.replaces,
        p.room_nid
    FROM ({_CHANGED}) changed JOIN rooms r ON r.room_nid = changed.room_nid
    LEFT JOIN events e ON e.event_nid = changed.event_nid
    LEFT JOIN partial_rooms p ON p.room_nid = changed.room_nid AND p.completed = 0
"""
_GUESTS = """
    SELECT u.name FROM members m JOIN users u ON u.user_nid = m.user_nid
    WHERE m.room_nid = ? AND m.membership = 1 AND u.guest = 1
"""


UPSERT_MEMBER = """
    INSERT INTO members (user_nid, room_nid, membership, event_nid, since) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (user_nid, room_nid) DO UPDATE SET
        membership = excluded.membership,
        event_nid = excluded.event_nid,
        since = CASE WHEN members.membership = excluded.membership
                THEN members.since ELSE excluded.since END,
        forgotten = CASE WHEN members.membership = excluded.membership
                THEN members.forgotten ELSE 0 END"""


class MemberStore:
    """Reads memberships; `synapse.rooms.persister` writes them with the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_nid: int, room_nid: int) -> MemberRow | None:
        row = await self._database.fetch_one(
            f"SELECT {_COLUMNS} FROM members WHERE user_nid = ? AND room_nid = ?",
            user_nid,
            room_nid,
        )
        return None if row is None else MemberRow(*row)

    async def rooms_of(
        self, user_nid: int, memberships: Iterable[Membership] = tuple(Membership)
    ) -> list[MemberRow]:
        """The rooms in which a user has one of these memberships, forgotten ones included."""
        sql = f"SELECT {_COLUMNS} FROM members WHERE user_nid = ? AND membership = ANY(?)"
        wanted = [int(membership) for membership in memberships]
        # They may be ten thousand.
        rows = await self._database.scan(lambda reader: reader.fetch(sql, user_nid, wanted))
        return [MemberRow(*row) for row in rows]

    async def in_rooms(self, user_nid: int, room_nids: Sequence[int]) -> dict[int, Membership]:
        """A user's membership of these rooms, for those in which there is one."""
        rows = await self._database.fetch(
            "SELECT room_nid, membership FROM members WHERE user_nid = ? AND room_nid = ANY(?)",
            user_nid,
            list(room_nids),
        )
        return {room_nid: Membership(membership) for room_nid, membership in rows}

    async def of_rooms(
        self, room_nids: Sequence[int], memberships: Iterable[Membership]
    ) -> list[MemberRow]:
        """The users of many rooms with one of these memberships, in one query."""
        rows = await self._database.fetch(
            f"SELECT {_COLUMNS} FROM members WHERE room_nid = ANY(?) AND membership = ANY(?)",
            list(room_nids),
            [int(membership) for membership in memberships],
        )
        return [MemberRow(*row) for row in rows]

    async def changed_since(self, user_nid: int, position: int) -> list[MemberRow]:
        """The user's memberships that changed after a position."""
        rows = await self._database.fetch(_CHANGED, *_since(user_nid, position))
        return [MemberRow(*row) for row in rows]

    async def joined_among(self, room_nid: int, user_nids: Sequence[int]) -> set[int]:
        """Those of the users who are in a room."""
        rows = await self._database.fetch(
            # `+ 0`: by user and room, which is one row each, and not by room and membership.
            "SELECT user_nid FROM members"
            " WHERE user_nid = ANY(?) AND room_nid = ? AND membership + 0 = 1",
            list(user_nids),
            room_nid,
        )
        return {user_nid for (user_nid,) in rows}

    async def overview(self, user_nid: int, position: int) -> list[MemberOverview]:
        """The user's memberships that changed after a position; after 0: all."""
        params = _since(user_nid, position)
        if position:
            rows = await self._database.fetch(_OVERVIEW, *params)
        else:
            rows = await self._database.scan(lambda reader: reader.fetch(_OVERVIEW, *params))
        return [
            MemberOverview(
                MemberRow(*row[:6]),
                row[6],
                row[7],
                row[8] or 0,
                row[9] is None,
                row[10] is not None,
            )
            for row in rows
        ]

    async def heroes(self, room_nids: Sequence[int], but: str) -> dict[int, list[str]]:
        """For each room five users who give it a name, without the one who asks.

        Those who joined first, then the invited; if there are neither, who has left or was banned.
        """
        rows = await self._database.fetch(_HEROES, list(room_nids))
        present: dict[int, list[str]] = {}
        gone: dict[int, list[str]] = {}
        for room_nid, name, membership in rows:
            if name != but:
                group = present if membership <= Membership.INVITE else gone
                group.setdefault(room_nid, []).append(name)
        return {room_nid: names[:5] for room_nid, names in (gone | present).items()}

    async def share_room(self, user_nid: int, other: str) -> bool:
        """Whether two users are joined to the same room."""
        row = await self._database.fetch_one(
            """SELECT 1 FROM names n JOIN members o ON o.user_nid = n.nid AND o.membership = 1
               JOIN members m ON m.room_nid = o.room_nid AND m.user_nid = ? AND m.membership = 1
               WHERE n.name = ? LIMIT 1""",
            user_nid,
            other,
        )
        return row is not None

    async def shared_rooms(
        self, user_nid: int, other_nid: int, *, after: int, limit: int
    ) -> list[int]:
        """The room_nids, in their order, of rooms in which both users are."""
        rows = await self._database.fetch(
            f"SELECT m.room_nid FROM {_SHARED} AND m.room_nid > ? ORDER BY m.room_nid LIMIT ?",
            other_nid,
            user_nid,
            after,
            limit,
        )
        return [room_nid for (room_nid,) in rows]

    async def count_shared_rooms(self, user_nid: int, other_nid: int) -> int:
        row = await self._database.fetch_one(f"SELECT count(*) FROM {_SHARED}", other_nid, user_nid)
        return 0 if row is None else row[0]

    async def some_of_ours(self, room_nid: int, limit: int) -> list[str]:
        """Some accounts of ours that are in a room."""
        rows = await self._database.fetch(
            """SELECT u.name FROM members m JOIN users u ON u.user_nid = m.user_nid
               WHERE m.room_nid = ? AND m.membership = 1 ORDER BY m.event_nid LIMIT ?""",
            room_nid,
            limit,
        )
        return [name for (name,) in rows]

    async def joined_guests(self, room_nid: int) -> list[str]:
        """The guest accounts of ours that are in a room."""
        # It looks at each member.
        rows = await self._database.scan(lambda reader: reader.fetch(_GUESTS, room_nid))
        return [name for (name,) in rows]

    async def forget(self, user_nid: int, room_nid: int) -> None:
        """Hide a left room from the user; a new membership brings it back."""
        await self._database.write(_forget, (user_nid, room_nid))


def _since(user_nid: int, position: int) -> tuple[int, ...]:
    """The parameters of `_CHANGED`."""
    by_event, by_flip = (user_nid, position), (user_nid, position, user_nid)
    return *by_event, *by_flip, *by_flip, user_nid


def _forget(txn: Transaction, items: list[tuple[int, int]]) -> None:
    txn.execute_many("UPDATE members SET forgotten = 1 WHERE user_nid = ? AND room_nid = ?", items)
