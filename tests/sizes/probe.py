"""What an operation costs a server: its time and size, and what it does to everybody else.

While an operation is under way, a thread asks the server something trivial all the time: the
longest wait for that is how long the reactor was busy with something else.
"""

import http.client
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_PAUSE_S = 0.002
_TIMEOUT_S = 600
_QUESTION = ("GET", "/_matrix/client/versions", None, None)
_CALIBRATION = 500


@dataclass(slots=True)
class Cost:
    """Of one operation."""

    status: int
    answer: bytes
    wall_ms: float
    cpu_ms: float  # of the server's process, without what the questions of the thread cost
    longest_wait_ms: float  # of other requests
    peak_mb: float  # resident memory while it went on
    grown_mb: float  # resident memory after it, less before

    @property
    def json(self) -> Any:
        return json.loads(self.answer)


class Client:
    """Requests on one connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=_TIMEOUT_S
        )

    def call(self, method: str, path: str, body: Any, token: str | None) -> tuple[int, bytes]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, data, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


class Probe:
    """Measures operations on the server with this process id."""

    def __init__(self, url: str, pid: int) -> None:
        self._url = url
        self._pid = pid
        self._question_s = self._cost_of_a_question()

    def measure(self, operation: Callable[[], tuple[int, bytes]]) -> Cost:
        self._forget_peak()
        cpu, memory = self._cpu_s(), self._memory_mb("VmRSS")
        waits: list[float] = []
        stop = threading.Event()
        thread = threading.Thread(target=self._ask_on, args=(stop, waits))
        thread.start()
        started = time.perf_counter()
        try:
            status, answer = operation()
            wall = time.perf_counter() - started
        finally:
            stop.set()
            thread.join()
        used = self._cpu_s() - cpu
        return Cost(
            status,
            answer,
            wall * 1000,
            max(0.0, used - len(waits) * self._question_s) * 1000,
            max(waits, default=0.0) * 1000,
            self._memory_mb("VmHWM"),
            self._memory_mb("VmRSS") - memory,
        )

    def memory_mb(self) -> float:
        return self._memory_mb("VmRSS")

    def _ask_on(self, stop: threading.Event, waits: list[float]) -> None:
        client = Client(self._url)
        while not stop.is_set():
            started = time.perf_counter()
            client.call(*_QUESTION)
            waits.append(time.perf_counter() - started)
            stop.wait(_PAUSE_S)

    def _cost_of_a_question(self) -> float:
        client, cpu = Client(self._url), self._cpu_s()
        for _ in range(_CALIBRATION):
            client.call(*_QUESTION)
        return (self._cpu_s() - cpu) / _CALIBRATION

    def _forget_peak(self) -> None:
        with open(f"/proc/{self._pid}/clear_refs", "w") as file:
            file.write("5")

    def _cpu_s(self) -> float:
        """Of all threads; a thread that has ended doesn't count."""
        tasks = Path(f"/proc/{self._pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def _memory_mb(self, name: str) -> float:
        with open(f"/proc/{self._pid}/status") as file:
            (line,) = (line for line in file if line.startswith(name + ":"))
        return int(line.split()[1]) / 1024
