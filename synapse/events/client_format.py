"""Events as clients get them, as bytes (client-server API, "Room event format").

One event goes to many readers, and only a few bytes differ between them: the room id (absent in
`/sync`), the age, the reader's transaction id. So an event remembers its rendering up to there,

    {"content":{…},"event_id":"$…","origin_server_ts":…,"sender":"@…","type":"…"

and each reader's copy is that prefix and a short tail. The content is not parsed on the way: its
bytes are cut out of the signed bytes. (A redaction is the exception: clients find `redacts` in
both places that room versions have used.)
"""

from typing import Any, Final

import msgspec
import orjson

from synapse.api.constants import EventTypes
from synapse.events import canonical
from synapse.events.event import Event

# The transaction id of a delayed event is its delay id with this before it.
DELAYED_TXN: Final = "delayed\x1f"


class _Content(msgspec.Struct):
    content: msgspec.Raw


_content_decoder: Final = msgspec.json.Decoder(_Content)


def client_event(
    event: Event,
    *,
    now_ms: int,
    room_id: bool = True,
    transaction_id: str | None = None,
    unsigned: bytes = b"",
) -> bytes:
    """The event as a JSON object; `room_id=False` is the format of `/sync`.

    `unsigned` are further members of the event's `unsigned`, as JSON without braces, beside
    those in `event.unsigned`. `transaction_id` is for the device only that sent the event, except
    that of a delayed event, which is for all devices of its sender.
    """
    return b'%b%b,"unsigned":{"age":%d%b%b%b}}' % (
        event._client or _remember_prefix(event),
        b',"room_id":' + orjson.dumps(event.room_id) if room_id else b"",
        now_ms - event.origin_server_ts,
        b"," + event.unsigned if event.unsigned else b"",
        b"," + unsigned if unsigned else b"",
        b"," + sender_unsigned(transaction_id) if transaction_id else b"",
    )


def joined(one: bytes, other: bytes) -> bytes:
    """Members of a JSON object, of both."""
    return one + b"," + other if one and other else one or other


def sender_unsigned(transaction_id: str) -> bytes:
    """The member of `unsigned` that is for the event's sender only."""
    if transaction_id.startswith(DELAYED_TXN):
        delay_id = transaction_id.removeprefix(DELAYED_TXN)
        return b'"org.matrix.msc4140.delay_id":' + orjson.dumps(delay_id)
    return b'"transaction_id":' + orjson.dumps(transaction_id)


def client_content(event: Event) -> bytes:
    """The event's content alone, as a JSON object."""
    return _content_and_target(event)[0]


def federation_event(event: Event, *, now_ms: int, unsigned: bytes = b"") -> bytes:
    """The event as servers exchange it: signed bytes, with its age and `unsigned`, if any."""
    return b'%b,"unsigned":{"age":%d%b}}' % (
        event.json[:-1],
        now_ms - event.origin_server_ts,
        b"," + unsigned if unsigned else b"",
    )


def stripped(event: Event) -> dict[str, Any]:
    """The event as stripped state, for those who may join but are not in the room."""
    assert event.state_key is not None, "only state events are shown as stripped state"
    return {
        "type": event.type,
        "state_key": event.state_key,
        "sender": event.sender,
        "content": event.content,
    }


def _remember_prefix(event: Event) -> bytes:
    content, redacts = _content_and_target(event)
    prefix = b'{"content":%b,"event_id":%b,"origin_server_ts":%d%b,"sender":%b%b,"type":%b' % (
        content,
        orjson.dumps(event.event_id),
        event.origin_server_ts,
        redacts,
        orjson.dumps(event.sender),
        b"" if event.state_key is None else b',"state_key":' + orjson.dumps(event.state_key),
        orjson.dumps(event.type),
    )
    event._client = prefix
    return prefix


def _content_and_target(event: Event) -> tuple[bytes, bytes]:
    """The content, and the member `redacts` with a comma before it if there has to be one.

    Room version 11, "Moving the redacts property": clients get it in both places.
    """
    content = bytes(_content_decoder.decode(event.json).content)
    if event.type != EventTypes.REDACTION:
        return content, b""
    redacts = event.redacts
    if redacts is None:
        return content, b""
    if not event.version.redacts_in_content:
        content = canonical.encode({**event.content, "redacts": redacts}, event.version)
    return content, b',"redacts":' + orjson.dumps(redacts)
