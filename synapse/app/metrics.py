"""Metrics of the server's parts, read from them when somebody scrapes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

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
