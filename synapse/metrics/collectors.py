"""Metrics of the process: CPU, garbage collection, and how long the reactor's ticks take."""

import gc
import resource
from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

from synapse.metrics.histogram import Histogram

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_GC_BOUNDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_TICK_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_GENERATIONS = (0, 1, 2)


class CpuTimes:
    """User and system time apart; prometheus_client has only their sum."""

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import GaugeMetricFamily

        usage = resource.getrusage(resource.RUSAGE_SELF)
        yield GaugeMetricFamily(
            "process_cpu_user_seconds_total", "CPU time in user mode", usage.ru_utime
        )
        yield GaugeMetricFamily(
            "process_cpu_system_seconds_total", "CPU time in the kernel", usage.ru_stime
        )


class GarbageCollection:
    """How often and how long Python's cyclic garbage collector ran."""

    def __init__(self) -> None:
        self._times = {generation: Histogram(_GC_BOUNDS) for generation in _GENERATIONS}
        self._unreachable = dict.fromkeys(_GENERATIONS, 0)
        self._started = 0.0
        gc.callbacks.append(self._collected)

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily

        times = HistogramMetricFamily("python_gc_time", "Time of a collection", labels=["gen"])
        unreachable = GaugeMetricFamily(
            "python_gc_unreachable_total", "Objects found to be garbage", labels=["gen"]
        )
        counts = GaugeMetricFamily(
            "python_gc_counts", "Objects since the last collection", labels=["gen"]
        )
        for generation, count in zip(_GENERATIONS, gc.get_count(), strict=True):
            name = [str(generation)]
            histogram = self._times[generation]
            times.add_metric(name, histogram.buckets(), histogram.sum)
            unreachable.add_metric(name, self._unreachable[generation])
            counts.add_metric(name, count)
        yield from (times, unreachable, counts)

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._started = perf_counter()
            return
        self._times[info["generation"]].observe(perf_counter() - self._started)
        self._unreachable[info["generation"]] += info["collected"] + info["uncollectable"]


class TickTimes:
    """How long the reactor works between two looks for news: everybody waits that long."""

    def __init__(self) -> None:
        self._ticks = Histogram(_TICK_BOUNDS)

    def install(self, reactor: Any) -> bool:
        """Measure an epoll reactor; returns whether it is one."""
        poller = getattr(reactor, "_poller", None)
        if poller is None:
            return False
        reactor._poller = _TimedPoller(poller, self._ticks)
        return True

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily("python_twisted_reactor_tick_time", "Time of a tick")
        family.add_metric([], self._ticks.buckets(), self._ticks.sum)
        yield family


class _TimedPoller:
    """An epoll object that notes the time between its calls."""

    def __init__(self, poller: Any, ticks: Histogram) -> None:
        self._poll = poller.poll
        self._ticks = ticks
        self._woke: float | None = None
        self.register = poller.register
        self.modify = poller.modify
        self.unregister = poller.unregister
        self.fileno = poller.fileno
        self.close = poller.close

    def poll(self, timeout: float, max_events: int) -> list[tuple[int, int]]:
        if self._woke is not None:
            self._ticks.observe(perf_counter() - self._woke)
        events: list[tuple[int, int]] = self._poll(timeout, max_events)
        self._woke = perf_counter()
        return events
