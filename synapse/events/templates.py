"""Events that two servers make together.

Who isn't in a room doesn't know what a new event stands on: a server of the room gives a
*template*, and the sender's server makes the event of it (`event_on`). And some events need two
signatures: the second server adds its own to what the first one signed (`signed_also_by`).
"""

from collections.abc import Mapping
from typing import Any

from synapse.api.errors import BadJson
from synapse.api.room_versions import RoomVersion
from synapse.crypto.signing import SigningKey
from synapse.events import canonical, hashing
from synapse.events.event import Event
from synapse.events.parsing import parse_event
from synapse.util import base64, canonicaljson

_ONLY_ITS_SENDER_KNOWS = frozenset(("event_id", "hashes", "signatures"))
# All that is taken from a template. Everything else is for the sender to say.
_STANDS_ON = ("auth_events", "depth", "prev_events")


def template_of(event: Event) -> dict[str, Any]:
    """What an event of ours would be, for another server to make it in its user's name."""
    parsed = event.parsed()
    return {key: value for key, value in parsed.items() if key not in _ONLY_ITS_SENDER_KNOWS}


def event_on(
    template: Mapping[str, Any],
    version: RoomVersion,
    *,
    room_id: str,
    type: str,
    sender: str,
    state_key: str,
    content: dict[str, Any],
    origin_server_ts: int,
    server_name: str,
    key: SigningKey,
    event_id_localpart: str,
) -> Event:
    """A state event that stands where another server's template says, hashed and signed.

    Raises `BadJson` or `TooLarge` if no event comes of it.
    """
    value: dict[str, Any] = {name: template.get(name) for name in _STANDS_ON}
    value |= {
        "content": content,
        "origin_server_ts": origin_server_ts,
        "room_id": room_id,
        "sender": sender,
        "state_key": state_key,
        "type": type,
    }
    if version.events_have_ids:
        value["event_id"] = f"${event_id_localpart}:{server_name}"
    try:
        whole = hashing.content_hash(value, version)
        value["hashes"] = {"sha256": base64.encode(whole).decode()}
        value["signatures"] = {}
        return parse_event(signed_also_by(value, version, server_name, key), version)
    except canonicaljson.NotCanonical as error:
        raise BadJson(f"The event can't be written as canonical JSON: {error}") from None


def signed_also_by(
    value: Mapping[str, Any], version: RoomVersion, server_name: str, key: SigningKey
) -> dict[str, Any]:
    """The event (in the federation format, of the right shape) with our signature beside others."""
    bare = {name: member for name, member in value.items() if name != "unsigned"}
    essential = hashing.essential_bytes(bare, version, encode=canonical.encode_again)
    signatures = dict(value["signatures"])
    own = {**signatures.get(server_name, {}), key.key_id: key.sign(essential).decode()}
    return {**value, "signatures": {**signatures, server_name: own}}
