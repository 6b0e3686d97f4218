"""Whether other servers signed what they are said to have signed.

checks = SignatureChecks(ring, clock)
await checks.check(Signed(origin, message, {key_id: signature}, request_signed(now_ms)))
verdicts = await checks.check_events(received)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from synapse.api.identifiers import domain_of, is_server_name
from synapse.crypto.key_validity import Moment, Need, check_signatures, event_signed
from synapse.crypto.server_keys import KnownKeys
from synapse.crypto.signing import ALGORITHM, InvalidSignature
from synapse.events.event import Event
from synapse.events.parsing import ReceivedEvent
from synapse.federation.keyring import KeyRing
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock

# By one server, on one thing. Its own key and a policy server's make two.
_MAX_SIGNATURES = 20

# None: it is signed as it should be. Else what is wrong.
Verdict = InvalidSignature | None


@dataclass(frozen=True, slots=True)
class Signed:
    """Bytes and the signatures that one server is said to have made over them."""

    server: str
    message: bytes
    signatures: Mapping[str, str]  # key id → base64
    moment: Moment


class SignatureChecks:
    """Finds the keys, and verifies."""

    def __init__(self, ring: KeyRing, clock: Clock) -> None:
        self._ring = ring
        self._clock = clock

    async def check(self, signed: Signed) -> None:
        """Passes if the server signed it. Raises `InvalidSignature`, which says what is wrong."""
        (verdict,) = await self.check_all([signed])
        if verdict is not None:
            raise verdict

    async def check_all(self, items: Sequence[Signed]) -> list[Verdict]:
        """A verdict for each item, with one look for the keys of all."""
        breaks = Breaks(self._clock)
        keys = await self._ring.keys(await _needs(items, breaks))
        verdicts = []
        for item in items:
            verdicts.append(_verdict(item, keys.get(item.server, {})))
            await breaks.take()
        return verdicts

    async def check_events(self, received: Sequence[ReceivedEvent]) -> list[Verdict]:
        """A verdict for each event: all servers that must have signed it have."""
        items: list[Signed] = []
        bounds = [0]
        breaks = Breaks(self._clock)
        for one in received:
            await breaks.take()
            moment = event_signed(one.event.origin_server_ts, one.event.version)
            for server in sorted(required_signers(one.event)):
                signatures = one.signatures.get(server, {})
                items.append(Signed(server, one.essential, signatures, moment))
            bounds.append(len(items))
        verdicts = await self.check_all(items)
        return [
            next((wrong for wrong in verdicts[start:end] if wrong is not None), None)
            for start, end in pairwise(bounds)
        ]


def required_signers(event: Event) -> set[str]:
    """The servers without whose signatures the event is not valid.

    Server-server API, "Validating hashes and signatures on received events", and the rule about
    `join_authorised_via_users_server` in the room versions that have it.
    """
    servers = set()
    content = event.content
    is_member = event.type == "m.room.member"
    # An invite that a third party has announced may be sent by another server than the inviter's;
    # the auth rules check the third party's signature instead.
    invites = is_member and event.membership == "invite"
    if not (invites and "third_party_invite" in content):
        servers.add(domain_of(event.sender))
    if event.version.events_have_ids:
        servers.add(domain_of(event.event_id))
    if is_member and event.version.restricted_joins:
        authoriser = content.get("join_authorised_via_users_server")
        if isinstance(authoriser, str):
            servers.add(domain_of(authoriser))
    return servers


async def _needs(items: Sequence[Signed], breaks: Breaks) -> dict[str, list[Need]]:
    """What the ring is asked for: of each server and set of keys once, for the latest moment."""
    latest: dict[tuple[str, frozenset[str], bool], int] = {}
    for item in items:
        await breaks.take()
        if _complaint(item) is None:
            moment = item.moment
            key = (item.server, frozenset(_ours(item.signatures)), moment.old_keys_count)
            latest[key] = max(latest.get(key, 0), moment.at_ms)
    needs: dict[str, list[Need]] = {}
    for (server, key_ids, old_keys_count), at_ms in latest.items():
        needs.setdefault(server, []).append(Need(key_ids, Moment(at_ms, old_keys_count)))
    return needs


def _verdict(item: Signed, known: KnownKeys) -> Verdict:
    complaint = _complaint(item)
    if complaint is not None:
        return InvalidSignature(complaint)
    try:
        check_signatures(item.server, item.message, _ours(item.signatures), known, item.moment)
    except InvalidSignature as wrong:
        return wrong
    return None


def _complaint(item: Signed) -> str | None:
    """What is wrong before any key is known."""
    if not is_server_name(item.server):
        return f"{item.server[:100]!r} is not a server's name"
    count = len(_ours(item.signatures))
    if count == 0:
        return f"Not signed by {item.server}"
    if count > _MAX_SIGNATURES:
        return f"Signed {count} times by {item.server}"
    return None


def _ours(signatures: Mapping[str, str]) -> dict[str, str]:
    """Those of the algorithm that we know."""
    return {k: s for k, s in signatures.items() if k.startswith(f"{ALGORITHM}:")}
