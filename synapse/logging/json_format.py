"""Log records as JSON, one object per line, for log collectors."""

import json
import logging
from typing import Any

# What every record has; anything else was given with `extra`.
_COMMON = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """`{"log": …, "namespace": …, "level": …, "request": …}`, the record's extra attributes, and
    the exception if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "log": record.getMessage(),
            "namespace": record.name,
            "level": record.levelname,
        }
        line.update((name, value) for name, value in vars(record).items() if name not in _COMMON)
        if record.exc_info and record.exc_info[0] is not None:
            line["exc_type"] = record.exc_info[0].__name__
            line["exc_value"] = str(record.exc_info[1])
            line["exc_traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, separators=(",", ":"))


class TerseJsonFormatter(JsonFormatter):
    """The same with the time, in seconds since the epoch."""

    def format(self, record: logging.LogRecord) -> str:
        return f'{super().format(record)[:-1]},"time":{round(record.created, 2)}}}'
