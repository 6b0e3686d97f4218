"""Events of any shape, in every room version: refused as such, or events that can be judged."""

from typing import Any
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from synapse.api.errors import MatrixError
from synapse.api.room_versions import ROOM_VERSIONS, RoomVersion
from synapse.events.auth_rules import AuthError, check_auth
from synapse.events.auth_rules.auth_events import check_auth_events
from synapse.events.auth_selection import CREATE_SLOT, judging_slots
from synapse.events.client_format import client_event
from synapse.events.event import Event
from synapse.events.parsing import parse_received
from synapse.events.redaction import redacted_event
from synapse.federation.pdus import Refused, _parse
from synapse.federation.signature_checks import required_signers
from tests.federation.shapes import TYPES, USERS, contents, pdus
from tests.properties import bounded

VERSIONS = list(ROOM_VERSIONS.values())


def room_id_of(version: RoomVersion) -> str:
    return "!" + "r" * 43 if version.room_id_is_hash else "!room:elsewhere"


ANY_VERSION = st.sampled_from(VERSIONS)
PDUS = ANY_VERSION.flatmap(lambda v: st.tuples(st.just(v), pdus(v, room_id_of(v))))


class PduTests(TestCase):
    @bounded(600)
    @given(PDUS)
    def test_any_value_is_refused_or_an_event(self, case: tuple[RoomVersion, Any]) -> None:
        version, value = case
        try:
            received = parse_received(value, version)
        except MatrixError as error:
            self.assertIn(error.status, (400, 413))
            self.assertIsInstance(_parse(version, room_id_of(version), value, True), Refused)
            return
        for event in (received.event, redacted_event(received.event)):
            self.assertLessEqual(len(event.json), 65_536)
            self.assertTrue(all(isinstance(e, str) for e in event.prev_event_ids()))
            self.assertTrue(all(isinstance(e, str) for e in event.auth_event_ids()))
            self.assertIsInstance(event.content, dict)
            self.assertIsInstance(event.membership, str)
            self.assertTrue(event.redacts is None or isinstance(event.redacts, str))
            self.assertTrue(all(isinstance(s, str) for s in required_signers(event)))
            client_event(event, now_ms=1)
            again = parse_received({**event.parsed()}, version).event
            self.assertEqual(again.event_id, received.event.event_id)

    @bounded(150)
    @given(ANY_VERSION, st.data())
    def test_judging_by_any_state_gives_a_verdict(self, version: RoomVersion, data: Any) -> None:
        """What stands in a state may have come there by the rules of its version alone."""
        number = 0

        def event(type: str, state_key: str | None) -> Event:
            nonlocal number
            number += 1
            return _event(version, number, type, state_key, data.draw(contents()), data)

        state = {}
        for slot in (
            CREATE_SLOT,
            ("m.room.power_levels", ""),
            ("m.room.join_rules", ""),
            *(("m.room.member", user) for user in USERS),
            ("m.room.third_party_invite", "x"),
        ):
            if data.draw(st.integers(0, 9)):
                found = event(*slot)
                state[slot] = found
        type = data.draw(st.sampled_from(TYPES))
        judged = event(type, data.draw(st.sampled_from([None, "", *USERS])))
        judging_slots(type, judged.state_key, judged.sender, judged.content, version)
        try:
            check_auth_events(judged, state.values())
        except AuthError as error:
            self.assertTrue(str(error))
        try:
            check_auth(judged, state, signed_by=lambda server: True)
        except AuthError as error:
            self.assertTrue(str(error))


def _event(
    version: RoomVersion,
    number: int,
    type: str,
    state_key: str | None,
    content: dict[str, Any],
    data: Any,
) -> Event:
    """An event whose shape is right; what isn't JSON in its content is left out."""
    if type == "m.room.member" and data.draw(st.booleans()):
        content = {**content, "membership": data.draw(st.sampled_from(["join", "invite", "ban"]))}
    value: dict[str, Any] = {
        "type": type,
        "sender": data.draw(st.sampled_from(USERS)),
        "room_id": room_id_of(version),
        "content": content,
        "depth": number,
        "origin_server_ts": number,
        "prev_events": [],
        "auth_events": [],
        "hashes": {"sha256": "x"},
        "signatures": {},
    }
    if state_key is not None:
        value["state_key"] = state_key
    if version.room_id_is_hash and type == "m.room.create":
        del value["room_id"]
    if version.events_have_ids:
        value["event_id"] = f"${number}:elsewhere"
    try:
        return parse_received(value, version).event
    except MatrixError:
        return parse_received({**value, "content": {}}, version).event
