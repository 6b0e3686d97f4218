"""Which JSON is a filter."""

from typing import Any
from unittest import TestCase

from synapse.api.errors import BadJson
from synapse.api.filter_shape import ROOM_EVENT_FILTER, require_filter

GOOD: list[Any] = [
    {},
    {"org.example.anything": 1.5, "room": {"org.example": None}},
    {"event_fields": ["content.body"], "event_format": "federation"},
    {"presence": {"types": ["*"], "not_senders": ["@a:b"], "limit": 0}},
    {"room": {"rooms": ["!a:b", "!hash"], "include_leave": True, "state": {"contains_url": True}}},
    {"room": {"timeline": {"lazy_load_members": True, "unread_thread_notifications": False}}},
]
BAD: list[tuple[Any, str]] = [
    ([], "A filter is an object"),
    ("text", "A filter is an object"),
    (None, "A filter is an object"),
    ({"room": []}, "'room' must be an object"),
    ({"room": None}, "'room' must be an object"),
    ({"room": {"timeline": 1}}, "'room.timeline' must be an object"),
    ({"room": {"timeline": {"limit": "5"}}}, "'room.timeline.limit' must be an integer"),
    ({"room": {"timeline": {"limit": True}}}, "'room.timeline.limit' must be an integer"),
    ({"room": {"timeline": {"limit": -1}}}, "'room.timeline.limit' must be an integer"),
    ({"room": {"rooms": ["a"]}}, "'room.rooms' must be an array of room ids"),
    ({"presence": {"senders": ["a"]}}, "'presence.senders' must be an array of user ids"),
    ({"account_data": {"types": [1]}}, "'account_data.types' must be an array of strings"),
    ({"account_data": {"types": "m.tag"}}, "'account_data.types' must be an array of strings"),
    ({"event_format": "other"}, "'event_format' must be 'client' or 'federation'"),
    ({"event_format": []}, "'event_format' must be 'client' or 'federation'"),
    ({"room": {"include_leave": 1}}, "'room.include_leave' must be true or false"),
]


class FilterShapeTests(TestCase):
    def test_filters(self) -> None:
        for value in GOOD:
            with self.subTest(value=value):
                require_filter(value)

    def test_what_is_no_filter(self) -> None:
        for value, message in BAD:
            with self.subTest(value=value), self.assertRaises(BadJson) as caught:
                require_filter(value)
            self.assertIn(message, caught.exception.message)

    def test_filters_of_messages(self) -> None:
        require_filter({"types": ["m.room.message"], "limit": 3}, ROOM_EVENT_FILTER)
        with self.assertRaises(BadJson):
            require_filter({"rooms": "all"}, ROOM_EVENT_FILTER)
