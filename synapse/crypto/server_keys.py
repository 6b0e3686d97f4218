"""Key documents: what a server says about its keys (`/_matrix/key/v2/server`), read and checked.

    document = read_document(json, "example.org", fetched_ms=now_ms, is_direct=True)
    known = merged(known, document)

What is known of a server's keys outlives the documents: a key that was vouched for until some time
stays good for events up to that time. `merged` is the one place that says what a new document
changes. A document is taken only if it is about the server that was asked for and signed with one
of the keys that it calls current.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from synapse.crypto.signing import InvalidKey, VerifyKey, signatures_by
from synapse.util import canonicaljson

# Server-server API, `valid_until_ts`: the lesser of it and seven days counts, or whoever steals
# a server's name for an hour could publish a key for ever.
MAX_LIFETIME_MS: Final = 7 * 24 * 3600 * 1000
MAX_DOCUMENT_BYTES: Final = 64 * 1024
_MAX_KEYS: Final = 100
# Of one server. More than one is kept only for keys that newer ones no longer mention.
_MAX_DOCUMENTS: Final = 10
_KEY_ID: Final = re.compile(r"ed25519:[!-~]{1,200}")


class InvalidDocument(ValueError):
    """The document can't be trusted; the text says why."""


@dataclass(frozen=True, slots=True)
class ServerKey:
    """A key of another server, and how far the document that named it last vouches for it."""

    key: VerifyKey
    valid_until_ms: int  # the document's, at most seven days after it was fetched
    expired_ms: int | None  # when the server stopped using it; None: it hasn't
    fetched_ms: int  # which document that was


KnownKeys: TypeAlias = Mapping[str, ServerKey]


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """A document that proved to be its server's own."""

    server: str
    keys: KnownKeys
    # Canonical JSON with no signatures but the server's valid ones: what a notary signs and sends.
    json: bytes
    valid_until_ms: int
    fetched_ms: int
    is_direct: bool  # from the server itself, not from a notary


def read_document(value: Any, server: str, *, fetched_ms: int, is_direct: bool) -> KeyDocument:
    """The document in `value`, if it is `server`'s. Raises `InvalidDocument`."""
    if not isinstance(value, dict):
        raise InvalidDocument("It is not a JSON object")
    if value.get("server_name") != server:
        raise InvalidDocument("Its server_name is another server's")
    until_ts = value.get("valid_until_ts")
    if type(until_ts) is not int or until_ts < 0:
        raise InvalidDocument("Its valid_until_ts is not a time")
    latest_ms = fetched_ms + MAX_LIFETIME_MS
    valid_until_ms = min(until_ts, latest_ms)
    keys: dict[str, ServerKey] = {}
    old_keys = value.get("old_verify_keys")
    for key, stated in _keys({} if old_keys is None else old_keys, "old_verify_keys"):
        expired_ts = stated.get("expired_ts")
        if type(expired_ts) is int and expired_ts >= 0:
            expired_ms = min(expired_ts, latest_ms)
            keys[key.key_id] = ServerKey(key, valid_until_ms, expired_ms, fetched_ms)
    current = {key.key_id: key for key, _ in _keys(value.get("verify_keys"), "verify_keys")}
    for key_id, key in current.items():
        keys[key_id] = ServerKey(key, valid_until_ms, None, fetched_ms)
    json = _without_foreign_signatures(value, server, current)
    return KeyDocument(server, keys, json, valid_until_ms, fetched_ms, is_direct)


def merged(known: KnownKeys, document: KeyDocument) -> dict[str, ServerKey]:
    """What is known of the server's keys after `document`.

    The server's own word replaces all that was said before, and a key that it no longer mentions
    has expired now. A notary's copy may be an old one: it adds and prolongs keys, but shortens
    none and brings back none that the server has put away.
    """
    keys = dict(known)
    if document.is_direct:
        for key_id, key in known.items():
            if key_id not in document.keys and key.expired_ms is None:
                expired_ms = min(key.valid_until_ms, document.fetched_ms)
                keys[key_id] = replace(key, expired_ms=expired_ms)
    for key_id, key in document.keys.items():
        before = known.get(key_id)
        if document.is_direct or before is None or _prolongs(before, key):
            keys[key_id] = key
    return _newest(keys)


def beside(own: KeyDocument, told: KeyDocument) -> KeyDocument:
    """What a notary's copy still says if the server's own document is there too: history.

    It may tell a key of which `own` says nothing, for the events that were signed with it; but
    such a key is no longer in use.
    """
    keys = {
        key_id: replace(key, expired_ms=min(key.valid_until_ms, own.fetched_ms))
        if key.expired_ms is None
        else key
        for key_id, key in told.keys.items()
        if key_id not in own.keys
    }
    return replace(told, keys=keys)


def _prolongs(before: ServerKey, key: ServerKey) -> bool:
    return before.expired_ms is None and key.valid_until_ms >= before.valid_until_ms


def _newest(keys: dict[str, ServerKey]) -> dict[str, ServerKey]:
    fetched = sorted({key.fetched_ms for key in keys.values()}, reverse=True)[:_MAX_DOCUMENTS]
    newest = (
        sorted(
            (item for item in keys.items() if item[1].fetched_ms >= fetched[-1]),
            key=lambda item: -item[1].fetched_ms,
        )
        if keys
        else []
    )
    return dict(newest[:_MAX_KEYS])


def _keys(stated: Any, name: str) -> list[tuple[VerifyKey, dict[str, Any]]]:
    """The keys that can be read, each with what is said of it; others harm only themselves."""
    if not isinstance(stated, dict):
        raise InvalidDocument(f"Its {name} is not an object")
    if len(stated) > _MAX_KEYS:
        raise InvalidDocument(f"It has more than {_MAX_KEYS} {name}")
    found = []
    for key_id, facts in stated.items():
        text = facts.get("key") if isinstance(facts, dict) else None
        if not isinstance(text, str) or not _KEY_ID.fullmatch(key_id):
            continue
        try:
            found.append((VerifyKey.from_base64(key_id, text), facts))
        except InvalidKey:
            continue
    return found


def _without_foreign_signatures(
    value: dict[str, Any], server: str, current: Mapping[str, VerifyKey]
) -> bytes:
    """The document with the signatures of its own current keys, which are verified here."""
    bare = {key: member for key, member in value.items() if key not in ("signatures", "unsigned")}
    try:
        message = canonicaljson.encode(bare)
    except canonicaljson.NotCanonical as error:
        raise InvalidDocument(f"It has no canonical JSON: {error}") from None
    if len(message) > MAX_DOCUMENT_BYTES:
        raise InvalidDocument(f"It has {len(message)} bytes, {MAX_DOCUMENT_BYTES} are allowed")
    own = {k: s for k, s in signatures_by(value, server).items() if k in current}
    for key_id, signature in own.items():
        if not current[key_id].verifies(message, signature):
            raise InvalidDocument(f"Its signature with {key_id} is wrong")
    if not own:
        raise InvalidDocument("None of its verify_keys has signed it")
    return canonicaljson.encode_trusted({**bare, "signatures": {server: own}})
