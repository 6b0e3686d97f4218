"""Which key counts for what was signed when, and whether the signatures are right.

What was signed has a `Moment`. A request between servers is signed now, by a current key. An event
is signed at its `origin_server_ts`, maybe by a key that has been put away since; in room versions
1 to 4 the time doesn't matter (`enforce_key_validity`): their servers never agreed on a rule, so
a server that had one would see other rooms than its peers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from synapse.api.room_versions import RoomVersion
from synapse.crypto.server_keys import KnownKeys, ServerKey
from synapse.crypto.signing import InvalidSignature


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was signed, as far as that matters."""

    at_ms: int  # 0: any key has been good since then
    old_keys_count: bool = True


def request_signed(now_ms: int) -> Moment:
    """Of a request that has arrived: no old key signs any more."""
    return Moment(now_ms, old_keys_count=False)


def event_signed(origin_server_ts: int, version: RoomVersion) -> Moment:
    """Of an event in a room of this version."""
    return Moment(origin_server_ts if version.enforce_key_validity else 0)


@dataclass(frozen=True, slots=True)
class Need:
    """One of these keys (any key, if none is named), good at that moment."""

    key_ids: frozenset[str]
    moment: Moment

    def is_met_by(self, known: KnownKeys) -> bool:
        wanted = self.key_ids or known
        return any(key_id in known and counts(known[key_id], self.moment) for key_id in wanted)


def counts(key: ServerKey, moment: Moment) -> bool:
    """Whether the key may have signed at that moment."""
    if key.expired_ms is not None:
        return moment.old_keys_count and key.expired_ms >= moment.at_ms
    return key.valid_until_ms >= moment.at_ms


def check_signatures(
    server: str, message: bytes, signatures: Mapping[str, str], known: KnownKeys, moment: Moment
) -> None:
    """Passes if `server` signed `message` at that moment, else raises `InvalidSignature`.

    Signatures by keys that aren't known, or don't count then, are passed over, as the specification
    wants it: policy servers sign with keys that nobody publishes. All others must be right, and
    there must be one.
    """
    usable = {k: known[k] for k in signatures if k in known and counts(known[k], moment)}
    if not usable:
        raise InvalidSignature(_why_none(server, signatures, known))
    for key_id, key in usable.items():
        if not key.key.verifies(message, signatures[key_id]):
            raise InvalidSignature(f"The signature by {server} with {key_id} is wrong")


def _why_none(server: str, key_ids: Iterable[str], known: KnownKeys) -> str:
    names = ", ".join(sorted(key_ids))
    if not names:
        return f"Not signed by {server}"
    if not known:
        return f"No keys of {server} could be found to check its signature with {names}"
    lapsed = [key_id for key_id in key_ids if key_id in known]
    if lapsed:
        return f"The key {lapsed[0]} of {server} was not valid when this was signed"
    return f"{server} has no such key: {names}"
