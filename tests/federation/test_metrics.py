"""What the metrics tell of federation."""

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred

from synapse.app.federation_metrics import ReceivingMetrics, RequestsToServers, SendingMetrics
from synapse.app.parts.outbound import Outbound
from synapse.crypto.signing import SigningKey
from synapse.http.client.errors import RequestFailed
from synapse.metrics.exposition import Registry
from tests.case import TestCase
from tests.config.builders import parsed
from tests.federation.rooms import ONE, TWO, V3, SharedRoomTestCase, path
from tests.http.outbound.internet import Internet
from tests.http.outbound.network import Network, start
from tests.metrics.test_metrics import collecting
from tests.rest.base import default_config

DASHBOARD = (
    "federation_client_sent_edus_by_type_total",
    "federation_client_sent_edus_total",
    "federation_client_sent_pdu_destinations_count_total",
    "federation_client_sent_transactions_total",
    "federation_last_received_pdu_time",
    "federation_last_sent_pdu_time",
    "federation_send_queue_edus_size",
    "federation_send_queue_keyed_edu_size",
    "federation_send_queue_pos_time_size",
    "federation_send_queue_presence_changed_size",
    "federation_send_queue_presence_destinations_size",
    "federation_send_queue_presence_map_size",
    "federation_server_number_inbound_pdu_in_staging",
    "federation_server_oldest_inbound_pdu_in_staging",
    "federation_server_pdu_process_time",
    "federation_server_received_edus_total",
    "federation_server_received_pdus_total",
    "federation_soft_failed_events_total",
    "federation_transaction_queue_pending_edus",
    "federation_transaction_queue_pending_pdus",
    "handler_presence_federation_presence_out_total",
    "handler_presence_federation_presence_total",
)


