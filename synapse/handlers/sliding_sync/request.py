"""What a client asks sliding sync for, and reading it from the body of a request."""

from dataclasses import dataclass, field
from typing import Any

from synapse.api.errors import BadJson, InvalidParam
from synapse.handlers.auth import Requester
from synapse.handlers.sliding_sync.required_state import ANY, RequiredState
from synapse.handlers.sync.to_device import MOST_MESSAGES
from synapse.http.json_body import JsonObject
from synapse.rooms.room import Slot
from synapse.streams.tokens import SyncToken

_MAX_LISTS = 100
_MAX_RANGES = 20
_MAX_SUBSCRIPTIONS = 100
_MAX_REQUIRED = 100
_MAX_NAMES = 200  # in one list of names
_MAX_KEY = 64
_MAX_TIMELINE = 100  # where the configuration sets no limit
_MAX_NAME = 255

EXTENSIONS = ("to_device", "e2ee", "account_data", "receipts", "typing")
THREADS = "io.element.msc4308.thread_subscriptions"
TO_DEVICE = "to_device"
# How much is told where the client says nothing else: changes of thread subscriptions, messages.
_LIMITS = {THREADS: 100, TO_DEVICE: MOST_MESSAGES}


@dataclass(frozen=True, slots=True)
class RoomConfig:
    """What to tell of a room."""

    timeline_limit: int
    required: RequiredState

    def __or__(self, other: "RoomConfig") -> "RoomConfig":
        return RoomConfig(
            max(self.timeline_limit, other.timeline_limit), self.required | other.required
        )


@dataclass(frozen=True, slots=True)
class ListFilters:
    """Which rooms belong to a list; None: no matter."""

    is_dm: bool | None = None
    spaces: frozenset[str] | None = None
    is_encrypted: bool | None = None
    is_invite: bool | None = None
    room_types: frozenset[str | None] | None = None
    not_room_types: frozenset[str | None] = frozenset()
    name_like: str | None = None
    tags: frozenset[str] | None = None
    not_tags: frozenset[str] = frozenset()

    @property
    def needs_facts(self) -> bool:
        """Whether a room's state decides."""
        return not (
            self.is_encrypted is None
            and self.room_types is None
            and not self.not_room_types
            and self.name_like is None
        )


@dataclass(frozen=True, slots=True)
class ListConfig:
    ranges: tuple[tuple[int, int], ...] | None  # both ends are meant; None: all
    filters: ListFilters
    room: RoomConfig


@dataclass(frozen=True, slots=True)
class ExtensionConfig:
    """An enabled extension."""

    since: int | None  # of `to_device`: the position up to which the client has the messages
    lists: frozenset[str]  # names of lists, or `*`
    rooms: frozenset[str]  # ids of subscribed rooms, or `*`
    limit: int = 0  # of those that have one


@dataclass(frozen=True, slots=True)
class SlidingRequest:
    requester: Requester
    conn_id: str
    pos: str | None
    timeout_ms: int
    txn_id: str | None
    lists: dict[str, ListConfig] = field(default_factory=dict)
    subscriptions: dict[str, RoomConfig] = field(default_factory=dict)
    extensions: dict[str, ExtensionConfig] = field(default_factory=dict)


def parse_request(
    body: JsonObject,
    requester: Requester,
    pos: str | None,
    timeout_ms: int,
    *,
    max_timeline_limit: int,
) -> SlidingRequest:
    """Raises 400 `M_BAD_JSON`, `M_MISSING_PARAM` or, for too much, `M_INVALID_PARAM`.

    A longer timeline than `max_timeline_limit` is cut; if that is negative, it is a default.
    """
    max_limit = _MAX_TIMELINE if max_timeline_limit < 0 else max_timeline_limit
    conn_id = body.optional_string("conn_id", "")
    txn_id = body.optional_string("txn_id")
    for name, text in (("conn_id", conn_id), ("txn_id", txn_id or "")):
        if len(text) > _MAX_NAME:
            raise InvalidParam(f"'{name}' is too long")
    return SlidingRequest(
        requester,
        conn_id,
        pos,
        timeout_ms,
        txn_id,
        {
            name: _list(config, requester.user_id, max_limit)
            for name, config in _objects(body, "lists", _MAX_LISTS, max_key=_MAX_KEY)
        },
        {
            room_id: _room(config, requester.user_id, max_limit)
            for room_id, config in _objects(body, "room_subscriptions", _MAX_SUBSCRIPTIONS)
        },
        _extensions(body),
    )


