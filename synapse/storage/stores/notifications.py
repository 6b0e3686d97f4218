"""The events of all rooms of a user in one order, newest first: where notifications are looked for.

The order is that of `events_by_time`: by `origin_server_ts`, then by room, then by place in the
room. (An index of each room's events in the order of the stream would cost every message something,
for one endpoint.)
"""

from typing import NamedTuple

from synapse.storage.database import Database
from synapse.storage.stores.members import BEGAN
from synapse.storage.transaction import Reader


class Place(NamedTuple):
    """Where an event stands in that order."""

    ts: int
    room_nid: int
    pos: int


class PlacedEvent(NamedTuple):
    """An event's number, and where it stands."""

    event_nid: int
    place: Place


_END = 2**62
NEWEST = Place(_END, 0, 0)  # after all events

# The newest event of each room below a place; what was before the user's join isn't looked at.
_HEADS = f"""
    SELECT m.room_nid, h.origin_server_ts, h.pos, s.origin_server_ts, s.pos
    FROM members m JOIN events s ON s.event_nid = {BEGAN}
    JOIN events h ON h.event_nid = (
        SELECT e.event_nid FROM events e
        WHERE e.room_nid = m.room_nid AND e.pos IS NOT NULL AND (e.origin_server_ts, e.pos)
            < (?, CASE WHEN m.room_nid < ? THEN ? WHEN m.room_nid > ? THEN ? ELSE ? END)
            AND e.origin_server_ts >= s.origin_server_ts AND e.pos > s.pos
        ORDER BY e.origin_server_ts DESC, e.pos DESC LIMIT 1)
    WHERE m.user_nid = ? AND m.membership = 1
    ORDER BY h.origin_server_ts DESC, m.room_nid DESC LIMIT ?"""
_ROOM = """
    SELECT * FROM (
        SELECT event_nid, origin_server_ts, room_nid, pos FROM events
        WHERE room_nid = ? AND pos IS NOT NULL AND (origin_server_ts, pos) <= (?, ?)
            AND origin_server_ts >= ? AND pos > ?
        ORDER BY origin_server_ts DESC, pos DESC LIMIT ?) AS room"""


class NotificationStore:
    """Walks through the events of a user's rooms."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def before(self, user_nid: int, place: Place, limit: int) -> list[PlacedEvent]:
        """The newest `limit` (at most 100) events below a place, newest first, of the rooms that
        the user is in, since they came in; fewer: there are no more.

        It costs one look into an index for each of the rooms.
        """
        # Ten thousand looks take longer than the reactor should be held up.
        return await self._database.scan(lambda reader: _before(reader, user_nid, place, limit))


def _before(reader: Reader, user_nid: int, place: Place, limit: int) -> list[PlacedEvent]:
    heads = reader.fetch(
        _HEADS,
        place.ts,
        place.room_nid,
        _END,
        place.room_nid,
        -_END,
        place.pos,
        user_nid,
        limit,
    )
    if not heads:
        return []
    # None of the newest `limit` events is older than the last head, if there are so many.
    floor = heads[-1][1] if len(heads) == limit else -_END
    params = [
        (room_nid, ts, pos, max(since_ts, floor), since_pos, limit)
        for room_nid, ts, pos, since_ts, since_pos in heads
    ]
    rows = reader.fetch(
        " UNION ALL ".join([_ROOM] * len(params)), *(value for row in params for value in row)
    )
    events = [PlacedEvent(nid, Place(*place)) for nid, *place in rows]
    events.sort(key=lambda event: event.place, reverse=True)
    return events[:limit]
