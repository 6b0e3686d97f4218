"""Unread counts: how many events since a user's read points notify and highlight.

A room numbers its loud events (`rooms.loud`, `events.loud`), and a count is the number now less
the number where the user has read to: nothing is written for those who don't read. What differs
from that is in `marks`: mentions, keywords, threads, and users with push rules of their own.

The messages in threads are marks, so of them only the newest are looked at: who never reads a room
with many threads sees their counts stop at `_THREAD_MESSAGES_COUNTED` in all (clients show "99+"
long before), and of older messages in threads only mentions and the like. All other counts stay
exact: marks of users' own rules take away as well as add, so that none of them can be left out.

A redaction takes an event's part in the counts back, for who has not read it. It writes one mark
for all, which says by how much the numbers count too many, and that no other mark of the event
counts. These are bounded together with the messages in threads: of very many redacted messages
the oldest ones stay counted until they are read.
"""

from collections.abc import Sequence
from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.stores.events import LOUD, MARKED, SHOUT
from synapse.storage.stores.members import BEGAN
from synapse.storage.stores.unread_counting import (
    REDACTED,
    SUBSCRIBED,
    Facts,
    Listener,
    Mark,
    Past,
    Point,
    RoomCounts,
    count_unread,
)
from synapse.storage.transaction import Transaction


class _Hearing(NamedTuple):
    """As whom a user hears a room."""

    user_nid: int
    room_nid: int
    listener: Listener


class ReadPoint(NamedTuple):
    """The event that a user has read a thread up to; the last three are `events`' columns."""

    user_nid: int
    room_nid: int
    thread_id: str
    event_nid: int
    loud: int
    shouts: int


_THREAD_MESSAGES_COUNTED = 500  # of a room
# How many users one statement asks about.
_USERS_AT_ONCE = 200

_ROOM, _READ, _PAST, _MARK, _FLOOR = range(5)
# From where on a user's counts in a room begin. As one number, which SQLite seeks in an index; of
# several bounds it would take only one, and maybe the oldest.
_STARTS = """
    SELECT m.user_nid, m.room_nid,
        CASE WHEN q.event_nid > m.since THEN q.event_nid ELSE m.since END AS start
    FROM members m LEFT JOIN read_points q
        ON q.user_nid = m.user_nid AND q.room_nid = m.room_nid AND q.thread_id = ''
    WHERE m.user_nid = ANY(?) AND m.room_nid = ANY(?)"""
_UNREAD_MARK = """
    LEFT JOIN read_points p
        ON p.user_nid = u.user_nid AND p.room_nid = k.room_nid AND p.thread_id = k.thread_id
    WHERE k.event_nid > COALESCE(p.event_nid, 0)"""
# The newest message in a thread that isn't looked at any more.
_THREADS_FLOOR = """COALESCE((
        SELECT f.event_nid FROM marks f
        WHERE f.room_nid = u.room_nid AND f.listener = 0 AND f.event_nid > u.start
        ORDER BY f.event_nid DESC LIMIT 1 OFFSET ?), u.start)"""
_MARK_COLUMNS = f"""
    SELECT {_MARK}, u.user_nid, k.room_nid, k.thread_id, k.event_nid, k.notify, k.highlight,
        k.listener, k.sender_nid, 0"""
# Asked about one user and many rooms, or about one room and many users.
_FACTS = f"""
    SELECT {_ROOM}, m.user_nid, m.room_nid, '', m.since, e.loud, e.shouts, ro.loud, ro.shouts,
        ro.last_nid
    FROM members m JOIN rooms ro ON ro.room_nid = m.room_nid
    JOIN events e ON e.event_nid = {BEGAN} WHERE m.user_nid = ANY(?) AND m.room_nid = ANY(?)
    UNION ALL
    SELECT {_READ}, user_nid, room_nid, thread_id, event_nid, loud, shouts, 0, 0, 0
    FROM read_points WHERE user_nid = ANY(?) AND room_nid = ANY(?)
    UNION ALL
    SELECT {_PAST}, user_nid, room_nid, '', until_nid, loud, shouts, listener, quiet, 0
    FROM past_listeners WHERE user_nid = ANY(?) AND room_nid = ANY(?)
    UNION ALL
    SELECT {_FLOOR}, u.user_nid, u.room_nid, '', {_THREADS_FLOOR}, 0, 0, 0, 0, 0 FROM ({_STARTS}) u
    UNION ALL
    {_MARK_COLUMNS} FROM ({_STARTS}) u
    JOIN marks k ON k.room_nid = u.room_nid AND k.listener = 0 AND k.event_nid > {_THREADS_FLOOR}
    {_UNREAD_MARK}
    UNION ALL
    {_MARK_COLUMNS} FROM ({_STARTS}) u
    JOIN marks k ON k.room_nid = u.room_nid AND k.listener = ANY(?) AND k.event_nid > u.start
    {_UNREAD_MARK}
    UNION ALL
    {_MARK_COLUMNS} FROM ({_STARTS}) u
    JOIN marks k ON k.room_nid = u.room_nid AND k.listener = u.user_nid AND k.event_nid > u.start
    {_UNREAD_MARK}
    UNION ALL
    {_MARK_COLUMNS} FROM ({_STARTS}) u
    JOIN past_listeners l
        ON l.user_nid = u.user_nid AND l.room_nid = u.room_nid AND l.listener <> 0
    JOIN marks k ON k.room_nid = l.room_nid AND k.event_nid > u.start
        AND k.listener IN (l.listener, l.listener - {SUBSCRIBED})
    {_UNREAD_MARK}"""
