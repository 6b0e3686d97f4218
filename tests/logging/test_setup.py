"""Log configurations: ours, Synapse's of all ages, and broken ones."""

import json
import logging
import tempfile
import threading
from pathlib import Path
from typing import Any

import yaml
from twisted.internet.threads import deferToThread

from synapse.logging import context
from synapse.logging.context import RequestContext
from synapse.logging.handlers import PeriodicallyFlushingMemoryHandler
from synapse.logging.setup import LOG_FORMAT, LogConfigError, LogSetup
from tests.case import TestCase


def config_with(handler: dict[str, Any], formatter: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": 1,
        "formatters": {"chosen": formatter},
        "filters": {
            "context": {"()": "synapse.util.logcontext.LoggingContextFilter", "request": ""}
        },
        "handlers": {"file": {"formatter": "chosen", "filters": ["context"], **handler}},
        "loggers": {"tests.logging": {"level": "INFO", "handlers": ["file"], "propagate": False}},
        "disable_existing_loggers": False,
    }


class LogSetupTests(TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name, "log.config")
        self.log = Path(directory.name, "log")
        self.logger = logging.getLogger("tests.logging")
        self.addCleanup(self.logger.handlers.clear)
        self.to_file = {"class": "logging.FileHandler", "filename": str(self.log)}

    def load(self, config: object) -> LogSetup:
        self.path.write_text(config if isinstance(config, str) else yaml.safe_dump(config))
        setup = LogSetup(str(self.path))
        setup._apply(setup._load())
        return setup

    def test_lines_name_their_request(self) -> None:
        self.load(config_with(self.to_file, {"format": LOG_FORMAT}))
        self.logger.info("outside")
        token = context._current.set(RequestContext("GET-12"))
        self.logger.info("inside")
        context._current.reset(token)
        lines = self.log.read_text().splitlines()
        self.assertEqual([line.split(" - ")[4:] for line in lines][1], ["GET-12", "inside"])
        self.assertEqual(lines[0].split(" - ")[5], "outside")

    def test_json(self) -> None:
        for formatter in ("TerseJsonFormatter", "JsonFormatter"):
            self.load(config_with(self.to_file, {"class": f"synapse.logging.{formatter}"}))
            self.logger.info("hello %s", "world")
            line = json.loads(self.log.read_text().splitlines()[-1])
            self.assertEqual((line["log"], line["level"]), ("hello world", "INFO"))

    def buffering(self) -> dict[str, Any]:
        config = config_with(self.to_file, {"format": "%(message)s"})
        config["handlers"]["buffer"] = {
            "class": "synapse.logging.handlers.PeriodicallyFlushingMemoryHandler",
            "target": "file",
            "capacity": 10,
            "flushLevel": 30,
            "period": 5,
        }
        config["loggers"]["tests.logging"]["handlers"] = ["buffer"]
        return config

    def test_the_buffering_handler_of_synapse(self) -> None:
        self.load(self.buffering())
        self.logger.info("kept back")
        self.logger.warning("urgent")
        self.assertEqual(self.log.read_text(), "kept back\nurgent\n")

    def test_the_buffering_handler_is_reloaded(self) -> None:
        setup = self.load(self.buffering())
        self.logger.info("before")
        (buffer,) = self.logger.handlers
        self.assertTrue(setup.reload())
        self.assertEqual(self.log.read_text(), "before\n")
        self.assertNotIn(buffer, self.logger.handlers)
        self.logger.warning("after")
        self.assertEqual(self.log.read_text(), "before\nafter\n")

    async def test_a_buffering_handler_ends_its_thread_when_it_closes(self) -> None:
        buffer = PeriodicallyFlushingMemoryHandler(10, period=3600)
        others = set(threading.enumerate())
        buffer.emit(logging.makeLogRecord({"levelno": logging.INFO}))
        (flusher,) = set(threading.enumerate()) - others
        buffer.close()
        buffer.close()
        await deferToThread(flusher.join)

    def test_what_cannot_be_used_is_named(self) -> None:
        for broken in (
            "[1, 2",
            "just text",
            config_with({"class": "no.such.Handler"}, {"format": "x"}),
            config_with(self.to_file, {"()": "no.such.Formatter"}),
            {"version": 7},
        ):
            with self.subTest(broken=broken), self.assertRaises(LogConfigError) as raised:
                self.load(broken)
            self.assertIn(str(self.path), str(raised.exception))
        with self.assertRaises(LogConfigError):
            setup = LogSetup(str(self.path) + ".missing")
            setup._load()

    def test_a_bad_reload_goes_on_as_before(self) -> None:
        setup = self.load(config_with(self.to_file, {"format": "%(message)s"}))
        self.path.write_text("broken: [")
        self.assertFalse(setup.reload())
        self.logger.info("still here")
        self.assertEqual(self.log.read_text(), "still here\n")
        self.path.write_text(yaml.safe_dump(config_with(self.to_file, {"format": "! %(message)s"})))
        self.assertTrue(setup.reload())
        self.logger.info("changed")
        self.assertTrue(self.log.read_text().endswith("! changed\n"))
