"""A buffer between loggers and a slow handler, by the name that log configurations know."""

import logging
import os
from logging.handlers import MemoryHandler
from threading import Event, Thread


class PeriodicallyFlushingMemoryHandler(MemoryHandler):
    """Hands records to its target in batches: when `capacity` are waiting, when one is as grave as
    `flushLevel`, and at least every `period` seconds."""

    def __init__(
        self,
        capacity: int,
        flushLevel: int = logging.ERROR,
        target: logging.Handler | None = None,
        flushOnClose: bool = True,
        period: float = 5.0,
    ) -> None:
        super().__init__(capacity, flushLevel, target, flushOnClose)
        self._period = period
        self._ended = Event()
        self._flushing_in_process = 0

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        # A process that daemonises leaves its threads behind, so the first record starts one.
        if self._flushing_in_process != os.getpid():
            self._flushing_in_process = os.getpid()
            Thread(target=self._flush_periodically, daemon=True, name="log flusher").start()

    def close(self) -> None:
        self._ended.set()
        super().close()

    def _flush_periodically(self) -> None:
        while not self._ended.wait(self._period):
            self.flush()