_SUBSCRIPTIONS = """
    SELECT t.user_nid, t.room_nid, e.event_id, t.since
    FROM events e JOIN thread_subscriptions t ON t.root_nid = e.event_nid
    WHERE e.event_id = ANY(?) AND t.user_nid = ANY(?) AND t.subscribed = 1"""
_TAKE_BACK = f"""
    INSERT INTO marks (room_nid, listener, event_nid, thread_id, sender_nid, notify, highlight)
    SELECT room_nid, 0, event_nid, '{REDACTED}', sender_nid,
        CASE WHEN flags & {LOUD} = 0 THEN 0 ELSE -1 END,
        CASE WHEN flags & {SHOUT} = 0 THEN 0 ELSE -1 END
    FROM events WHERE event_nid = ANY(?) AND flags & {LOUD | SHOUT | MARKED} <> 0
    ON CONFLICT (room_nid, listener, event_nid) DO UPDATE SET
        thread_id = excluded.thread_id, notify = excluded.notify, highlight = excluded.highlight"""
_UPSERT_POINT = """
    INSERT INTO read_points (user_nid, room_nid, thread_id, event_nid, loud, shouts)
    VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (user_nid, room_nid, thread_id) DO UPDATE SET
        event_nid = excluded.event_nid, loud = excluded.loud, shouts = excluded.shouts
    WHERE excluded.event_nid > read_points.event_nid"""
# The same for events that are read, whose numbers are looked up on the way.
_READ_UP_TO = """
    INSERT INTO read_points (user_nid, room_nid, thread_id, event_nid, loud, shouts)
    SELECT p.column1, p.column2, p.column3, e.event_nid, e.loud, e.shouts
    FROM (VALUES (?, ?, ?, ?)) AS p JOIN events e ON e.event_nid = p.column4
    WHERE true
    ON CONFLICT (user_nid, room_nid, thread_id) DO UPDATE SET
        event_nid = excluded.event_nid, loud = excluded.loud, shouts = excluded.shouts
    WHERE excluded.event_nid > read_points.event_nid"""