def _list(body: JsonObject, user_id: str, max_limit: int) -> ListConfig:
    filters = body.optional_object("filters")
    ranges = body.optional_array("ranges")
    if ranges is None and "range" in body:
        ranges = [body.array("range")]
    if ranges is not None:
        _bounded("ranges", len(ranges), _MAX_RANGES)
    return ListConfig(
        None if ranges is None else tuple(_range(item) for item in ranges),
        ListFilters() if filters is None else _filters(filters),
        _room(body, user_id, max_limit),
    )


def _range(item: Any) -> tuple[int, int]:
    if type(item) is not list or len(item) != 2 or any(type(end) is not int for end in item):
        raise BadJson("A range must be two integers")
    if not 0 <= item[0] <= item[1]:
        raise InvalidParam("A range must begin at 0 or above, and not after its end")
    return item[0], item[1]


def _room(body: JsonObject, user_id: str, max_limit: int) -> RoomConfig:
    limit = body.integer("timeline_limit")
    if limit < 0:
        raise InvalidParam("'timeline_limit' must not be negative")
    pairs = body.optional_array("required_state") or []
    _bounded("required_state", len(pairs), _MAX_REQUIRED)
    for pair in pairs:
        if type(pair) is not list or [type(part) for part in pair] != [str, str]:
            raise BadJson("'required_state' must be an array of pairs of a type and a state key")
        if max(map(len, pair)) > _MAX_NAME:
            raise InvalidParam("'required_state' has a name that is too long")
    slots: list[Slot] = [(pair[0], pair[1]) for pair in pairs]
    return RoomConfig(min(limit, max_limit), RequiredState.of(slots, user_id))


def _filters(body: JsonObject) -> ListFilters:
    return ListFilters(
        is_dm=_flag(body, "is_dm"),
        spaces=_names(body, "spaces"),
        is_encrypted=_flag(body, "is_encrypted"),
        # The proposal's new name; clients say the old one.
        is_invite=_flag(body, "is_invited" if "is_invited" in body else "is_invite"),
        room_types=_types(body, "room_types"),
        not_room_types=_types(body, "not_room_types") or frozenset(),
        name_like=body.optional_string("room_name_like"),
        tags=_names(body, "tags"),
        not_tags=_names(body, "not_tags") or frozenset(),
    )


def _flag(body: JsonObject, name: str) -> bool | None:
    return None if body.raw.get(name) is None else body.boolean(name)


def _names(body: JsonObject, name: str) -> frozenset[str] | None:
    names = body.optional_strings(name)
    if names is None:
        return None
    _bounded(name, len(names), _MAX_NAMES)
    return frozenset(names)


def _types(body: JsonObject, name: str) -> frozenset[str | None] | None:
    """Types of rooms, where null stands for a room without one."""
    types = body.optional_array(name)
    if types is None:
        return None
    _bounded(name, len(types), _MAX_NAMES)
    if not all(item is None or type(item) is str for item in types):
        raise BadJson(f"'{name}' must be an array of strings and nulls")
    return frozenset(types)


def _extensions(body: JsonObject) -> dict[str, ExtensionConfig]:
    found: dict[str, ExtensionConfig] = {}
    extensions = body.optional_object("extensions")
    if extensions is None:
        return found
    for name in (*EXTENSIONS, THREADS):
        config = extensions.optional_object(name)
        if config is None or not config.optional_boolean("enabled"):
            continue
        since = config.optional_string("since") if name == TO_DEVICE else None
        lists, rooms = _names(config, "lists"), _names(config, "rooms")
        limit = _LIMITS.get(name, 0)
        if limit:
            limit = config.optional_integer("limit", limit)
            if limit < 1:
                raise InvalidParam(f"'extensions.{name}.limit' must be above 0")
        everything = frozenset([ANY])
        found[name] = ExtensionConfig(
            SyncToken.parse(since).messages if since else None,
            everything if lists is None else lists,
            everything if rooms is None else rooms,
            limit,
        )
    return found


def _objects(
    body: JsonObject, name: str, maximum: int, *, max_key: int = _MAX_NAME
) -> list[tuple[str, JsonObject]]:
    """The members of an object, each of which is an object."""
    holder = body.optional_object(name)
    if holder is None:
        return []
    _bounded(name, len(holder.raw), maximum)
    for key in holder.raw:
        if len(key) > max_key:
            raise InvalidParam(f"A key of '{name}' is too long")
    return [(key, holder.object(key)) for key in holder.raw]


def _bounded(name: str, count: int, maximum: int) -> None:
    if count > maximum:
        raise InvalidParam(f"'{name}' has more than {maximum} entries")
