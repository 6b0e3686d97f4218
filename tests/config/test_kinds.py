"""Every kind of value: what is read how, and what is refused with what words."""

import datetime
from typing import Any
from unittest import TestCase

import yaml

from synapse.config.composed import JSON_VALUE, JsonObject, ListOf, MapOf
from synapse.config.kinds import (
    BOOLEAN,
    NUMBER,
    TEXT,
    Choice,
    Duration,
    FilePath,
    Integer,
    Kind,
    ServerName,
    Size,
    Url,
)
from synapse.config.place import Place
from tests.config.builders import error_from

_LOOP: list[Any] = []
_LOOP.append(_LOOP)

READ: list[tuple[Kind[Any], object, object]] = [
    (BOOLEAN, True, True),
    (BOOLEAN, "true", True),
    (BOOLEAN, "Yes", True),
    (BOOLEAN, "on", True),
    (BOOLEAN, 1, True),
    (BOOLEAN, "1", True),
    (BOOLEAN, "no", False),
    (BOOLEAN, 0, False),
    (Integer(), 5, 5),
    (Integer(), "5", 5),
    (Integer(), 5.0, 5),
    (Integer(-1), -1, -1),
    (NUMBER, 0.2, 0.2),
    (NUMBER, 3, 3.0),
    (NUMBER, "0.2", 0.2),
    (TEXT, "word", "word"),
    (Choice(("off", "all")), "all", "all"),
    (Choice(("off", "all")), False, "off"),
    (FilePath(), "/a/../b", "/b"),
    (FilePath(), "/b/", "/b"),
    (Duration(), "30s", 30_000),
    (Duration(), "5m", 300_000),
    (Duration(), "1h", 3_600_000),
    (Duration(), "7d", 604_800_000),
    (Duration(), "2w", 1_209_600_000),
    (Duration(), "1y", 31_536_000_000),
    (Duration(), 1500, 1500),
    (Duration(), "1500", 1500),
    (Duration(), 0, 0),
    (Size(), "50M", 50 * 1024**2),
    (Size(), "10K", 10 * 1024),
    (Size(), "10k", 10 * 1024),
    (Size(), "500MiB", 500 * 1024**2),
    (Size(), "87KiB", 87 * 1024),
    (Size(), "2G", 2 * 1024**3),
    (Size(), 12, 12),
    (ServerName(), "matrix.org", "matrix.org"),
    (ServerName(), "matrix.org:8888", "matrix.org:8888"),
    (ServerName(), "1.2.3.4", "1.2.3.4"),
    (ServerName(), "1.2.3.4:1234", "1.2.3.4:1234"),
    (ServerName(), "[1234:5678::abcd]", "[1234:5678::abcd]"),
    (ServerName(), "[1234:5678::abcd]:5678", "[1234:5678::abcd]:5678"),
    (ServerName(), "localhost:8480", "localhost:8480"),
    (Url(), "https://example.com/x", "https://example.com/x"),
    (Url(slash=True), "https://example.com", "https://example.com/"),
    (ListOf(TEXT), ["a", "b"], ("a", "b")),
    (ListOf(TEXT, or_one=True), "a", ("a",)),
    (MapOf(NUMBER, "{}"), {"a": 1}, {"a": 1.0}),
    (JSON_VALUE, {"a": [1, None, 0.5, "x", True]}, {"a": [1, None, 0.5, "x", True]}),
]


def _each(kind: Kind[Any], values: tuple[object, ...]) -> list[tuple[Kind[Any], object]]:
    return [(kind, value) for value in values]


REFUSED: list[tuple[Kind[Any], object]] = [
    *_each(BOOLEAN, ("maybe", 2, None, [], "", 1.0)),
    *_each(Integer(), (-1, 1.5, "x", True, None, "1e3", 10**30, "٣", "9" * 5000)),
    (Integer(1, 65535), 0),
    (Integer(1, 65535), 65536),
    *_each(NUMBER, (-0.1, float("inf"), float("nan"), "nan", True, None, 10**400)),
    *_each(TEXT, (5, None, "", "a\0b", "\ud800", [], datetime.date(2020, 1, 1))),
    *_each(Choice(("off", "all")), ("All", True, [], None)),
    *_each(FilePath(), ("", "a\0", 1, None)),
    *_each(Duration(), ("5 m", "m", "-1s", -1, 1.5, True, "5min", "9" * 20, None)),
    *_each(Size(), ("M", "1X", -5, 1.5, True, None, "9" * 15 + "T")),
    *_each(ServerName(), ("", "a b", "a/b", "a..b", ".a", "a.", "a_b", "999.1.1.1", "ü.de", 5)),
    *_each(ServerName(), ("a:", "a:0", "a:99999", "a.:80", "[::1", "[zz]", "a:123456", "x" * 256)),
    *_each(Url(), ("example.com", "ftp://a/", "https://", "https://a b/", "http://[", 1)),
    (ListOf(TEXT), "a"),
    (ListOf(TEXT), {"a": 1}),
    (ListOf(TEXT), [1]),
    (MapOf(NUMBER, "{}"), [1]),
    (MapOf(NUMBER, "{}"), {1: 1}),
    (JSON_VALUE, _LOOP),
    (JSON_VALUE, float("inf")),
    (JSON_VALUE, {1: 2}),
    (JSON_VALUE, datetime.date(2020, 1, 1)),
    (JsonObject("{}"), []),
]


class KindTest(TestCase):
    def test_good_values_are_read(self) -> None:
        for kind, value, expected in READ:
            with self.subTest(kind=type(kind).__name__, value=value):
                self.assertEqual(kind.parse(value, Place("key")), expected)

    def test_wrong_values_are_refused_in_one_line_that_names_the_key(self) -> None:
        for kind, value in REFUSED:
            with self.subTest(kind=type(kind).__name__, value=repr(value)[:50]):
                error = error_from(kind.parse, value, Place("some.key"))
                self.assertTrue(error.startswith("some.key"), error)
                self.assertNotIn("\n", error)
                self.assertLess(len(error), 400)

    def test_examples_in_errors_are_good_values(self) -> None:
        for kind in {id(kind): kind for kind, _ in REFUSED}.values():
            with self.subTest(kind=type(kind).__name__):
                kind.parse(yaml.safe_load(kind.example), Place("key"))

    def test_shown_values_are_read_as_the_same(self) -> None:
        for kind, _, expected in READ:
            with self.subTest(kind=type(kind).__name__, value=expected):
                again = yaml.safe_load(kind.show(expected))
                self.assertEqual(kind.parse(again, Place("key")), expected)