class UnreadStore:
    """Counts what users have not read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._one_room = database.gathering(self._counts_in_rooms)

    async def counts(self, user_nid: int, listeners: dict[int, Listener]) -> dict[int, RoomCounts]:
        """By room_nid; `listeners` says as whom the user hears each of the rooms.

        What many users ask about one room in one turn of the reactor is read together.
        """
        if len(listeners) == 1:
            ((room_nid, listener),) = listeners.items()
            counts = await self._one_room.ask(_Hearing(user_nid, room_nid, listener))
            return {} if counts is None else {room_nid: counts}
        hearings = [_Hearing(user_nid, *item) for item in listeners.items()]
        found = await self._counts(hearings)
        return {room_nid: counts for (_, room_nid), counts in found.items()}

    async def _counts_in_rooms(self, hearings: Sequence[_Hearing]) -> list[RoomCounts | None]:
        by_room: dict[int, list[_Hearing]] = {}
        for hearing in hearings:
            by_room.setdefault(hearing.room_nid, []).append(hearing)
        found: dict[tuple[int, int], RoomCounts] = {}
        for in_room in by_room.values():
            for start in range(0, len(in_room), _USERS_AT_ONCE):
                found.update(await self._counts(in_room[start : start + _USERS_AT_ONCE]))
        return [found.get((hearing.user_nid, hearing.room_nid)) for hearing in hearings]

    async def _counts(self, hearings: Sequence[_Hearing]) -> dict[tuple[int, int], RoomCounts]:
        """By user_nid and room_nid; of one user, or of one room."""
        users = list({hearing.user_nid for hearing in hearings})
        rooms = list({hearing.room_nid for hearing in hearings})
        keys = list({key for hearing in hearings for key in hearing.listener.keys} - {0})
        who, most = (users, rooms), _THREAD_MESSAGES_COUNTED
        rows = await self._database.fetch(
            _FACTS, *who * 3, most, *who, *who, most, *who, keys, *who, *who
        )
        facts: dict[tuple[int, int], Facts] = {}
        for kind, user_nid, room_nid, thread_id, nid, loud, shouts, x, y, last_nid in sorted(rows):
            point = Point(nid, loud, shouts)
            if kind == _ROOM:
                facts[user_nid, room_nid] = Facts(Point(last_nid, x, y), point)
                continue
            known = facts.get((user_nid, room_nid))
            if known is None:
                continue  # the user never was in the room
            if kind == _READ:
                known.read[thread_id] = point
            elif kind == _PAST:
                known.past.append(Past(point, Listener.unpack(x, y)))
            elif kind == _FLOOR:
                known.threads_floor = nid
            else:
                known.marks.add(Mark(thread_id, nid, loud, shouts, x, y))
        await self._add_subscriptions(hearings, facts)
        return {
            (user_nid, room_nid): count_unread(user_nid, facts[user_nid, room_nid], listener)
            for user_nid, room_nid, listener in hearings
            if (user_nid, room_nid) in facts
        }

    async def _add_subscriptions(
        self, hearings: Sequence[_Hearing], facts: dict[tuple[int, int], Facts]
    ) -> None:
        """Whether those whose rules ask for it are subscribed to threads with unread messages."""
        users, threads = set(), set()
        for user_nid, room_nid, listener in hearings:
            known = facts.get((user_nid, room_nid))
            if known is not None and any(
                heard.by_thread for heard in (listener, *(past.listener for past in known.past))
            ):
                users.add(user_nid)
                threads |= known.threads()
        if threads:
            for user_nid, room_nid, thread_id, since in await self._database.fetch(
                _SUBSCRIPTIONS, list(threads), list(users)
            ):
                if (user_nid, room_nid) in facts:
                    facts[user_nid, room_nid].subscribed[thread_id] = since

    async def read_up_to(
        self, user_nid: int, room_nids: Sequence[int], thread_ids: Sequence[str]
    ) -> dict[tuple[int, str], int]:
        """By room and thread the event_nid that the user has read up to, where there is one."""
        rows = await self._database.fetch(
            "SELECT room_nid, thread_id, event_nid FROM read_points"
            " WHERE user_nid = ? AND room_nid = ANY(?) AND thread_id = ANY(?)",
            user_nid,
            list(room_nids),
            list(thread_ids),
        )
        return {(room_nid, thread_id): nid for room_nid, thread_id, nid in rows}

    async def read_all(self, user_nid: int, room_nid: int, counts: RoomCounts) -> None:
        """Move the read point of everything to where the counts were made."""
        point = ReadPoint(user_nid, room_nid, "", *counts.made_at)
        await self._database.write(_write_read_points, point)


def write_read_points(txn: Transaction, points: Sequence[ReadPoint]) -> None:
    """Move read points forwards; of several for one thread the newest counts."""
    newest = {point[:3]: point for point in sorted(points, key=lambda point: point.event_nid)}
    txn.execute_many(_UPSERT_POINT, list(newest.values()))


def read_up_to(txn: Transaction, places: Sequence[tuple[int, int, str, int]]) -> None:
    """Move read points forwards to events: (user_nid, room_nid, thread_id, event_nid)."""
    newest = {place[:3]: place for place in sorted(places, key=lambda place: place[3])}
    txn.execute_many(_READ_UP_TO, list(newest.values()))


def take_back(txn: Transaction, event_nids: Sequence[int]) -> None:
    """Let redacted events count no more."""
    txn.execute(_TAKE_BACK, list(event_nids))


def _write_read_points(txn: Transaction, points: list[ReadPoint]) -> None:
    # Positions are locked before any row, by every writer.
    txn.stream(0)
    write_read_points(txn, points)
