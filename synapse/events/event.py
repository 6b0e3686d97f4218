"""`Event`: a small header beside the bytes that were signed.

A parsed event takes four times the memory of its bytes, and a full garbage collection visits each
of its objects; so caches hold the bytes, a few fields that are asked for all the time, and parse
when the content is needed. The content of state events is kept once parsed: there are few of them
in memory, and authorisation reads them again and again.
"""

from typing import Any

import msgspec
import orjson

from synapse.api.room_versions import RoomVersion
from synapse.util import canonicaljson


class Event(msgspec.Struct, gc=False, eq=False):
    """One event of a room.

    `json` holds the canonical bytes in the room version's federation format, with hashes and
    signatures, without `unsigned`. Build one with `synapse.events.builder` (a new event of ours),
    `synapse.events.parsing` (one from another server) or the event store (a saved one).
    """

    json: bytes
    event_id: str
    room_id: str
    type: str
    sender: str
    state_key: str | None
    depth: int
    origin_server_ts: int
    version: RoomVersion

    # Where it is stored; all empty until it is committed.
    nid: int = 0  # position in the stream, in commit order
    pos: int | None = None  # position in the room's timeline; None: it has no place there
    state_nid: int = 0  # snapshot of the state after the event
    # Snapshot of what the room's state was after it came; another one only where forks meet.
    view_nid: int = 0
    replaces_nid: int = 0  # the event that this one replaced in its state slot
    live: bool = False  # it came as news; not with history, nor as an outlier that found a place
    rejected: bool = False
    soft_failed: bool = False
    redacted: bool = False

    # What `unsigned` says beyond the event itself (`prev_content`, `redacted_because`, …):
    # the members of a JSON object without its braces, empty if there are none.
    unsigned: bytes = b""

    _content: dict[str, Any] | None = None
    _client: bytes = b""  # see synapse.events.client_format

    def parsed(self) -> dict[str, Any]:
        """The whole event as a new dictionary, in the federation format."""
        strict = self.version.strict_canonical_json
        event: dict[str, Any] = (orjson.loads if strict else canonicaljson.decode_lax)(self.json)
        return event

    @property
    def content(self) -> dict[str, Any]:
        """The event's content. Don't change it."""
        if self._content is not None:
            return self._content
        content: dict[str, Any] = self.parsed()["content"]
        if self.state_key is not None:
            self._content = content
        return content

    @property
    def is_state(self) -> bool:
        return self.state_key is not None

    @property
    def slot(self) -> tuple[str, str]:
        """The state slot that a state event fills: its type and state key."""
        assert self.state_key is not None, "only state events fill a slot"
        return self.type, self.state_key

    @property
    def membership(self) -> str:
        """`membership` of a member event, or "" where it isn't a string."""
        membership = self.content.get("membership")
        return membership if isinstance(membership, str) else ""

    def auth_event_ids(self) -> list[str]:
        return _ids(self.parsed()["auth_events"])

    def prev_event_ids(self) -> list[str]:
        return _ids(self.parsed()["prev_events"])

    @property
    def redacts(self) -> str | None:
        """The event that this redaction is about; None unless this is an `m.room.redaction`."""
        if self.type != "m.room.redaction":
            return None
        event = self.parsed()
        holder = event["content"] if self.version.redacts_in_content else event
        redacts = holder.get("redacts")
        return redacts if isinstance(redacts, str) else None

    def __repr__(self) -> str:
        key = "" if self.state_key is None else f" {self.state_key!r}"
        return f"<Event {self.event_id} {self.type}{key} by {self.sender} in {self.room_id}>"


def _ids(references: list[Any]) -> list[str]:
    # Room versions 1 and 2 write [event_id, {"sha256": …}], later ones event_id.
    return [r if isinstance(r, str) else r[0] for r in references]


StateMap = dict[tuple[str, str], Event]
