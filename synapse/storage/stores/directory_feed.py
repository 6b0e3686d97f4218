"""What the user directory takes up: users of ours with their profiles, and others from rooms.

The name of another server's user is taken from rooms that everybody may join or read. In any other
room it may be meant for that room alone; there, the user is known by the id only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from synapse.api.constants import EventTypes, HistoryVisibility, JoinRules
from synapse.api.identifiers import domain_of, localpart_of
from synapse.storage.background_updates import Position, Step
from synapse.storage.stream_readers import Stretch
from synapse.storage.transaction import Reader, Transaction
from synapse.util.words import words

_SHOWN: Final = ("displayname", "avatar_url")
_DECISIVE: Final = (EventTypes.JOIN_RULES, EventTypes.HISTORY_VISIBILITY)

_CHANGED = "SELECT user_nid FROM directory_changes WHERE stream > ? AND stream <= ?"
_DONE = "DELETE FROM directory_changes WHERE stream > ? AND stream <= ?"
# By a new event, or because state resolution gave a slot to another one.
_DECIDED = """
    SELECT DISTINCT e.room_nid FROM events e JOIN names t ON t.nid = e.type_nid
    WHERE e.event_nid > ? AND e.event_nid <= ? AND t.name = ANY(?)
    UNION
    SELECT f.room_nid FROM flips f CROSS JOIN slots s CROSS JOIN names t
    WHERE s.slot_nid = f.slot_nid AND t.nid = s.type_nid
    AND f.stream > ? AND f.stream <= ? AND t.name = ANY(?)
"""
_REMOTE_MEMBERS = """
    SELECT DISTINCT s.key_nid FROM events e
    JOIN names t ON t.nid = e.type_nid JOIN slots s ON s.slot_nid = e.slot_nid
    WHERE e.event_nid > ? AND e.event_nid <= ? AND t.name = ?
    AND NOT EXISTS (SELECT 1 FROM users u WHERE u.user_nid = s.key_nid)
    UNION
    SELECT s.key_nid FROM flips f CROSS JOIN slots s CROSS JOIN names t
    WHERE s.slot_nid = f.slot_nid AND t.nid = s.type_nid
    AND f.stream > ? AND f.stream <= ? AND t.name = ?
    AND NOT EXISTS (SELECT 1 FROM users u WHERE u.user_nid = s.key_nid)
"""
_DECISIONS = """
    SELECT r.room_nid, e.json FROM names t JOIN slots s ON s.type_nid = t.nid
    JOIN names k ON k.nid = s.key_nid AND k.name = ''
    JOIN room_state r ON r.slot_nid = s.slot_nid JOIN events e ON e.event_nid = r.event_nid
    WHERE t.name = ANY(?) AND r.room_nid = ANY(?)
"""
# All users of other servers in a room, one position for each.
_RENEW_MEMBERS = """
    INSERT INTO directory_changes (user_nid, stream)
    SELECT m.user_nid, ? + row_number() OVER () FROM members m
    WHERE m.room_nid = ? AND m.membership = 1
    AND NOT EXISTS (SELECT 1 FROM users u WHERE u.user_nid = m.user_nid)
    ON CONFLICT (user_nid) DO UPDATE SET stream = excluded.stream
"""
_USERS = """
    SELECT n.nid, n.name, u.user_nid FROM names n LEFT JOIN users u ON u.user_nid = n.nid
    WHERE n.nid = ANY(?)
"""
_PROFILES = "SELECT user_nid, field, value FROM profiles WHERE user_nid = ANY(?) AND field = ANY(?)"
_IN_ROOMS = "SELECT DISTINCT user_nid FROM members WHERE user_nid = ANY(?) AND membership = 1"
_PUBLIC_NAMES = """
    SELECT newest.user_nid, e.json FROM (
        SELECT m.user_nid, max(m.event_nid) AS event_nid FROM members m
        JOIN open_rooms o ON o.room_nid = m.room_nid
        WHERE m.user_nid = ANY(?) AND m.membership = 1 GROUP BY m.user_nid) AS newest
    JOIN events e ON e.event_nid = newest.event_nid
"""
# The background update and another process's reader may meet at one user: then both write the same.
_INSERT_USER = """
    INSERT INTO directory_users (user_nid, is_local, displayname, avatar_url) VALUES (?, ?, ?, ?)
    ON CONFLICT (user_nid) DO NOTHING
"""
_INSERT_WORD = """
    INSERT INTO directory_words (user_nid, word) VALUES (?, ?)
    ON CONFLICT (user_nid, word) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Changes:
    """Whom and what a stretch of the stream concerns."""

    stretch: Stretch
    user_nids: list[int]
    room_nids: list[int]


