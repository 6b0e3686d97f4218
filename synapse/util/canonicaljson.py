"""Canonical JSON: the one spelling of a value, over which hashes and signatures are made.

Appendices, "Canonical JSON": UTF-8, no insignificant white space, keys sorted by code point,
integers within [-(2**53) + 1, 2**53 - 1], no floats. orjson writes it, at a tenth of the price of
the `canonicaljson` library; a walk refuses what orjson would let pass. Room versions 1 to 5 were
laxer: their events may hold floats and large integers, which `encode_lax` spells as the
`canonicaljson` library does.
"""

from typing import Any

import msgspec
import orjson

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_MAX_INTEGER = 2**53 - 1
# orjson refuses to write deeper trees than 254; a round limit with a clear message comes before it.
MAX_DEPTH = 200


class NotCanonical(ValueError):
    """The value has no canonical JSON: a float, a large integer, too deep, a lone surrogate."""


def encode(value: Any) -> bytes:
    """The canonical JSON of `value`. Raises `NotCanonical`."""
    _refuse_what_is_not_canonical(value, MAX_DEPTH)
    try:
        return orjson.dumps(value, option=_OPTIONS)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise NotCanonical(str(error)) from None


def encode_trusted(value: Any) -> bytes:
    """The same for a value known to be canonical, such as one parsed from canonical JSON."""
    return orjson.dumps(value, option=_OPTIONS)


def encode_lax(value: Any) -> bytes:
    """Canonical JSON by the rules of room versions 1 to 5. Raises `NotCanonical`."""
    try:
        return encode(value)
    except NotCanonical:
        from canonicaljson import encode_canonical_json

        _refuse_too_deep(value, MAX_DEPTH)
        try:
            return encode_canonical_json(value)
        except (ValueError, TypeError) as error:
            raise NotCanonical(str(error)) from None


def decode_lax(encoded: bytes) -> Any:
    """The value that `encode_lax` wrote; orjson would make floats of integers beyond 64 bits.

    msgspec keeps them, at orjson's price; `json.loads` takes four times as long.
    """
    return msgspec.json.decode(encoded)


def _refuse_what_is_not_canonical(value: Any, depth: int) -> None:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if not -_MAX_INTEGER <= value <= _MAX_INTEGER:
            raise NotCanonical("An integer is beyond 2^53 - 1")
        return
    if depth == 0:
        raise NotCanonical(f"Nested deeper than {MAX_DEPTH} levels")
    if kind is dict:
        for key, member in value.items():
            if type(key) is not str:
                raise NotCanonical(f"The key {key!r} is not a string")
            member_kind = type(member)
            # Most members are strings: spare them the call.
            if member_kind is not str:
                _refuse_what_is_not_canonical(member, depth - 1)
        return
    if kind is list:
        for member in value:
            _refuse_what_is_not_canonical(member, depth - 1)
        return
    if kind is float:
        raise NotCanonical(f"The number {value} is not an integer")
    raise NotCanonical(f"A {kind.__name__} is not JSON")


def _refuse_too_deep(value: Any, depth: int) -> None:
    if not isinstance(value, dict | list):
        return
    if depth == 0:
        raise NotCanonical(f"Nested deeper than {MAX_DEPTH} levels")
    for member in value.values() if isinstance(value, dict) else value:
        _refuse_too_deep(member, depth - 1)
