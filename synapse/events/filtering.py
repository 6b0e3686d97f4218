"""Event filters, compiled: which events a client wants to see (client-server API, "Filtering").

A filter is compiled once and then asked about each event. Most filters name a few types, so a
type's answer is remembered. Wildcards are matched piece by piece, from left to right, and not by a
regular expression, which a hostile pattern of many `*` would keep busy for minutes.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

from synapse.events.event import Event
from synapse.events.relations import relation_of

_Predicate = Callable[[str], bool]

# Types whose answer a filter remembers.
_REMEMBERED: Final = 1_000


class EventFilter:
    """A compiled `EventFilter` or `RoomEventFilter` of the specification."""

    __slots__ = (
        "_contains_url",
        "_ignored",
        "_is_type",
        "_not_rel_types",
        "_not_rooms",
        "_not_senders",
        "_rel_types",
        "_rooms",
        "_senders",
        "_types",
        "include_redundant_members",
        "lazy_load_members",
        "limit",
        "matches_all",
        "related_by_rel_types",
        "related_by_senders",
        "unread_thread_notifications",
    )

    def __init__(self, definition: Mapping[str, Any], limit: int) -> None:
        self.limit = limit
        self.lazy_load_members: bool = definition.get("lazy_load_members", False)
        self.include_redundant_members: bool = definition.get("include_redundant_members", False)
        self.unread_thread_notifications: bool = definition.get(
            "unread_thread_notifications", False
        )
        self._is_type = _type_predicate(definition.get("types"), definition.get("not_types"))
        self._types: dict[str, bool] = {}
        self._senders = _optional_set(definition.get("senders"))
        self._not_senders = frozenset(definition.get("not_senders") or ())
        self._rooms = _optional_set(definition.get("rooms"))
        self._not_rooms = frozenset(definition.get("not_rooms") or ())
        self._contains_url: bool | None = definition.get("contains_url")
        self._rel_types = _optional_set(definition.get("rel_types"))
        self._not_rel_types = frozenset(definition.get("not_rel_types") or ())
        # What must relate to an event: who reads events for this filter asks the database for it.
        self.related_by_senders = _optional_set(definition.get("related_by_senders"))
        self.related_by_rel_types = _optional_set(definition.get("related_by_rel_types"))
        self._ignored: frozenset[str] = frozenset()
        # Whether there is no condition at all.
        self.matches_all = (
            self._is_type is None
            and self._senders is None
            and self._rooms is None
            and self._contains_url is None
            and self._rel_types is None
            and not self.asks_for_children
            and not (self._not_senders or self._not_rooms or self._not_rel_types)
        )

    @classmethod
    def compile(
        cls, definition: Mapping[str, Any], default_limit: int, max_limit: int
    ) -> "EventFilter":
        """`definition` has the shape of `synapse.api.filter_shape.ROOM_EVENT_FILTER`."""
        return cls(definition, min(definition.get("limit", default_limit), max_limit))

    @property
    def asks_for_children(self) -> bool:
        """Whether only events are wanted to which others relate."""
        return self.related_by_senders is not None or self.related_by_rel_types is not None

    def ignoring(self, users: frozenset[str]) -> "EventFilter":
        """The same filter, which lets only state events of these users through."""
        if not users:
            return self
        other = copy.copy(self)
        other._ignored = users
        other.matches_all = False
        return other

    def matches(self, event: Event) -> bool:
        """Whether the event itself passes all conditions; the limit is not one of them."""
        if self.matches_all:
            return True
        if event.state_key is None and event.sender in self._ignored:
            return False
        return (
            self.matches_type(event.type)
            and self.matches_sender(event.sender)
            and self.matches_room(event.room_id)
            and (self._contains_url is None or _has_url(event) == self._contains_url)
            and self._matches_relation(event)
        )

    def matches_type(self, type: str) -> bool:
        if self._is_type is None:
            return True
        known = self._types.get(type)
        if known is None:
            if len(self._types) >= _REMEMBERED:
                self._types.clear()
            known = self._types[type] = self._is_type(type)
        return known

    def matches_sender(self, sender: str) -> bool:
        if sender in self._not_senders:
            return False
        return self._senders is None or sender in self._senders

    def matches_room(self, room_id: str) -> bool:
        if room_id in self._not_rooms:
            return False
        return self._rooms is None or room_id in self._rooms

    def _matches_relation(self, event: Event) -> bool:
        if self._rel_types is None and not self._not_rel_types:
            return True
        relation = relation_of(event)
        if relation is None:
            return self._rel_types is None
        if relation.rel_type in self._not_rel_types:
            return False
        return self._rel_types is None or relation.rel_type in self._rel_types


def _has_url(event: Event) -> bool:
    # The content needn't be parsed to see that the word is nowhere in the event.
    return b'"url"' in event.json and "url" in event.content


def _optional_set(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _type_predicate(types: list[str] | None, not_types: list[str] | None) -> _Predicate | None:
    """None: every type passes."""
    excluded = _any_of(not_types) if not_types else None
    if types is None:
        return None if excluded is None else lambda type: not excluded(type)
    included = _any_of(types)
    if excluded is None:
        return included
    return lambda type: included(type) and not excluded(type)


def _any_of(patterns: list[str]) -> _Predicate:
    exact = frozenset(pattern for pattern in patterns if "*" not in pattern)
    globs = [pattern.split("*") for pattern in dict.fromkeys(patterns) if "*" in pattern]
    return lambda type: type in exact or any(_matches_glob(type, glob) for glob in globs)


def _matches_glob(text: str, pieces: list[str]) -> bool:
    """Whether `text` is the pieces with anything between them."""
    first, *middle, last = pieces
    end = len(text) - len(last)
    if end < len(first) or not text.startswith(first) or not text.endswith(last):
        return False
    start = len(first)
    for piece in middle:
        found = text.find(piece, start, end)
        if found < 0:
            return False
        start = found + len(piece)
    return True