class DirectoryFeed:
    """The work of the reader of the stream that keeps the user directory."""

    def gather(self, reader: Reader, stretch: Stretch) -> Changes | None:
        after, up_to = stretch.after, stretch.up_to
        rooms = reader.fetch(_DECIDED, *(after, up_to, list(_DECISIVE)) * 2)
        users = reader.fetch(_CHANGED, after, up_to)
        users += reader.fetch(_REMOTE_MEMBERS, *(after, up_to, EventTypes.MEMBER) * 2)
        if not rooms and not users:
            return None
        return Changes(stretch, list({nid for (nid,) in users}), [nid for (nid,) in rooms])

    def write(self, txn: Transaction, gathered: Changes) -> None:
        _decide(txn, gathered.room_nids)
        _renew(txn, gathered.user_nids)
        txn.execute(_DONE, gathered.stretch.after, gathered.stretch.up_to)


def index_users(txn: Transaction, position: Position, size: int) -> Step:
    """The background update that takes up the users of ours that were there before."""
    rows = txn.execute(
        "SELECT user_nid FROM users WHERE user_nid > ? ORDER BY user_nid LIMIT ?",
        position.get("after", 0),
        size,
    )
    user_nids = [nid for (nid,) in rows]
    _renew(txn, user_nids)
    return Step(len(rows), {"after": user_nids[-1]} if len(rows) == size else None)


def _decide(txn: Transaction, room_nids: Sequence[int]) -> None:
    """Note which of the rooms are open; who is in one that changed is taken up anew."""
    if not room_nids:
        return
    rows = txn.execute(_DECISIONS, list(_DECISIVE), list(room_nids))
    now = {room_nid for room_nid, json in rows if _opens(orjson.loads(json))}
    rows = txn.execute("SELECT room_nid FROM open_rooms WHERE room_nid = ANY(?)", list(room_nids))
    before = {room_nid for (room_nid,) in rows}
    txn.execute_many(
        "INSERT INTO open_rooms (room_nid) VALUES (?)", [(nid,) for nid in now - before]
    )
    txn.execute("DELETE FROM open_rooms WHERE room_nid = ANY(?)", list(before - now))
    for room_nid in now ^ before:
        ((count,),) = txn.execute(
            "SELECT count(*) FROM members WHERE room_nid = ? AND membership = 1", room_nid
        )
        txn.execute(_RENEW_MEMBERS, txn.stream(count + 1), room_nid)


def _opens(event: dict[str, Any]) -> bool:
    """Whether a state event by itself lets everybody join or read."""
    content = event["content"]
    if event["type"] == EventTypes.JOIN_RULES:
        return bool(content.get("join_rule") == JoinRules.PUBLIC)
    return bool(content.get("history_visibility") == HistoryVisibility.WORLD_READABLE)


def _renew(txn: Transaction, user_nids: Sequence[int]) -> None:
    """Write anew what the directory knows of these users."""
    if not user_nids:
        return
    rows = txn.execute(_USERS, list(user_nids))
    profiles = _profiles(txn, [nid for nid, _, local in rows if local is not None])
    profiles.update(_public_profiles(txn, [nid for nid, _, local in rows if local is None]))
    users: list[tuple[int, int, str | None, str | None]] = []
    found: list[tuple[int, bytes]] = []
    for nid, user_id, local in rows:
        profile = profiles.get(nid)
        if profile is not None:
            name, avatar = (_text(profile.get(field)) for field in _SHOWN)
            users.append((nid, int(local is not None), name, avatar))
            found += [(nid, word.encode()) for word in _words_of(user_id, name)]
    txn.execute("DELETE FROM directory_users WHERE user_nid = ANY(?)", list(user_nids))
    txn.execute("DELETE FROM directory_words WHERE user_nid = ANY(?)", list(user_nids))
    txn.execute_many(_INSERT_USER, users)
    txn.execute_many(_INSERT_WORD, found)


def _profiles(txn: Transaction, user_nids: list[int]) -> dict[int, dict[str, Any]]:
    """The profiles of users of ours."""
    profiles: dict[int, dict[str, Any]] = {nid: {} for nid in user_nids}
    for nid, field, value in txn.execute(_PROFILES, user_nids, list(_SHOWN)):
        profiles[nid][field] = orjson.loads(value)
    return profiles


def _public_profiles(txn: Transaction, user_nids: list[int]) -> dict[int, dict[str, Any]]:
    """What users of other servers show in open rooms; nothing of those who are in no room."""
    profiles: dict[int, dict[str, Any]] = {nid: {} for (nid,) in txn.execute(_IN_ROOMS, user_nids)}
    for nid, json in txn.execute(_PUBLIC_NAMES, user_nids):
        profiles[nid] = orjson.loads(json)["content"]
    return profiles


def _text(value: object) -> str | None:
    # PostgreSQL takes no NUL.
    return value.replace("\0", "") or None if isinstance(value, str) else None


def _words_of(user_id: str, displayname: str | None) -> Iterable[str]:
    found = [*words(localpart_of(user_id)), *words(displayname or "")]
    return dict.fromkeys([*found, ":" + domain_of(user_id).lower()])
