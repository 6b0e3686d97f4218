"""Metrics of HTTP requests, at a price of well below a microsecond each.

prometheus_client's own counters take a lock and build keys; here a request adds to a few list
slots, and the rest is worked out when somebody scrapes. A request that is still being answered is
found through the sites' own lists of connections.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from synapse.metrics.histogram import Histogram

if TYPE_CHECKING:
    from prometheus_client.core import Metric

# Seconds; a sync that waits is normal, so they go beyond half a minute.
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

# Method and servlet (the resource's name) of each request that is being answered.
InFlight = Callable[[], Iterable[tuple[str, str]]]


class RequestMetrics:
    """The answered requests of all listeners; a source of metrics."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str, int, str], Histogram] = {}
        self._in_flight: list[InFlight] = []

    def answered(self, method: str, servlet: str, status: int, tag: str, seconds: float) -> None:
        """`method` must be one of a bounded set."""
        key = (method, servlet, status, tag)
        times = self._times.get(key)
        if times is None:
            times = self._times[key] = Histogram(_BOUNDS)
        times.observe(seconds)

    def watch(self, in_flight: InFlight) -> None:
        """Count what `in_flight` yields at each scrape."""
        self._in_flight.append(in_flight)

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import HistogramMetricFamily

        waiting = Counter(key for in_flight in self._in_flight for key in in_flight())
        received = Counter(waiting)
        response_times = HistogramMetricFamily(
            "synapse_http_server_response_time_seconds",
            "Time from a request to its answer",
            labels=["method", "servlet", "code", "tag"],
        )
        for (method, servlet, status, tag), times in self._times.items():
            received[method, servlet] += times.count
            labels = [method, servlet, str(status), tag]
            response_times.add_metric(labels, times.buckets(), times.sum)
        yield _counter(received)
        yield response_times
        yield _gauge(waiting)


def _counter(received: Counter[tuple[str, str]]) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(
        "synapse_http_server_requests_received",
        "Requests received, whether or not they have been answered",
        labels=["method", "servlet"],
    )
    for labels, count in received.items():
        family.add_metric(labels, count)
    return family


def _gauge(waiting: Counter[tuple[str, str]]) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(
        "synapse_http_server_in_flight_requests_count",
        "Requests that are being answered",
        labels=["method", "servlet"],
    )
    for labels, count in waiting.items():
        family.add_metric(labels, count)
    return family
