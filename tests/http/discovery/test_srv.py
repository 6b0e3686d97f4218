"""SRV records: their order, and for how long what was heard is believed."""

from collections import Counter
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.names import dns, error

from synapse.http.client.errors import RequestFailed, Step
from synapse.http.discovery.addresses import Target
from synapse.http.discovery.srv import DnsLookup, NoAnswer, SrvTargets
from synapse.http.discovery.srv_order import SrvRecord, ordered
from tests.case import TestCase
from tests.http.outbound.internet import Internet
from tests.http.outbound.network import start

RECORDS = st.lists(
    st.builds(
        SrvRecord,
        st.integers(0, 3),
        st.integers(0, 65535),
        st.integers(1, 65535),
        st.sampled_from(["a", "b", "c"]),
    ),
    max_size=8,
)


class OrderTests(TestCase):
    @given(RECORDS, st.floats(0, 1, exclude_max=True))
    def test_each_target_comes_once_the_lowest_priority_first(
        self, records: list[SrvRecord], drawn: float
    ) -> None:
        targets = ordered(records, lambda: drawn)
        self.assertEqual(Counter(targets), Counter(Target(r.host, r.port) for r in records))
        first = min((record.priority for record in records), default=0)
        front = {Target(r.host, r.port) for r in records if r.priority == first}
        self.assertTrue(not targets or targets[0] in front)

    def test_weights_are_chances(self) -> None:
        random = Random(1)
        records = [SrvRecord(1, 75, 1, "often"), SrvRecord(1, 25, 1, "seldom")]
        first = Counter(ordered(records, random.random)[0].host for _ in range(4000))
        self.assertTrue(0.72 < first["often"] / 4000 < 0.78, first)

    def test_without_weight_the_chance_is_small_but_there(self) -> None:
        random = Random(1)
        records = [SrvRecord(1, 0, 1, "hardly"), SrvRecord(1, 9, 1, "mostly")]
        first = Counter(ordered(records, random.random)[0].host for _ in range(4000))
        self.assertGreater(first["mostly"], first["hardly"])
        self.assertGreater(first["hardly"], 0)


class TargetsTests(TestCase):
    def setUp(self) -> None:
        self.internet = Internet()
        self.clock = Clock()
        self.targets = SrvTargets(self.internet, self.clock, lambda: 0.0)

    def ask(self, host: str = "a.example") -> list[Target]:
        found: list[Target] = start(self.targets.targets(host)).result
        return found

    def test_the_registered_service_comes_first(self) -> None:
        self.internet.srv = {
            "_matrix-fed._tcp.a.example": [SrvRecord(1, 1, 443, "new.example")],
            "_matrix._tcp.a.example": [SrvRecord(1, 1, 444, "old.example")],
        }
        self.assertEqual(self.ask(), [Target("new.example", 443)])
        self.assertEqual(self.internet.srv_asked, ["_matrix-fed._tcp.a.example"])

    def test_the_old_one_is_asked_for_then(self) -> None:
        self.internet.srv = {"_matrix._tcp.a.example": [SrvRecord(1, 1, 444, "old.example")]}
        self.assertEqual(self.ask(), [Target("old.example", 444)])

    def test_a_root_as_target_says_that_there_is_no_such_service(self) -> None:
        self.internet.srv = {"_matrix-fed._tcp.a.example": [SrvRecord(0, 0, 0, "")]}
        with self.assertRaises(RequestFailed) as raised:
            self.ask()
        self.assertEqual(raised.exception.step, Step.DNS)
        self.assertIn("names no server", raised.exception.reason)

    def test_targets_that_are_no_hosts_are_left_out(self) -> None:
        self.internet.srv = {
            "_matrix-fed._tcp.a.example": [
                SrvRecord(1, 1, 443, "b.example\r\nx: y"),
                SrvRecord(2, 1, 0, "b.example"),
                SrvRecord(3, 1, 443, "\ufffd"),
                SrvRecord(4, 1, 443, "c.example"),
            ]
        }
        self.assertEqual(self.ask(), [Target("c.example", 443)])

    def test_what_holds_is_not_asked_for_again(self) -> None:
        self.internet.srv = {"_matrix-fed._tcp.a.example": [SrvRecord(1, 1, 443, "b.example")]}
        self.ask()
        self.clock.advance(599)
        self.ask()
        self.assertEqual(len(self.internet.srv_asked), 1)
        self.clock.advance(1)
        self.ask()
        self.assertEqual(len(self.internet.srv_asked), 2)

    def test_that_there_is_none_is_remembered_too(self) -> None:
        self.assertEqual(self.ask(), [])
        self.assertEqual(self.ask(), [])
        self.assertEqual(len(self.internet.srv_asked), 2)

    def test_without_an_answer_there_is_none_for_a_minute(self) -> None:
        self.internet.srv = {"_matrix-fed._tcp.a.example": None, "_matrix._tcp.a.example": None}
        self.assertEqual(self.ask(), [])
        self.internet.srv = {"_matrix-fed._tcp.a.example": [SrvRecord(1, 1, 443, "b.example")]}
        self.assertEqual(self.ask(), [])
        self.clock.advance(60)
        self.assertEqual(self.ask(), [Target("b.example", 443)])

    def test_very_many_records_are_not_all_kept(self) -> None:
        name = "_matrix-fed._tcp.a.example"
        self.internet.srv = {name: [SrvRecord(1, 1, n, "b.example") for n in range(1, 500)]}
        self.assertEqual(len(self.ask()), 20)


class Names:
    """twisted.names, as far as it is used."""

    def __init__(self, answer: "Deferred[Any]") -> None:
        self._answer = answer

    def lookupService(self, name: str, timeout: Any) -> "Deferred[Any]":
        return self._answer


def resource(kind: int, ttl_s: int, payload: Any) -> dns.RRHeader:
    return dns.RRHeader("_x._tcp.a", kind, dns.IN, ttl_s, payload)


class LookupTests(TestCase):
    def ask(self, answer: "Deferred[Any]") -> Any:
        return start(DnsLookup(Clock(), lambda: Names(answer)).records("_x._tcp.a")).result

    def test_what_twisted_names_tells(self) -> None:
        answers = [
            resource(dns.CNAME, 5, dns.Record_CNAME("y")),
            resource(dns.SRV, 300, dns.Record_SRV(10, 5, 443, "B.Example")),
            resource(dns.SRV, 200, dns.Record_SRV(20, 0, 0, "")),
        ]
        records, ttl_s = self.ask(succeed((answers, [], [])))
        self.assertEqual(records, [SrvRecord(10, 5, 443, "b.example"), SrvRecord(20, 0, 0, "")])
        self.assertEqual(ttl_s, 200.0)

    def test_a_name_that_does_not_exist_has_no_records(self) -> None:
        self.assertEqual(self.ask(fail(error.DNSNameError())), ((), 0.0))

    def test_all_else_is_no_answer(self) -> None:
        for failure in (error.DNSServerError(), error.DNSQueryTimeoutError([1]), OSError("no")):
            with self.subTest(failure=failure), self.assertRaises(NoAnswer):
                self.ask(fail(failure))
