"""Bodies that a hostile or broken client sends.

    await assert_survives(self, "POST", "/_matrix/client/v3/login", {"type": "m.login.password"})

Each must get a 4xx with an `errcode`; values of the right type that are merely strange may also be
accepted. No input may get a 5xx.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from tests.rest.base import RestTestCase

WRONG_VALUES: list[Any] = [7, 1.5, True, "text", [], ["text", 7], {}, {"a": 7}]
STRANGE_STRINGS = ["", "\0", "a\0b", "\N{PILE OF POO}" * 100, "x" * 10_000, "\u202e", "%00", "@:"]

BROKEN_BODIES = {
    "not JSON": b"{",
    "nothing": b"",
    "not UTF-8": b'{"type": "\xff"}',
    "a lone surrogate": b'{"type": "\\ud800"}',
    "NaN": b'{"type": NaN}',
    "a doubled key": b'{"type": 1, "type": 2}',
    "deeply nested": b'{"type": ' * 10_000 + b"1" + b"}" * 10_000,
    "an array": b"[]",
    "a string": b'"text"',
    "null": b"null",
    "a number": b"17",
}


async def assert_survives(
    case: RestTestCase,
    method: str,
    path: str,
    good: dict[str, Any],
    *,
    token: str | None = None,
    may_be_empty: bool = False,
    free: Sequence[str] = (),
) -> None:
    """`free` are properties whose value may be anything; `may_be_empty`: a body isn't needed."""
    for name, body in BROKEN_BODIES.items():
        if not (may_be_empty and name == "nothing"):
            answer = await case.fetch(method, path, body=body, token=token)
            _check(case, answer, name, refused=True)
    for name, changed, is_wrong in _variations(good, free):
        answer = await case.fetch(method, path, changed, token=token)
        _check(case, answer, name, refused=is_wrong)


async def assert_survives_paths(
    case: RestTestCase,
    method: str,
    pattern: str,
    body: dict[str, Any] | None = None,
    *,
    token: str | None = None,
) -> None:
    """`pattern` holds `{}` where a path parameter stands."""
    for part in ("%00", "a%2Fb", "%ff", "x" * 5_000, "%F0%9F%92%A9" * 80, "@:", "!", "%20"):
        answer = await case.fetch(method, pattern.replace("{}", part), body, token=token)
        _check(case, answer, part[:30], refused=False)


def _variations(good: dict[str, Any], free: Sequence[str]) -> Iterator[tuple[str, Any, bool]]:
    """(what was changed, the body, whether it must be refused)"""
    for key, value in good.items():
        if key in free:
            continue
        for wrong in WRONG_VALUES:
            if type(wrong) is not type(value):
                yield f"{key} = {wrong!r}", {**good, key: wrong}, True
        yield f"{key} = null", {**good, key: None}, False
        yield f"no {key}", {k: v for k, v in good.items() if k != key}, False
        if type(value) is str:
            for text in STRANGE_STRINGS:
                yield f"{key} = {text[:20]!r}", {**good, key: text}, False
        if type(value) is dict:
            for name, changed, is_wrong in _variations(value, free):
                yield f"{key}.{name}", {**good, key: changed}, is_wrong


def _check(case: RestTestCase, answer: Any, name: str, *, refused: bool) -> None:
    case.assertTrue(answer.status < 500, f"{name}: {answer}")
    if refused:
        case.assertTrue(answer.status >= 400, f"{name}: {answer}")
    if answer.status >= 400:
        is_ui_auth = answer.status == 401 and "flows" in answer.json
        case.assertTrue(is_ui_auth or answer.json["errcode"], f"{name}: {answer}")
        orjson.dumps(answer.json)
