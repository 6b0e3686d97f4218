"""Answers that are large, or look large in memory."""

import resource
from unittest import TestCase

import orjson

from synapse.federation.errors import Unanswered
from synapse.federation.told_bodies import MAX_EVENTS, check_form, read_graph

EVENT = orjson.dumps(
    {"type": "x", "sender": "@a:b", "depth": 1, "origin_server_ts": 1, "content": {"n": [1, 2]}}
)
# Events of old rooms, which are refused for this one by one.
STRANGE = orjson.dumps({"type": "x", "sender": "@a:b", "depth": "7", "origin_server_ts": None})
BAD = (
    b"",
    b"null",
    b"[]",
    b"{",
    b'{"pdus":{}}',
    b'{"pdus":null}',
    b'{"pdus":[1]}',
    b'{"pdus":[{}]}',
    b'{"auth_chain":[[]]}',
    b'{"auth_chain":[%b,{"type":"x"}]}' % EVENT,
    b'{"auth_chain":[{"type":"x","sender":"a","depth":[],"origin_server_ts":1}]}',
    b'{"pdus":[{"type":"\xff","sender":"a","depth":1,"origin_server_ts":1}]}',
    b'{"pdus":' + b"[" * 100_000,
)


class ToldBodyTests(TestCase):
    def test_events_are_cut_out_as_they_are(self) -> None:
        told = read_graph(
            b'{"auth_chain":[%b],"pdus":[%b,%b],"more":[[]]}' % (EVENT, STRANGE, EVENT)
        )
        self.assertEqual([bytes(raw) for raw in told["pdus"]], [STRANGE, EVENT])
        self.assertEqual([bytes(raw) for raw in told["auth_chain"]], [EVENT])

    def test_a_list_that_is_not_there_is_empty(self) -> None:
        self.assertEqual(read_graph(b'{"auth_chain":[]}'), {"auth_chain": [], "pdus": []})

    def test_what_is_no_list_of_events(self) -> None:
        for body in BAD:
            with self.subTest(body=body[:60]), self.assertRaises(Unanswered):
                read_graph(body)

    def test_of_the_old_form(self) -> None:
        check_form(b'[200,{"state":[%b],"auth_chain":[]}]' % EVENT, in_a_list=True)
        with self.assertRaises(Unanswered):
            check_form(b'[200,{"state":[1],"auth_chain":[]}]', in_a_list=True)

    def test_more_than_any_room_has(self) -> None:
        body = b'{"pdus":[%b]}' % b",".join([EVENT] * (MAX_EVENTS + 1))
        with self.assertRaises(Unanswered):
            read_graph(body)

    def test_nothing_that_fills_the_memory_is_taken_out(self) -> None:
        """Ten million lists would take half a gigabyte."""
        body = b'{"pdus":[' + b"[]," * 10_000_000 + b"[]]}"
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with self.assertRaises(Unanswered):
            read_graph(body)
        grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        self.assertLess(grown_kb, 20_000)