class TrafficTests(SharedRoomTestCase):
    async def arrange_room(self) -> None:
        federation = replace(default_config().federation, federation_metrics_domains=(ONE, TWO))
        await self.arrange(ONE, TWO, federation=federation)
        await self.start_sending()
        self.room_id = await self.create()
        await self.join("bob", self.room_id, ONE)
        await self.settle(2)

    def metric(self, server: str, name: str, **labels: str) -> float:
        """A metric's value at one of the servers."""
        parts = self.servers[server]
        for source in (
            SendingMetrics(parts.federation),
            ReceivingMetrics(parts.federation, parts.rooms, self.clock),
        ):
            value = collecting(source).get_sample_value(f"synapse_{name}", labels)
            if value is not None:
                return value
        raise AssertionError(f"There is no {name}")

    async def test_all_that_dashboards_read(self) -> None:
        await self.arrange_room()
        one = self.servers[ONE]
        registry = Registry(ONE)
        registry.register(SendingMetrics(one.federation))
        registry.register(ReceivingMetrics(one.federation, one.rooms, self.clock))
        told = registry.exposition().decode()
        for name in DASHBOARD:
            self.assertIn(f"# TYPE synapse_{name} ", told)

    async def test_the_last_event(self) -> None:
        await self.arrange_room()
        self.time.advance(100)
        said_s = self.clock.now_ms() / 1000
        self.network.cut_off(TWO)
        await self.say("alice", self.room_id)
        await self.settle(7)
        self.network.heal()
        await self.settle(10)
        for server, what, label, other in (
            (ONE, "sent", "destination_server_name", TWO),
            (TWO, "received", "origin_server_name", ONE),
        ):
            name = f"federation_last_{what}_pdu"
            self.assertEqual(self.metric(server, f"{name}_time", **{label: other}), said_s)
            self.assertEqual(self.metric(server, f"{name}_age", **{label: other}), 17)

    async def test_transactions_and_what_is_in_them(self) -> None:
        await self.arrange_room()
        sent, received = "federation_client_sent", "federation_server_received"
        names: tuple[tuple[str, str, dict[str, str]], ...] = (
            (ONE, f"{sent}_pdu_destinations_count_total", {}),
            (TWO, f"{received}_pdus_total", {}),
            (TWO, "federation_server_pdu_process_time_count", {}),
            (ONE, f"{sent}_edus_by_type_total", {"type": "m.typing"}),
            (TWO, f"{received}_edus_by_type_total", {"type": "m.typing"}),
            (ONE, f"{sent}_edus_total", {}),
            (TWO, f"{received}_edus_total", {}),
        )
        before = [self.metric(server, name, **labels) for server, name, labels in names]
        await self.say("alice", self.room_id)
        url = path(self.room_id, f"/typing/{self.user('alice')}")
        await self.ask("alice", "PUT", url, {"typing": True, "timeout": 1000})
        await self.settle()
        after = [self.metric(server, name, **labels) for server, name, labels in names]
        self.assertEqual([b - a for a, b in zip(before, after, strict=True)], [1] * len(names))

    async def test_types_that_nobody_knows_are_one(self) -> None:
        await self.arrange_room()
        edus: list[Any] = [
            {"edu_type": "org.example.1", "content": {}},
            {"edu_type": ["m.typing"], "content": {}},
            {"edu_type": "m.presence", "content": {"push": 1}},
            {"edu_type": "m.presence", "content": []},
            7,
        ]
        await self.network.links[TWO].request(
            ONE,
            "PUT",
            "/_matrix/federation/v1/send/x",
            json={"origin": TWO, "origin_server_ts": 1, "pdus": [], "edus": edus},
        )
        name = "federation_server_received_edus_by_type_total"
        self.assertEqual(self.metric(ONE, name, type="other"), 3)
        self.assertEqual(self.metric(ONE, name, type="m.presence"), 2)
        self.assertEqual(self.metric(ONE, "handler_presence_federation_presence_total"), 0)

    async def test_presence(self) -> None:
        await self.arrange_room()
        url = f"{V3}/presence/{self.user('alice')}/status"
        await self.ask("alice", "PUT", url, {"presence": "unavailable"})
        self.assertEqual(self.metric(ONE, "federation_send_queue_presence_changed_size"), 1)
        await self.settle(2)
        self.assertEqual(self.metric(ONE, "federation_send_queue_presence_changed_size"), 0)
        self.assertGreaterEqual(
            self.metric(ONE, "handler_presence_federation_presence_out_total"), 1
        )
        self.assertGreaterEqual(self.metric(TWO, "handler_presence_federation_presence_total"), 1)

    async def test_what_waits(self) -> None:
        await self.arrange_room()
        held: Deferred[None] = Deferred()

        async def hold(destination: str, path: str) -> None:
            await held

        self.network.before = hold
        await self.say("alice", self.room_id)
        url = path(self.room_id, f"/typing/{self.user('alice')}")
        await self.ask("alice", "PUT", url, {"typing": True, "timeout": 1000})
        queue = "federation_transaction_queue_pending"
        self.assertEqual(self.metric(ONE, f"{queue}_pdus"), 1)
        self.assertEqual(self.metric(ONE, f"{queue}_edus"), 1)
        self.assertEqual(self.metric(ONE, "federation_send_queue_keyed_edu_size"), 1)
        self.assertEqual(self.metric(ONE, "federation_send_queue_pos_time_size"), 0)
        self.network.before = None
        held.callback(None)
        await self.settle()
        self.assertEqual(self.metric(ONE, f"{queue}_pdus"), 0)
        self.network.cut_off(TWO)
        await self.say("alice", self.room_id)
        for _ in range(40):
            await self.settle(10)
        self.assertEqual(self.metric(ONE, "federation_send_queue_pos_time_size"), 1)

    async def test_events_that_wait_to_be_taken_up(self) -> None:
        await self.arrange_room()
        self.network.cut_off(TWO)
        await self.say("bob", self.room_id)
        late = await self.say("bob", self.room_id)
        self.network.heal()
        # What it stands on can't be asked for.
        self.network.age("get_missing_events", "state_ids", "/state/", "/event/")
        await self.carry(TWO, ONE, late)
        self.time.advance(3)
        inbox = self.servers[ONE].federation.inbox
        await inbox.count()
        staging = "federation_server"
        self.assertEqual(self.metric(ONE, f"{staging}_number_inbound_pdu_in_staging"), 1)
        self.assertEqual(self.metric(ONE, f"{staging}_oldest_inbound_pdu_in_staging"), 3)
        inbox.stop()


class OutcomeTests(TestCase):
    def test_requests_by_the_step_at_which_they_fail(self) -> None:
        network = Network({"inside.example": ["10.0.0.1"]})
        outbound = Outbound(
            parsed(federation_domain_blacklist=["bad.example"]),
            network,
            SigningKey("a_test", bytes(32)),
            resolver=network,
            srv=Internet(),
        )
        metrics = collecting(RequestsToServers(outbound))
        for destination in ("inside.example:8448", "bad.example", "nowhere.example:8448"):
            asked = start(outbound.federation.request(destination, "GET", "/x"))
            self.assertIsInstance(asked.error, RequestFailed)
        prefix = "synapse_http_matrixfederationclient"
        value = metrics.get_sample_value
        self.assertEqual(value(f"{prefix}_requests_total", {"method": "GET"}), 3)
        outcomes = {
            outcome: value(f"{prefix}_outcomes_total", {"outcome": outcome})
            for outcome in ("blocked", "dns", "tcp", "success")
        }
        self.assertEqual(outcomes, {"blocked": 2, "dns": 1, "tcp": 0, "success": 0})
