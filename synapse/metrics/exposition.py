"""The registry of metrics, and its text for Prometheus."""

import platform

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

import synapse
from synapse.metrics.collectors import CpuTimes, GarbageCollection

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def new_registry(server_name: str) -> CollectorRegistry:
    """A registry with what is known of any process of the server."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(CpuTimes())
    registry.register(GarbageCollection())
    build = Gauge(
        "synapse_build_info",
        "What is running",
        ["pythonversion", "version", "osversion"],
        registry=registry,
    )
    build.labels(
        f"{platform.python_implementation()} {platform.python_version()}",
        synapse.__version__,
        f"{platform.system()} {platform.release()}",
    ).set(1)
    name = Gauge(
        "synapse_server_name_info", "Whose server it is", ["server_name"], registry=registry
    )
    name.labels(server_name).set(1)
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(registry)
