"""The registry of metrics, and its text for Prometheus.

prometheus_client is imported by who scrapes: it brings an HTTP server along, and a megabyte that
servers without metrics need not have in memory.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol

import synapse
from synapse.metrics.collectors import CpuTimes, GarbageCollection

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Source(Protocol):
    """What knows metrics, and works them out when somebody scrapes."""

    def collect(self) -> "Iterator[Metric]": ...


class Registry:
    """The metrics of a process."""

    def __init__(self, server_name: str) -> None:
        self._server_name = server_name
        self._sources: list[Source] = [CpuTimes(), GarbageCollection()]
        self._collectors: CollectorRegistry | None = None

    def register(self, source: Source) -> None:
        """Show what `source` knows as well; before the first scrape."""
        self._sources.append(source)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        from prometheus_client.exposition import generate_latest

        if self._collectors is None:
            self._collectors = self._build()
        return generate_latest(self._collectors)

    def _build(self) -> "CollectorRegistry":
        import platform

        from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

        collectors = CollectorRegistry()
        ProcessCollector(registry=collectors)
        for source in self._sources:
            collector: Any = source
            collectors.register(collector)
        build = Gauge(
            "synapse_build_info",
            "What is running",
            ["pythonversion", "version", "osversion"],
            registry=collectors,
        )
        build.labels(
            f"{platform.python_implementation()} {platform.python_version()}",
            synapse.__version__,
            f"{platform.system()} {platform.release()}",
        ).set(1)
        name = Gauge(
            "synapse_server_name_info", "Whose server it is", ["server_name"], registry=collectors
        )
        name.labels(self._server_name).set(1)
        return collectors
