"""Answers that are lists of events, and may be as large as a room's state: cut, not parsed.

Two hundred megabytes hold the state of a very large room, or a hundred million empty arrays, which
as objects in memory are thirty times as large. So a body is read twice. First only for its form:
each entry must have what all events have, which takes three times the body's memory at worst, and
ends at the first entry that hasn't. Then it is cut into entries, each of which is parsed when its
turn comes.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from synapse.api.errors import MatrixError
from synapse.federation.errors import Unanswered
from synapse.http.json_body import parse_json
from synapse.util.breaks import Breaks

# A room tells its state, and what authorised it: more than this is no room.
MAX_EVENTS = 500_000

# Some old events have strange ones of these; they are refused one by one.
_Scalar = int | float | str | bool | None


class _Form(msgspec.Struct, gc=False):
    """What each event has. Nothing in it can be large without the body being so."""

    type: str
    sender: str
    depth: _Scalar
    origin_server_ts: _Scalar


class _Forms(msgspec.Struct):
    state: list[_Form] = []
    pdus: list[_Form] = []
    auth_chain: list[_Form] = []


class _Graph(msgspec.Struct):
    pdus: list[msgspec.Raw] = []
    auth_chain: list[msgspec.Raw] = []


_forms_v2 = msgspec.json.Decoder(_Forms).decode
_forms_v1 = msgspec.json.Decoder(tuple[int, _Forms]).decode
_decode_graph = msgspec.json.Decoder(_Graph).decode
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def check_form(body: bytes, *, in_a_list: bool = False) -> None:
    """Passes if the body's lists of events can be cut. Raises `Unanswered`."""
    try:
        forms = _forms_v1(body)[1] if in_a_list else _forms_v2(body)
    except _MALFORMED as error:
        raise Unanswered(f"The answer can't be used: {error}") from None
    if len(forms.state) + len(forms.pdus) + len(forms.auth_chain) > MAX_EVENTS:
        raise Unanswered(f"The answer has more than {MAX_EVENTS} events")


def read_graph(body: bytes) -> dict[str, list[msgspec.Raw]]:
    """The lists `pdus` and `auth_chain`, as far as they are there. Raises `Unanswered`."""
    check_form(body)
    graph = _decode_graph(body)
    return {"pdus": graph.pdus, "auth_chain": graph.auth_chain}


async def values_of(raws: Sequence[bytes | msgspec.Raw], breaks: Breaks) -> list[Any]:
    """What the bytes spell; nothing (which is no event) for what is not strict JSON."""
    values: list[Any] = []
    for raw in raws:
        try:
            values.append(parse_json(bytes(raw)))
        except MatrixError:
            values.append(None)
        await breaks.take()
    return values
