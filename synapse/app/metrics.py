"""Metrics of the server's parts, read from them when somebody scrapes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from synapse.app.parts.federation import Federation
from synapse.federation.policy_servers import PolicyServers
from synapse.storage.database import Database
from synapse.util import caches

if TYPE_CHECKING:
    from prometheus_client.core import Metric


class DatabaseMetrics:
    """How often and how long each kind of read and write ran, and how far the stream is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        count = CounterMetricFamily(
            "synapse_storage_transaction_time_count", "Reads and writes", labels=["desc"]
        )
        seconds = CounterMetricFamily(
            "synapse_storage_transaction_time_sum", "Their time in seconds", labels=["desc"]
        )
        for description, timing in self._database.timings.items():
            count.add_metric([description], timing.count)
            seconds.add_metric([description], timing.seconds)
        yield count
        yield seconds
        yield GaugeMetricFamily(
            "synapse_event_persisted_position",
            "The newest committed position of the stream",
            self._database.position,
        )


class FederationMetrics:
    """What was sent to other servers, what came from them, and what waits."""

    def __init__(self, federation: Federation) -> None:
        self._federation = federation

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        sent, received = self._federation.sending.dispatch, self._federation.transactions
        for name, text, count in (
            ("client_sent_transactions", "Transactions that servers got", sent.transactions),
            ("client_sent_pdu_destinations_count", "Events in these", sent.pdus),
            ("client_sent_edus", "EDUs in these", sent.edus),
            ("server_received_pdus", "Events in transactions of other servers", received.pdus),
            ("server_received_edus", "EDUs in these", received.edus),
        ):
            yield CounterMetricFamily(f"synapse_federation_{name}", text, count)
        destinations = self._federation.sending.sender.destinations
        for name, text, count in (
            (
                "pending_pdus",
                "Events that wait for a server",
                sum(len(d.queue) for d in destinations),
            ),
            ("pending_edus", "EDUs that do", sum(len(d.edus) for d in destinations)),
        ):
            yield GaugeMetricFamily(f"synapse_federation_transaction_queue_{name}", text, count)


class PolicyMetrics:
    """What came of asking policy servers for their signatures."""

    def __init__(self, policy_servers: PolicyServers) -> None:
        self._policy_servers = policy_servers

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import CounterMetricFamily

        outcomes = CounterMetricFamily(
            "synapse_policy_server_requests",
            "Events for which a policy server's signature was wanted",
            labels=["outcome"],
        )
        for outcome, count in self._policy_servers.outcomes.items():
            outcomes.add_metric([outcome], count)
        yield outcomes


class CacheMetrics:
    """How much caches hold, and how well they serve."""

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import GaugeMetricFamily

        asked = GaugeMetricFamily("synapse_util_caches_cache", "Look-ups", labels=["name"])
        hits = GaugeMetricFamily("synapse_util_caches_cache_hits", "Hits", labels=["name"])
        size = GaugeMetricFamily("synapse_util_caches_cache_size", "Entries", labels=["name"])
        for cache in caches.in_use():
            name = [cache.name or ""]
            asked.add_metric(name, cache.hits + cache.misses)
            hits.add_metric(name, cache.hits)
            size.add_metric(name, len(cache))
        yield from (asked, hits, size)
