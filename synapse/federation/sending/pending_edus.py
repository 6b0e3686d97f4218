"""EDUs that wait for a server: only what is newest counts, and there is a bound for each kind."""

from collections.abc import Mapping
from typing import Any

from synapse.util import canonicaljson

# What comes beyond is left out: it will be said again, or nobody will miss it.
_MOST_TYPISTS = 500
_MOST_RECEIPTS = 2_000
_MOST_PRESENCES = 1_000
_PRESENCES_AT_ONCE = 100
_MOST_DEVICES = 200


class PendingEdus:
    """What a server is to be told in passing."""

    __slots__ = ("_devices", "_presences", "_receipts", "_typists")

    def __init__(self) -> None:
        self._typists: dict[tuple[str, str], bool] = {}
        # (room, user, thread) → event id, time
        self._receipts: dict[tuple[str, str, str], tuple[str, int]] = {}
        self._presences: dict[str, Mapping[str, Any]] = {}
        self._devices: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._typists) + len(self._receipts) + len(self._presences) + len(self._devices)

    @property
    def presences(self) -> int:
        """Of how many users it is to be told how they are."""
        return len(self._presences)

    def add_typing(self, room_id: str, user_id: str, typing: bool) -> None:
        _put(self._typists, (room_id, user_id), typing, _MOST_TYPISTS)

    def add_receipt(
        self, room_id: str, user_id: str, thread_id: str, event_id: str, ts_ms: int
    ) -> None:
        _put(self._receipts, (room_id, user_id, thread_id), (event_id, ts_ms), _MOST_RECEIPTS)

    def add_presence(self, user_id: str, content: Mapping[str, Any]) -> None:
        _put(self._presences, user_id, content, _MOST_PRESENCES)

    def add_devices(self, user_id: str, edu: bytes) -> None:
        """What is told of the devices of a user who is new in a room."""
        _put(self._devices, user_id, edu, _MOST_DEVICES)

    def clear(self) -> None:
        self._devices.clear()
        self._typists.clear()
        self._receipts.clear()
        self._presences.clear()

    def take(self, limit: int) -> list[bytes]:
        """The next EDUs, up to `limit`, each as canonical JSON."""
        edus = [_edu("m.receipt", content) for content in self._take_receipts(limit)]
        while self._devices and len(edus) < limit:
            edus.append(_pop_first(self._devices)[1])
        while self._presences and len(edus) < limit:
            some = list(self._presences)[:_PRESENCES_AT_ONCE]
            push = [{"user_id": user_id, **self._presences.pop(user_id)} for user_id in some]
            edus.append(_edu("m.presence", {"push": push}))
        while self._typists and len(edus) < limit:
            (room_id, user_id), typing = _pop_first(self._typists)
            content = {"room_id": room_id, "user_id": user_id, "typing": typing}
            edus.append(_edu("m.typing", content))
        return edus

    def _take_receipts(self, limit: int) -> list[dict[str, Any]]:
        """In an EDU a user has one receipt for a room: the others, of threads, need more EDUs."""
        contents: list[dict[str, Any]] = []
        used: dict[tuple[str, str], int] = {}
        for key, (event_id, ts_ms) in list(self._receipts.items()):
            room_id, user_id, thread_id = key
            number = used.get((room_id, user_id), 0)
            if number == limit:
                continue
            used[room_id, user_id] = number + 1
            if number == len(contents):
                contents.append({})
            data: dict[str, Any] = {"ts": ts_ms}
            if thread_id:
                data["thread_id"] = thread_id
            users = contents[number].setdefault(room_id, {"m.read": {}})["m.read"]
            users[user_id] = {"data": data, "event_ids": [event_id]}
            del self._receipts[key]
        return contents


def _put(kept: dict[Any, Any], key: Any, value: Any, most: int) -> None:
    if key in kept or len(kept) < most:
        kept[key] = value


def _pop_first(kept: dict[Any, Any]) -> tuple[Any, Any]:
    key = next(iter(kept))
    return key, kept.pop(key)


def _edu(edu_type: str, content: dict[str, Any]) -> bytes:
    return canonicaljson.encode_trusted({"edu_type": edu_type, "content": content})
