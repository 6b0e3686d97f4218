"""Metrics of what goes between homeservers, read from the parts when somebody scrapes.

The names are those by which Synapse's dashboards know them.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from synapse.app.parts.federation import Federation
from synapse.app.parts.outbound import Outbound
from synapse.app.parts.rooms import Rooms
from synapse.federation.traffic import LastPdu
from synapse.metrics.histogram import Histogram
from synapse.util.clock import Clock

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_FEDERATION = "synapse_federation"


class SendingMetrics:
    """What other servers got from us, and what waits for them."""

    def __init__(self, federation: Federation) -> None:
        self._federation = federation

    def collect(self) -> "Iterator[Metric]":
        sent = self._federation.sending.dispatch
        prefix = f"{_FEDERATION}_client_sent"
        yield _counter(f"{prefix}_transactions", "Transactions that servers got", sent.transactions)
        yield _counter(f"{prefix}_pdu_destinations_count", "Events in these", sent.pdus)
        yield _counter(f"{prefix}_edus", "EDUs in these", sent.edus)
        traffic = self._federation.traffic
        yield _counters(
            f"{prefix}_edus_by_type", "EDUs in these, by type", "type", traffic.sent_edus
        )
        yield from _last_pdus("sent", "destination_server_name", traffic.last_sent)
        presence = self._federation.sending.presence
        yield _counter(
            "synapse_handler_presence_federation_presence_out",
            "How often a server was to be told how a user is",
            0 if presence is None else presence.told,
        )
        yield from self._waiting()

    def _waiting(self) -> "Iterator[Metric]":
        sending = self._federation.sending
        destinations = sending.sender.destinations
        pdus = sum(len(d.queue) for d in destinations)
        edus = sum(len(d.edus) for d in destinations)
        presences = sum(d.edus.presences for d in destinations)
        told = sum(d.edus.presences > 0 for d in destinations)
        behind = sum(d.is_behind for d in destinations)
        changed = 0 if sending.presence is None else sending.presence.waiting
        prefix = f"{_FEDERATION}_transaction_queue_pending"
        yield _gauge(f"{prefix}_pdus", "Events in memory that wait for a server", pdus)
        yield _gauge(f"{prefix}_edus", "EDUs that do", edus)
        prefix = f"{_FEDERATION}_send_queue"
        for name, text, value in (
            ("edus_size", "EDUs that wait for a server", edus),
            ("keyed_edu_size", "Those of which only the newest counts", edus - presences),
            ("presence_map_size", "Users' presence that waits for a server", presences),
            ("presence_destinations_size", "Servers for which presence waits", told),
            ("presence_changed_size", "Users whose presence no server was told yet", changed),
            ("pos_time_size", "Servers that are behind in the stream", behind),
        ):
            yield _gauge(f"{prefix}_{name}", text, value)


class ReceivingMetrics:
    """What came from other servers, and what became of it."""

    def __init__(self, federation: Federation, rooms: Rooms, clock: Clock) -> None:
        self._federation = federation
        self._rooms = rooms
        self._clock = clock

    def collect(self) -> "Iterator[Metric]":
        received, traffic = self._federation.transactions, self._federation.traffic
        prefix = f"{_FEDERATION}_server_received"
        yield _counter(f"{prefix}_pdus", "Events in transactions of other servers", received.pdus)
        yield _counter(f"{prefix}_edus", "EDUs in these", received.edus)
        yield _counters(
            f"{prefix}_edus_by_type", "EDUs in these, by type", "type", traffic.received_edus
        )
        yield from _last_pdus("received", "origin_server_name", traffic.last_received)
        yield _counter(
            "synapse_handler_presence_federation_presence",
            "How often a server told how a user is",
            traffic.received_presence,
        )
        prefix = f"{_FEDERATION}_server"
        yield _histogram(
            f"{prefix}_pdu_process_time", "Time to take up an event", traffic.process_times
        )
        yield _counter(
            f"{_FEDERATION}_soft_failed_events",
            "Events that the room's state or its policy server forbade when they came",
            self._rooms.receiver.soft_failed,
        )
        yield from self._waiting(f"{prefix}_number_inbound_pdu_in_staging", prefix)
        yield _counters(
            "synapse_policy_server_requests",
            "Events for which a policy server's signature was wanted",
            "outcome",
            self._rooms.policy_servers.outcomes,
        )

    def _waiting(self, name: str, prefix: str) -> "Iterator[Metric]":
        number, oldest_ms = self._federation.inbox.waiting
        age_ms = 0 if oldest_ms is None else self._clock.now_ms() - oldest_ms
        yield _gauge(name, "Events that waited to be taken up, a minute ago", number)
        yield _gauge(
            f"{prefix}_oldest_inbound_pdu_in_staging",
            "For how many seconds one of these has waited",
            age_ms / 1000,
        )


class RequestsToServers:
    """Requests to other homeservers, and at which step they failed."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    def collect(self) -> "Iterator[Metric]":
        transport = self._outbound.federation
        prefix = "synapse_http_matrixfederationclient"
        yield _counters(
            f"{prefix}_requests", "Requests to homeservers", "method", transport.requests
        )
        yield _counters(f"{prefix}_outcomes", "What came of them", "outcome", transport.outcomes)


def _last_pdus(what: str, label: str, last: Mapping[str, LastPdu]) -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily

    name = f"{_FEDERATION}_last_{what}_pdu"
    time = GaugeMetricFamily(f"{name}_time", f"When the last {what} event was made", labels=[label])
    age = GaugeMetricFamily(f"{name}_age", f"How old it was when it was {what}", labels=[label])
    for server, (ts_ms, age_ms) in last.items():
        time.add_metric([server], ts_ms / 1000)
        age.add_metric([server], age_ms / 1000)
    yield from (time, age)


def _counter(name: str, text: str, value: int) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    return CounterMetricFamily(name, text, value)


def _counters(name: str, text: str, label: str, values: Mapping[str, int]) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _gauge(name: str, text: str, value: float) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(name, text, value)


def _histogram(name: str, text: str, times: Histogram) -> "Metric":
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(name, text)
    family.add_metric([], times.buckets(), times.sum)
    return family
