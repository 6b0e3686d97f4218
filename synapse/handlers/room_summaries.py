"""What rooms show to those who are not in them: the directory's facts, and a little more.

A summary is made once for each state of a room.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from synapse.api.constants import EventTypes, HistoryVisibility, JoinRules
from synapse.api.identifiers import is_room_id
from synapse.api.room_versions import ROOM_VERSIONS, RoomVersion
from synapse.events.event import Event
from synapse.events.visibility import history_visibility
from synapse.handlers.guest_access import admits_guests
from synapse.handlers.space_children import SPACE, children_of
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.states import StateStore
from synapse.util.caches import Cache

# `allow` is written by the room's administrators; a reader is not made to walk through thousands.
_MAX_ALLOWED_ROOMS = 100
# Summaries of larger spaces are made anew each time, so that the cache's size stays bounded.
_MAX_CHILDREN_KEPT = 100


class RoomFacts(Protocol):
    """The columns of `rooms` that a summary needs."""

    @property
    def room_nid(self) -> int: ...
    @property
    def room_id(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def state_nid(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Summary:
    """A room as its state describes it; the number of members isn't part of that."""

    room_nid: int
    room_id: str
    version: RoomVersion
    # What the directory shows.
    facts: dict[str, Any]
    join_rule: str
    # Of a restricted room: whose members may join.
    allowed_rooms: tuple[str, ...]
    is_world_readable: bool
    encryption: str | None
    # Of a space: its `m.space.child` events, in the specification's order.
    children: tuple[Event, ...]

    @property
    def is_knockable(self) -> bool:
        if self.join_rule == JoinRules.KNOCK:
            return self.version.knock
        return self.join_rule == JoinRules.KNOCK_RESTRICTED and self.version.knock_restricted

    def to_json(self, joined: int) -> dict[str, Any]:
        """The specification's `RoomSummary`; `joined`: how many members the room has."""
        json = {
            **self.facts,
            "num_joined_members": joined,
            "room_version": self.version.identifier,
        }
        if self.encryption is not None:
            json["encryption"] = self.encryption
        if self.allowed_rooms:
            json["allowed_room_ids"] = list(self.allowed_rooms)
        return json


class RoomSummaries:
    """Makes summaries, and keeps those of rooms that are asked for often."""

    def __init__(self, states: StateStore, events: EventStore) -> None:
        self._states = states
        self._events = events
        # room_nid → the room's state, how many redactions of state there were, and the summary.
        self._kept: Cache[int, tuple[int, int, Summary]] = Cache(2_000, "room_summaries")

    async def of(self, rooms: Sequence[RoomFacts]) -> dict[int, Summary]:
        """The rooms' summaries by room_nid, with one query for those that are not in memory."""
        found: dict[int, Summary] = {}
        missing = []
        # A redaction changes what state events say, but not which events the state is made of.
        redactions = self._events.state_redactions
        for room in rooms:
            kept = self._kept.get(room.room_nid)
            if kept is not None and kept[:2] == (room.state_nid, redactions):
                found[room.room_nid] = kept[2]
            else:
                missing.append(room)
        if not missing:
            return found
        states = await self._states.without_members_of([room.room_nid for room in missing])
        for room in missing:
            summary = _summary(room, states[room.room_nid])
            found[room.room_nid] = summary
            if len(summary.children) <= _MAX_CHILDREN_KEPT:
                self._kept[room.room_nid] = (room.state_nid, redactions, summary)
        return found


def _summary(room: RoomFacts, state: Iterable[Event]) -> Summary:
    state = list(state)
    by_type = {event.type: event for event in state if event.state_key == ""}

    def text(type_: str, key: str) -> str | None:
        event = by_type.get(type_)
        value = None if event is None else event.content.get(key)
        return value if isinstance(value, str) and value else None

    version = ROOM_VERSIONS[room.version]
    visibility = by_type.get(EventTypes.HISTORY_VISIBILITY)
    is_world_readable = (
        history_visibility(visibility.content if visibility else None)
        == HistoryVisibility.WORLD_READABLE
    )
    join_rule = text(EventTypes.JOIN_RULES, "join_rule") or JoinRules.INVITE
    room_type = text(EventTypes.CREATE, "type")
    facts = {
        "room_id": room.room_id,
        "name": text(EventTypes.NAME, "name"),
        "topic": _plain_topic(by_type.get(EventTypes.TOPIC)),
        "avatar_url": text(EventTypes.AVATAR, "url"),
        "canonical_alias": text(EventTypes.CANONICAL_ALIAS, "alias"),
        "room_type": room_type,
        "join_rule": join_rule,
        "world_readable": is_world_readable,
        "guest_can_join": admits_guests(by_type.get(EventTypes.GUEST_ACCESS)),
    }
    return Summary(
        room_nid=room.room_nid,
        room_id=room.room_id,
        version=version,
        facts={name: value for name, value in facts.items() if value is not None},
        join_rule=join_rule,
        allowed_rooms=allowed_rooms(by_type.get(EventTypes.JOIN_RULES), version),
        is_world_readable=is_world_readable,
        encryption=text(EventTypes.ENCRYPTION, "algorithm"),
        children=tuple(children_of(state)) if room_type == SPACE else (),
    )


def _plain_topic(event: Event | None) -> str | None:
    """The topic as plain text: of its representations the first such one, if it has any."""
    topic = None if event is None else event.content.get("topic")
    if event is None or not isinstance(topic, str) or not topic:
        return None
    block = event.content.get("m.topic")
    texts = block.get("m.text") if isinstance(block, dict) else None
    if not isinstance(texts, list):
        return topic
    plain = (
        text.get("body")
        for text in texts
        if isinstance(text, dict) and text.get("mimetype", "text/plain") == "text/plain"
    )
    return next((body for body in plain if isinstance(body, str) and body), None)


def allowed_rooms(join_rules: Event | None, version: RoomVersion) -> tuple[str, ...]:
    """The rooms whose members a restricted room's `m.room.join_rules` admits; else none."""
    if join_rules is None or not is_restricted(join_rules.content.get("join_rule"), version):
        return ()
    allow = join_rules.content.get("allow")
    conditions = allow[:_MAX_ALLOWED_ROOMS] if isinstance(allow, list) else []
    named = [
        condition.get("room_id")
        for condition in conditions
        if isinstance(condition, dict) and condition.get("type") == "m.room_membership"
    ]
    return tuple(room_id for room_id in named if is_room_id(room_id))


def is_restricted(join_rule: Any, version: RoomVersion) -> bool:
    """Whether members of other rooms may join a room with this rule."""
    if join_rule == JoinRules.RESTRICTED:
        return version.restricted_joins
    return join_rule == JoinRules.KNOCK_RESTRICTED and version.knock_restricted
