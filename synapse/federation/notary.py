"""This server as a notary: it tells what other servers say about their keys, and signs it.

What it knows it answers from the database. For what it lacks, or what is past half of its
lifetime, it asks the server itself; but nobody can make it ask endlessly: each asker has a budget,
all together have one, and whoever has spent it gets what is known.
"""

from collections.abc import Mapping, Sequence

from synapse.api.identifiers import is_server_name
from synapse.api.ratelimits import RateLimits
from synapse.crypto.key_validity import Need
from synapse.crypto.server_keys import KnownKeys
from synapse.federation.keyring import KeyRing
from synapse.federation.own_keys import OwnKeys
from synapse.storage.stores.server_keys import ServerKeyStore
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock

# Servers in one query; what is beyond them is left out, as if they didn't answer.
_MAX_SERVERS = 1_000
_MAX_ANSWER_BYTES = 8 * 1024 * 1024
_PATIENCE_S = 15.0

# Which keys of a server, and until when they should be valid.
Criteria = Sequence[Need]


class Notary:
    """Answers `/_matrix/key/v2/query`."""

    def __init__(self, ring: KeyRing, store: ServerKeyStore, own: OwnKeys, clock: Clock) -> None:
        self._ring = ring
        self._store = store
        self._own = own
        self._clock = clock
        # Servers that we ask on behalf of others.
        self._per_asker = RateLimits(1, 200)
        self._overall = RateLimits(10, 500)

    async def documents(self, asked: Mapping[str, Criteria], asker: str) -> list[bytes]:
        """The documents of those servers that have any, as JSON with our signature."""
        names = [server for server in asked if is_server_name(server)][:_MAX_SERVERS]
        await self._refresh({server: asked[server] for server in names}, asker)
        known = await self._ring.known(names)
        stored = await self._store.documents(names)
        breaks = Breaks(self._clock)
        signed: list[bytes] = []
        size = 0
        for server in names:
            for document in self._chosen(server, asked[server], known.get(server, {}), stored):
                signed.append(self._own.notarise(document))
                size += len(signed[-1])
                await breaks.take()
            if size > _MAX_ANSWER_BYTES:
                break
        return signed

    async def _refresh(self, asked: Mapping[str, Criteria], asker: str) -> None:
        now_ms = self._clock.now_ms()
        known = await self._ring.known(list(asked))
        stale: dict[str, Criteria] = {}
        for server, criteria in asked.items():
            if server == self._own.server_name or _suffices(
                known.get(server, {}), criteria, now_ms
            ):
                continue
            if self._per_asker.take(asker, now_ms) or self._overall.take("", now_ms):
                break
            stale[server] = criteria
        if stale:
            await self._ring.refresh(stale, _PATIENCE_S)

    def _chosen(
        self,
        server: str,
        criteria: Criteria,
        known: KnownKeys,
        stored: Mapping[tuple[str, int], bytes],
    ) -> list[bytes]:
        """The newest document, and older ones if only these have a key that was asked for."""
        if server == self._own.server_name:
            return [self._own.document()]
        key_ids = frozenset().union(*(need.key_ids for need in criteria))
        fetched = {known[key_id].fetched_ms for key_id in key_ids if key_id in known}
        fetched.add(max((key.fetched_ms for key in known.values()), default=0))
        found = (stored.get((server, fetched_ms)) for fetched_ms in sorted(fetched))
        return [document for document in found if document is not None]


def _suffices(known: KnownKeys, needs: Criteria, now_ms: int) -> bool:
    """Whether what is known meets the needs and is in the first half of its lifetime."""
    if not all(need.is_met_by(known) for need in needs):
        return False
    newest = max(known.values(), key=lambda key: key.fetched_ms)
    return now_ms < (newest.fetched_ms + newest.valid_until_ms) // 2
