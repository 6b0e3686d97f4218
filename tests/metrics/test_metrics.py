"""What Prometheus is told."""

import gc
from typing import Any

from prometheus_client import CollectorRegistry

from synapse.app.metrics import CacheMetrics, DatabaseMetrics
from synapse.metrics.exposition import Registry, Source
from synapse.metrics.histogram import Histogram
from synapse.metrics.requests import RequestMetrics
from synapse.util.caches import Cache
from tests.case import TestCase
from tests.storage.base import StoreTestCase


def collecting(source: Source) -> CollectorRegistry:
    registry = CollectorRegistry()
    collector: Any = source
    registry.register(collector)
    return registry


class RegistryTests(TestCase):
    def test_the_process_and_the_server_are_described(self) -> None:
        gc.collect()
        text = Registry("example.com").exposition().decode()
        for line in (
            'synapse_server_name_info{server_name="example.com"} 1.0',
            "process_resident_memory_bytes ",
            "process_cpu_seconds_total ",
            "process_cpu_user_seconds_total ",
            'python_gc_counts{gen="0"} ',
            "synapse_build_info{",
        ):
            self.assertIn(line, text)

    def test_requests(self) -> None:
        metrics = RequestMetrics()
        metrics.answered("GET", "Versions", 200, "8008", 0.004)
        metrics.answered("GET", "Versions", 200, "8008", 7.0)
        metrics.watch(lambda: [("GET", "SyncResource")])
        registry = collecting(metrics)
        labels = {"method": "GET", "servlet": "Versions"}
        value = registry.get_sample_value
        self.assertEqual(value("synapse_http_server_requests_received_total", labels), 2)
        answered = {**labels, "code": "200", "tag": "8008"}
        name = "synapse_http_server_response_time_seconds"
        self.assertEqual(value(f"{name}_count", answered), 2)
        self.assertEqual(value(f"{name}_sum", answered), 7.004)
        self.assertEqual(value(f"{name}_bucket", {**answered, "le": "0.005"}), 1)
        waiting = {"method": "GET", "servlet": "SyncResource"}
        self.assertEqual(value("synapse_http_server_in_flight_requests_count", waiting), 1)

    def test_histograms_are_cumulative(self) -> None:
        histogram = Histogram((1, 2))
        for seconds in (0.5, 1.0, 1.5, 99):
            histogram.observe(seconds)
        self.assertEqual([count for _, count in histogram.buckets()], [2, 3, 4])

    def test_caches(self) -> None:
        cache: Cache[str, int] = Cache(100, "test_metrics")
        cache["a"] = 1
        cache.get("a")
        cache.get("b")
        registry = collecting(CacheMetrics())
        labels = {"name": "test_metrics"}
        value = registry.get_sample_value
        self.assertEqual(value("synapse_util_caches_cache", labels), 2)
        self.assertEqual(value("synapse_util_caches_cache_hits", labels), 1)
        self.assertEqual(value("synapse_util_caches_cache_size", labels), 1)


class DatabaseMetricsTests(StoreTestCase):
    async def test_reads_are_counted_by_what_they_read(self) -> None:
        for _ in range(3):
            await self.database.fetch("SELECT pos FROM stream")
        registry = collecting(DatabaseMetrics(self.database))
        count = registry.get_sample_value(
            "synapse_storage_transaction_time_count_total", {"desc": "select_stream"}
        )
        self.assertEqual(count, 3)
