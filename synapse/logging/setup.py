"""Setting up Python's logging from the log configuration, and again on SIGHUP.

Log configurations made for Synapse load too: the classes they name exist here under the same names,
or are translated.
"""

import logging
import logging.config
import sys
from typing import Any

import yaml
from twisted.logger import STDLibLogObserver, globalLogBeginner

import synapse
from synapse.logging.context import request_id

LOG_FORMAT = "%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s"

# COMPAT: names in log configurations that Synapse generated before its version 1.0.
_MOVED = {
    "synapse.util.logcontext.LoggingContextFilter": "synapse.logging.context.LoggingContextFilter",
}
# Without a log configuration.
_TO_STDERR: dict[str, Any] = {
    "version": 1,
    "formatters": {"precise": {"format": LOG_FORMAT}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "precise"}},
    "root": {"level": "INFO", "handlers": ["console"]},
    "disable_existing_loggers": False,
}

logger = logging.getLogger(__name__)


class LogConfigError(Exception):
    """The log configuration can't be used; the text names the file and what is wrong."""


class LogSetup:
    """The process's logging, as a log configuration says."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._applied = _TO_STDERR

    def start(self) -> None:
        """Set everything up, also for what Twisted logs. Raises `LogConfigError`."""
        _stamp_records()
        self._apply(self._load())
        observer: Any = STDLibLogObserver()
        globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)

    def reload(self) -> bool:
        """Read the file again; if it is bad, say so and go on as before."""
        previous = self._applied
        try:
            self._apply(self._load())
        except LogConfigError as error:
            logging.config.dictConfig(previous)
            self._applied = previous
            logger.error("Still using the previous log configuration: %s", error)
            return False
        logger.info("Loaded the log configuration %s", self._path or "(the built-in one)")
        return True

    def _load(self) -> dict[str, Any]:
        if self._path is None:
            return _TO_STDERR
        try:
            with open(self._path, encoding="utf-8") as file:
                config = yaml.safe_load(file)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise LogConfigError(f"{self._path}: {error}") from None
        if not isinstance(config, dict):
            raise LogConfigError(f"{self._path}: it must hold a mapping, such as `version: 1`")
        # Python's default would silence every logger that was made before.
        defaults = {"version": 1, "disable_existing_loggers": False}
        translated: dict[str, Any] = _with_moved_names(defaults | config)
        return translated

    def _apply(self, config: dict[str, Any]) -> None:
        try:
            logging.config.dictConfig(config)
        except Exception as error:
            # It wraps whatever a handler's constructor raised.
            reason = f"{error}: {error.__cause__}" if error.__cause__ else str(error)
            raise LogConfigError(f"{self._path}: {reason}") from None
        self._applied = config


def log_start(server_name: str, instance_name: str = "master") -> None:
    """The first lines of a server's log, by which people and scripts find its starts."""
    logger.warning("***** STARTING SERVER *****")
    logger.warning("Server %s version %s", sys.argv[0], synapse.__version__)
    logger.warning("Server hostname: %s", server_name)
    logger.warning("Instance name: %s", instance_name)


def _stamp_records() -> None:
    """Write the request into each record when it is made: handlers may run later, elsewhere."""
    make_record = logging.getLogRecordFactory()
    if getattr(make_record, "stamps_requests", False):
        return

    def stamped(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make_record(*args, **kwargs)
        record.request = request_id()
        return record

    stamped.stamps_requests = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(stamped)


def _with_moved_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_moved_names(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_with_moved_names(member) for member in value]
    return _MOVED.get(value, value) if isinstance(value, str) else value
