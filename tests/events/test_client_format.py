"""What clients and servers get of an event."""

import json
from typing import Any
from unittest import TestCase

import orjson

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.client_format import client_event, federation_event, stripped
from tests.events.test_builder import V1, V11, V12, event

TS = 1_700_000_000_000


def rendered(*args: Any, **kwargs: Any) -> dict[str, Any]:
    value: dict[str, Any] = orjson.loads(client_event(*args, **({"now_ms": TS + 5} | kwargs)))
    return value


class ClientFormatTests(TestCase):
    def test_clients_get_the_client_s_properties_in_every_version(self) -> None:
        for version in ROOM_VERSIONS.values():
            with self.subTest(version=version.identifier):
                message = event(version, content={"body": 'é "\u2028\\'})
                expected = {
                    "type": "m.room.message",
                    "event_id": message.event_id,
                    "room_id": "!r:domain",
                    "sender": "@u:domain",
                    "origin_server_ts": TS,
                    "content": {"body": 'é "\u2028\\'},
                    "unsigned": {"age": 5},
                }
                self.assertEqual(rendered(message), expected)
                del expected["room_id"]
                self.assertEqual(rendered(message, room_id=False), expected)

    def test_state_events_have_their_state_key(self) -> None:
        for key in ("", "@u:domain", 'a"b'):
            state = event(V12, type="m.x", state_key=key)
            self.assertEqual(rendered(state)["state_key"], key)

    def test_a_version_12_create_event_shows_the_room_s_id(self) -> None:
        create = event(V12, type="m.room.create", state_key="", content={"room_version": "12"})
        self.assertEqual(rendered(create)["room_id"], "!" + create.event_id[1:])

    def test_unsigned_is_gathered_from_everywhere(self) -> None:
        message = event(V12)
        message.unsigned = b'"prev_content":{"a":1},"replaces_state":"$x"'
        unsigned = rendered(message, transaction_id='t"1', unsigned=b'"membership":"join"')[
            "unsigned"
        ]
        self.assertEqual(
            unsigned,
            {
                "age": 5,
                "prev_content": {"a": 1},
                "replaces_state": "$x",
                "transaction_id": 't"1',
                "membership": "join",
            },
        )

    def test_a_second_rendering_does_not_carry_what_the_first_reader_got(self) -> None:
        message = event(V12)
        first = rendered(message, transaction_id="t", unsigned=b'"x":1')
        self.assertEqual(first["unsigned"], {"age": 5, "x": 1, "transaction_id": "t"})
        second = rendered(message, room_id=False, now_ms=TS + 9)
        self.assertEqual(second["unsigned"], {"age": 9})
        self.assertNotIn("room_id", second)

    def test_clients_find_redacts_in_both_places(self) -> None:
        for version in ROOM_VERSIONS.values():
            with self.subTest(version=version.identifier):
                redaction = event(
                    version, type="m.room.redaction", content={"reason": "spam"}, redacts="$e"
                )
                shown = rendered(redaction)
                self.assertEqual(shown["redacts"], "$e")
                self.assertEqual(shown["content"], {"reason": "spam", "redacts": "$e"})

    def test_a_redaction_without_a_target_is_shown_as_it_is(self) -> None:
        for version, content in ((V1, {"redacts": "$forged"}), (V11, {"redacts": 5}), (V12, {})):
            redaction = event(version, type="m.room.redaction", content=content)
            self.assertNotIn("redacts", rendered(redaction))
            self.assertEqual(rendered(redaction)["content"], content)

    def test_lax_numbers_are_shown_as_they_were_signed(self) -> None:
        for content in (b'{"n":100000000000000000000000}', b'{"n":1e-07}'):
            message = event(V1, content=json.loads(content))
            self.assertIn(b'"content":' + content, client_event(message, now_ms=TS))

    def test_servers_get_the_signed_event_with_its_age(self) -> None:
        for version in ROOM_VERSIONS.values():
            pdu = event(version)
            pdu.unsigned = b'"prev_content":{}'
            sent = orjson.loads(federation_event(pdu, now_ms=TS + 7, unsigned=b'"x":[]'))
            self.assertEqual(sent, pdu.parsed() | {"unsigned": {"age": 7, "x": []}})
            sent = orjson.loads(federation_event(pdu, now_ms=TS))
            self.assertEqual(sent, pdu.parsed() | {"unsigned": {"age": 0}})

    def test_stripped_state_has_four_properties(self) -> None:
        name = event(V12, type="m.room.name", state_key="", content={"name": "Kitchen"})
        self.assertEqual(
            stripped(name),
            {
                "type": "m.room.name",
                "state_key": "",
                "sender": "@u:domain",
                "content": {"name": "Kitchen"},
            },
        )
