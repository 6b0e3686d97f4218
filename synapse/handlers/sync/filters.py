"""Sync filters, compiled once: what a client wants to see (client-server API, "Filtering")."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

from synapse.events.client_format import client_event, federation_event, sender_unsigned
from synapse.events.event import Event
from synapse.events.filtering import EventFilter

DEFAULT_LIMIT = 10
_NO_LIMIT = 10**9


class StateForm(Enum):
    """Which state of a room is told, and the member of the answer that holds it."""

    BEFORE = "state"  # as it is before the timeline
    AFTER = "state_after"
    # What matrix-js-sdk asks for, and the only name under which it looks for the answer (MSC4222).
    AFTER_UNSTABLE = "org.matrix.msc4222.state_after"


@dataclass(frozen=True, slots=True)
class RoomFilter:
    """What to show of a room: the part of a filter by which room deltas differ."""

    key: str  # equal for filters that show the same
    timeline: EventFilter
    state: EventFilter
    render: Callable[..., bytes]  # (event, *, now_ms, transaction_id=None, unsigned=b"")
    state_form: StateForm = StateForm.BEFORE

    @property
    def state_after(self) -> bool:
        """Whether state is told as it is after the timeline, and not as before it."""
        return self.state_form is not StateForm.BEFORE

    @property
    def lazy_members(self) -> bool:
        return self.state.lazy_load_members

    @property
    def redundant_members(self) -> bool:
        return self.state.include_redundant_members


@dataclass(frozen=True, slots=True)
class SyncFilter:
    """A whole filter."""

    room: RoomFilter
    ephemeral: EventFilter
    room_account_data: EventFilter
    account_data: EventFilter
    presence: EventFilter
    rooms: frozenset[str] | None  # None: all
    not_rooms: frozenset[str]
    include_leave: bool
    counts_by_thread: bool

    def wants_room(self, room_id: str) -> bool:
        return room_id not in self.not_rooms and (self.rooms is None or room_id in self.rooms)


def compile_filter(
    definition: dict[str, Any], *, max_limit: int, state_form: StateForm = StateForm.BEFORE
) -> SyncFilter:
    """`definition` has the shape of `synapse.api.filter_shape.SYNC_FILTER`.

    A negative `max_limit` is none. Only the timeline has a `limit`: a client could not tell that a
    part of the state is missing, nor ask for the rest.
    """
    if max_limit < 0:
        max_limit = _NO_LIMIT
    room = definition.get("room", {})
    timeline = EventFilter.compile(room.get("timeline", {}), DEFAULT_LIMIT, max_limit)
    state = EventFilter.compile(room.get("state", {}), max_limit, max_limit)
    fields = definition.get("event_fields")
    form = definition.get("event_format", "client")
    is_after = state_form is not StateForm.BEFORE
    key = orjson.dumps(
        [room.get("timeline", {}), room.get("state", {}), fields, form, is_after],
        option=orjson.OPT_SORT_KEYS,
    ).decode()
    return SyncFilter(
        room=RoomFilter(key, timeline, state, _renderer(form, fields), state_form),
        ephemeral=EventFilter.compile(room.get("ephemeral", {}), max_limit, max_limit),
        room_account_data=EventFilter.compile(room.get("account_data", {}), max_limit, max_limit),
        account_data=EventFilter.compile(definition.get("account_data", {}), max_limit, max_limit),
        presence=EventFilter.compile(definition.get("presence", {}), max_limit, max_limit),
        rooms=frozenset(room["rooms"]) if "rooms" in room else None,
        not_rooms=frozenset(room.get("not_rooms", ())),
        include_leave=bool(room.get("include_leave", False)),
        counts_by_thread=bool(room.get("timeline", {}).get("unread_thread_notifications", False)),
    )


def _renderer(form: str, fields: Collection[str] | None) -> Callable[..., bytes]:
    if form == "federation":
        render: Callable[..., bytes] = _render_federation
    else:
        render = _render_client
    if fields is None:
        return render
    paths = [_split_field(field) for field in fields]

    def render_fields(
        event: Event, *, now_ms: int, transaction_id: str | None = None, unsigned: bytes = b""
    ) -> bytes:
        full = render(event, now_ms=now_ms, transaction_id=transaction_id, unsigned=unsigned)
        return orjson.dumps(_pick(orjson.loads(full), paths))

    return render_fields


def _render_client(
    event: Event, *, now_ms: int, transaction_id: str | None = None, unsigned: bytes = b""
) -> bytes:
    return client_event(
        event, now_ms=now_ms, room_id=False, transaction_id=transaction_id, unsigned=unsigned
    )


def _render_federation(
    event: Event, *, now_ms: int, transaction_id: str | None = None, unsigned: bytes = b""
) -> bytes:
    more = [unsigned] if unsigned else []
    if transaction_id is not None:
        more.append(sender_unsigned(transaction_id))
    return federation_event(event, now_ms=now_ms, unsigned=b",".join(more))


def _split_field(field: str) -> list[str]:
    """`content.a\\.b` names the member "a.b" of the content; a backslash is written twice."""
    parts = [""]
    escaped = False
    for character in field:
        if escaped:
            parts[-1] += character if character in ".\\" else "\\" + character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ".":
            parts.append("")
        else:
            parts[-1] += character
    if escaped:
        parts[-1] += "\\"
    return parts


def _pick(whole: dict[str, Any], paths: list[list[str]]) -> dict[str, Any]:
    """The members of an object that the paths name, with the objects around them."""
    picked: dict[str, Any] = {}
    for path in paths:
        source: Any = whole
        target = picked
        for name in path[:-1]:
            source = source.get(name) if isinstance(source, dict) else None
            if not isinstance(source, dict):
                break
            inner = target.setdefault(name, {})
            if inner is source:
                break
            target = inner
        else:
            if isinstance(source, dict) and path[-1] in source:
                target[path[-1]] = source[path[-1]]
    return picked
