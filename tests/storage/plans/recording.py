"""What is recorded while the server runs: its SQL statements, and what its stores were asked."""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from typing import Any

from synapse.storage import stores
from synapse.storage.engines.base import Connection
from synapse.storage.sql import Params, Row

Replace = Callable[[object, str, object], object]


class Recorder:
    """Each distinct statement, with the parameters of its largest use."""

    def __init__(self) -> None:
        self.statements: dict[str, Params] = {}

    def note(self, sql: str, params: Params) -> None:
        known = self.statements.get(sql)
        if known is None or _size(params) > _size(known):
            self.statements[sql] = params


def _size(params: Params) -> int:
    return sum(len(value) for value in params if isinstance(value, list))


class RecordingConnection:
    """A connection that notes what it is asked."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._connection = connection
        self._recorder = recorder
        self.begin = connection.begin
        self.begin_at_once = connection.begin_at_once
        self.begin_snapshot = connection.begin_snapshot
        self.commit = connection.commit
        self.rollback = connection.rollback
        self.close = connection.close

    def fetch(self, sql: str, params: Params) -> list[Row]:
        self._recorder.note(sql, params)
        return self._connection.fetch(sql, params)

    def fetch_one(self, sql: str, params: Params) -> Row | None:
        self._recorder.note(sql, params)
        return self._connection.fetch_one(sql, params)

    def execute_many(self, sql: str, rows: Iterable[Params]) -> int:
        rows = list(rows)
        self._recorder.note(sql, rows[0])
        return self._connection.execute_many(sql, rows)


class Asked:
    """Which of the questions that stores answer (their coroutine methods) were asked."""

    def __init__(self, replace: Replace) -> None:
        """`replace` sets an attribute for as long as a test runs."""
        self.unasked: set[str] = set()
        for module in pkgutil.iter_modules(stores.__path__, f"{stores.__name__}."):
            for cls in vars(importlib.import_module(module.name)).values():
                if inspect.isclass(cls) and cls.__module__ == module.name:
                    self._watch(cls, replace)

    def _watch(self, cls: type, replace: Replace) -> None:
        for name, function in list(vars(cls).items()):
            if inspect.iscoroutinefunction(function):
                question = f"{cls.__name__}.{name}"
                self.unasked.add(question)
                replace(cls, name, self._noting(question, function))

    def _noting(self, question: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def ask(*args: Any, **kwargs: Any) -> Any:
            self.unasked.discard(question)
            return await function(*args, **kwargs)

        return ask
