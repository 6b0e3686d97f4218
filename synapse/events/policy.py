"""What a room says about its policy server, and that server's signature on events.

Server-server API, "Policy Servers": `m.room.policy` names a server and the key with which it signs
the events that it recommends, beside those who sign every event. The signature is no part of the
event's id, and a redaction keeps it.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from synapse.api.constants import MAX_EVENT_BYTES, EventTypes
from synapse.api.errors import TooLarge
from synapse.crypto.signing import InvalidKey, VerifyKey
from synapse.events import canonical, hashing
from synapse.events.event import Event
from synapse.util import base64

POLICY_SLOT = (EventTypes.POLICY, "")
# Whatever key the room names, and the only algorithm there is.
KEY_ID = "ed25519:policy_server"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a valid `m.room.policy` says."""

    via: str
    public_key: str

    @property
    def key(self) -> VerifyKey | None:
        """None: it is no key, and nothing can be signed with it."""
        try:
            # The specification's examples are of the URL-safe kind.
            return VerifyKey.from_base64(KEY_ID, base64.from_url_safe(self.public_key))
        except InvalidKey:
            return None


def policy_of(event: Event | None) -> Policy | None:
    """What a room's policy event says; None: there is none, or it is not valid."""
    if event is None:
        return None
    via, keys = event.content.get("via"), event.content.get("public_keys")
    public_key = keys.get("ed25519") if isinstance(keys, dict) else None
    if not isinstance(via, str) or not isinstance(public_key, str):
        return None
    return Policy(via, public_key)


def is_exempt(type: str, state_key: str | None) -> bool:
    """Whether such an event needs nobody's word: a room can always get rid of its policy server."""
    return type == EventTypes.POLICY and state_key == ""


def is_recommended(event: Event, policy: Policy) -> bool:
    """Whether the event has a valid signature of the policy server."""
    value = event.parsed()
    signatures = value["signatures"].get(policy.via)
    signature = signatures.get(KEY_ID) if isinstance(signatures, dict) else None
    return isinstance(signature, str) and _verifies(event, value, policy, signature)


def signed_by(event: Event, policy: Policy, answer: Any) -> Event | None:
    """The event with the signature that the policy server answers; None: that is none.

    Raises `TooLarge` for an event that has no room for it.
    """
    signatures = answer.get(policy.via) if isinstance(answer, dict) else None
    signature = signatures.get(KEY_ID) if isinstance(signatures, dict) else None
    value = event.parsed()
    if not isinstance(signature, str) or not _verifies(event, value, policy, signature):
        return None
    by_server = value["signatures"]
    # The sender's server may have the same name: its own signature has to stay.
    theirs = {**by_server.get(policy.via, {}), KEY_ID: signature}
    value["signatures"] = {**by_server, policy.via: theirs}
    json = canonical.encode_again(value, event.version)
    if len(json) > MAX_EVENT_BYTES:
        raise TooLarge("The event has no room for the policy server's signature")
    return msgspec.structs.replace(event, json=json)


def _verifies(event: Event, value: dict[str, Any], policy: Policy, signature: str) -> bool:
    key = policy.key
    if key is None:
        return False
    essential = hashing.essential_bytes(value, event.version, encode=canonical.encode_again)
    return key.verifies(essential, signature)
