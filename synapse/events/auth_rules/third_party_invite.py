"""Rule 5.4.1: an invitation of a third-party identifier becomes one of a user.

An identity server signed "this Matrix user has the identifier with that token", with one of the
keys that the `m.room.third_party_invite` event announced.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, Final

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from synapse.api.constants import EventTypes
from synapse.events.auth_rules.error import AuthError
from synapse.events.auth_selection import Slot
from synapse.events.event import Event
from synapse.util import canonicaljson

# An honest event has one or two keys and signatures. A hostile one has room for a thousand of
# each, and trying each pair would take a minute.
_MAX_VERIFICATIONS: Final = 100


def check_third_party_signature(event: Event, target: str, state: Mapping[Slot, Event]) -> None:
    third_party = event.content["third_party_invite"]
    signed = third_party.get("signed") if isinstance(third_party, dict) else None
    if not isinstance(signed, dict):  # 5.4.1.2
        raise AuthError("The third-party invitation is not signed")
    mxid, token = signed.get("mxid"), signed.get("token")
    if not isinstance(mxid, str) or not isinstance(token, str):  # 5.4.1.3
        raise AuthError("The signed part of the third-party invitation lacks mxid or token")
    if mxid != target:  # 5.4.1.4
        raise AuthError(f"The third-party invitation is for {mxid}, not for {target}")
    invitation = state.get((EventTypes.THIRD_PARTY_INVITE, token))
    if invitation is None:  # 5.4.1.5
        raise AuthError("There is no such third-party invitation in this room")
    if event.sender != invitation.sender:  # 5.4.1.6
        raise AuthError("The third-party invitation was made by another user")
    if signing_key(signed, invitation) is None:  # 5.4.1.7, 5.4.1.8
        raise AuthError("The third-party invitation has no valid signature")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that an invitation announces, as it is written there."""

    public_key: str
    validity_url: str | None  # where to ask whether it still counts


def signing_key(signed: dict[str, Any], invitation: Event) -> SigningKey | None:
    """The key of an `m.room.third_party_invite` that signed this, if any did."""
    version = invitation.version
    unsigned = {k: v for k, v in signed.items() if k not in ("signatures", "unsigned")}
    encode = canonicaljson.encode if version.strict_canonical_json else canonicaljson.encode_lax
    try:
        message = encode(unsigned)
    except canonicaljson.NotCanonical:
        return None
    pairs = product(_signatures(signed), _keys(invitation))
    for signature, (key, entry) in islice(pairs, _MAX_VERIFICATIONS):
        if _verifies(key, message, signature):
            url = entry.get("key_validity_url")
            return SigningKey(entry["public_key"], url if isinstance(url, str) else None)
    return None


def _keys(invitation: Event) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The keys, each with the object that announces it."""
    content = invitation.content
    listed = content.get("public_keys")
    entries = [content, *listed] if isinstance(listed, list) else [content]
    for entry in entries:
        key = _decode(entry.get("public_key")) if isinstance(entry, dict) else None
        if key is not None:
            yield key, entry


def _signatures(signed: dict[str, Any]) -> Iterator[bytes]:
    servers = signed.get("signatures")
    for signatures in servers.values() if isinstance(servers, dict) else ():
        for key_id, encoded in signatures.items() if isinstance(signatures, dict) else ():
            signature = _decode(encoded) if key_id.startswith("ed25519:") else None
            if signature is not None:
                yield signature


def _decode(encoded: Any) -> bytes | None:
    """Unpadded base64 in the standard or the URL-safe alphabet."""
    if not isinstance(encoded, str):
        return None
    standard = encoded.rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
    try:
        return b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _verifies(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(key).verify(message, signature)
    except (CryptoError, ValueError, TypeError):  # a wrong signature; wrong lengths
        return False
    return True
