"""The key ring: keys of other servers, from memory, the database, or the network.

Whom to ask first? A server that has just sent us something is there, answers in one step, and is
the best witness of its own keys: so for a few servers the ring asks them, and if they take longer
than a blink, the trusted key servers (notaries) as well; whoever answers first ends the wait. Where
the keys of many servers are wanted at once, as after joining a large room, half of them are slow
or gone, and each costs a look-up and a TLS handshake. There the notaries come first: they know a
hundred servers' keys in one answer, dead ones' too; only what they lack is asked of the servers.

Who asks for the keys of a server that somebody is asking for already waits with them. A server
that was asked is left alone for a while, the longer the more often it did not answer.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred, FirstError
from twisted.python.failure import Failure

from synapse.api.identifiers import is_server_name
from synapse.crypto.key_validity import Need
from synapse.crypto.server_keys import KeyDocument, KnownKeys, beside
from synapse.federation.key_fetching import KeySource
from synapse.federation.own_keys import OwnKeys
from synapse.storage.stores.server_keys import ServerKeyStore
from synapse.util.caches import Cache
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

_FEW = 5
_HEAD_START_S = 2.0
_HEAD_START_OF_NOTARIES_S = 10.0
# No round begins requests after that, and nobody waits longer for keys.
_ROUND_S = 45.0
_PATIENCE_S = 60.0
_MAX_WANTED = 2_000
_MAX_WANTED_BY_OTHERS = 500
# How soon a server is asked again. Keys change rarely; and whoever writes a made-up key id on a
# request makes us ask.
_PAUSE_AFTER_ANSWER_MS = 30_000
_FIRST_PAUSE_MS = 60_000
_LONGEST_PAUSE_MS = 600_000

Needs = Mapping[str, Sequence[Need]]


class _Asked(NamedTuple):
    """How the last try to get a server's keys ended."""

    failures: int
    again_ms: int


class KeyRing:
    """Knows the keys of servers, or finds them out."""

    def __init__(
        self,
        store: ServerKeyStore,
        servers: KeySource,
        notaries: KeySource,
        own: OwnKeys,
        clock: Clock,
    ) -> None:
        self._store = store
        self._servers = servers
        self._notaries = notaries
        self._own = own
        self._clock = clock
        self._known: Cache[str, KnownKeys] = Cache(10_000, "server_keys")
        # Apart, since anybody can make a notary ask: that a server doesn't answer then must not
        # keep us from asking the trusted key servers for what we need ourselves.
        self._asked: Cache[str, _Asked] = Cache(10_000)
        self._asked_for_others: Cache[str, _Asked] = Cache(10_000)
        # Servers that a round is asking for: whom to call when it is done with them.
        self._flights: dict[str, list[Callable[[str], None]]] = {}
        self._running: set[Deferred[None]] = set()
        self._closed = False

    async def keys(self, needs: Needs) -> dict[str, KnownKeys]:
        """What is known of the servers' keys, after having tried to find what is needed."""
        known = await self._remembered(needs)
        ends = self._clock.monotonic() + _PATIENCE_S
        # Twice, because the first round may be somebody else's, who needed something else.
        for _ in range(2):
            missing = {s: n for s, n in needs.items() if not _are_met(n, known.get(s, {}))}
            if not missing:
                break
            await self._fetch(missing, max(0.0, ends - self._clock.monotonic()))
            known.update(await self._remembered(missing))
        return known

    async def refresh(self, needs: Needs, patience_s: float) -> None:
        """Ask the servers themselves, even if the needs are met by what is known.

        For notaries, who shouldn't ask other notaries: they might ask us.
        """
        await self._fetch(needs, patience_s, for_others=True)

    async def known(self, servers: Sequence[str]) -> dict[str, KnownKeys]:
        """What is known of the servers' keys, without asking anybody."""
        return await self._remembered(dict.fromkeys(servers, ()))

    def close(self) -> None:
        """Ask nobody any more; those who wait get what is known."""
        self._closed = True
        for running in list(self._running):
            running.cancel()

    async def _remembered(self, needs: Needs) -> dict[str, KnownKeys]:
        found: dict[str, KnownKeys] = {}
        look_up = []
        for server, needed in needs.items():
            if server == self._own.server_name:
                found[server] = self._own.known()
                continue
            known = self._known.get(server)
            if known is not None:
                found[server] = known
            # Another process may have learned more than we remember.
            if (known is None or not _are_met(needed, known)) and is_server_name(server):
                look_up.append(server)
        if look_up:
            for server, known in (await self._store.known(look_up)).items():
                self._known[server] = found[server] = known
        return found

    async def _fetch(self, needs: Needs, patience_s: float, *, for_others: bool = False) -> None:
        """Returns when each server was asked, is not to be asked now, or patience ends."""
        now_ms = self._clock.now_ms()
        due = {
            server: needed
            for server, needed in needs.items()
            if server not in self._flights and self._is_due(server, now_ms, for_others)
        }
        most = _MAX_WANTED_BY_OTHERS if for_others else _MAX_WANTED
        for server in list(due)[max(0, most - len(self._flights)) :]:
            del due[server]
        for server in due:
            self._flights[server] = []
        waiting = {server for server in needs if server in self._flights}
        if not waiting:
            return
        landed: Deferred[None] = Deferred()

        def land(server: str) -> None:
            waiting.discard(server)
            if not waiting and not landed.called:
                landed.callback(None)

        for server in waiting:
            self._flights[server].append(land)
        if due:
            # Not as part of this request: who waits may go away, others still want the keys.
            self._start(self._ask(due, for_others))
        await self._clock.wait_for(landed, patience_s)

    async def _ask(self, due: dict[str, Sequence[Need]], for_others: bool) -> None:
        asked = self._asked_for_others if for_others else self._asked

        def land(server: str, answered: bool) -> None:
            self._note(asked, server, answered)
            for done in self._flights.pop(server):
                done(server)

        round = _Round(due, self._clock, self._learn, land)
        try:
            if for_others:
                await self._servers.ask(round)
            elif len(due) <= _FEW:
                await self._ask_in_turn(round, self._servers, self._notaries, _HEAD_START_S)
            else:
                await self._ask_in_turn(
                    round, self._notaries, self._servers, _HEAD_START_OF_NOTARIES_S
                )
        finally:
            left, round.left = round.left, {}
            for server in left:
                land(server, server in round.answered)

    async def _ask_in_turn(
        self, round: "_Round", first: KeySource, second: KeySource, head_start_s: float
    ) -> None:
        """The second begins when the first has ended, or the head start has."""
        ended: Deferred[None] = Deferred()

        def end(_: object) -> None:
            if not ended.called:
                ended.callback(None)

        running = self._start(first.ask(round)).addCallback(end)
        await self._clock.wait_for(ended, head_start_s)
        if round.left:
            await second.ask(round)
        await running

    async def _learn(self, documents: Sequence[KeyDocument]) -> dict[str, KnownKeys]:
        learned = await self._store.add(documents)
        for server, known in learned.items():
            self._known[server] = known
        return learned

    def _start(self, work: Coroutine[Any, Any, None]) -> "Deferred[None]":
        """Run it until it ends or the ring is closed; the result never fails."""
        running = Deferred.fromCoroutine(work)
        self._running.add(running)

        def end(result: object) -> None:
            self._running.discard(running)
            if isinstance(result, Failure) and not _is_cancelled(result):
                logger.error("Asking for server keys failed", exc_info=_exc_info(result))

        return running.addBoth(end)

    def _note(self, asked: Cache[str, _Asked], server: str, answered: bool) -> None:
        """How it went, and so when the server may be asked again."""
        now_ms = self._clock.now_ms()
        if answered:
            asked[server] = _Asked(0, now_ms + _PAUSE_AFTER_ANSWER_MS)
            return
        before = asked.get(server)
        failures = 0 if before is None else before.failures
        pause_ms = min(_FIRST_PAUSE_MS * 2 ** min(failures, 10), _LONGEST_PAUSE_MS)
        asked[server] = _Asked(failures + 1, now_ms + pause_ms)

    def _is_due(self, server: str, now_ms: int, for_others: bool) -> bool:
        if self._closed or server == self._own.server_name or not is_server_name(server):
            return False
        known = [self._asked.get(server)]
        if for_others:
            known.append(self._asked_for_others.get(server))
        return all(asked is None or now_ms >= asked.again_ms for asked in known)


class _Round:
    """See `key_fetching.Round`: a server lands as soon as what is known of it is enough."""

    def __init__(
        self,
        needs: Needs,
        clock: Clock,
        learn: Callable[[Sequence[KeyDocument]], Awaitable[dict[str, KnownKeys]]],
        land: Callable[[str, bool], None],
    ) -> None:
        self.left = dict(needs)
        # Servers with a document that was not enough.
        self.answered: set[str] = set()
        self._own_words: dict[str, KeyDocument] = {}
        self._clock = clock
        self._learn = learn
        self._land = land
        self._ends = clock.monotonic() + _ROUND_S

    @property
    def is_over(self) -> bool:
        return self._clock.monotonic() >= self._ends

    async def take(self, documents: Sequence[KeyDocument]) -> None:
        if not documents:
            return
        self._own_words.update({doc.server: doc for doc in documents if doc.is_direct})
        told = [self._beside_own_word(document) for document in documents]
        for server, known in (await self._learn(told)).items():
            self.answered.add(server)
            if server in self.left and _are_met(self.left[server], known):
                del self.left[server]
                self._land(server, True)

    def _beside_own_word(self, document: KeyDocument) -> KeyDocument:
        own = self._own_words.get(document.server)
        return document if own is None or document.is_direct else beside(own, document)


def _is_cancelled(failure: Failure) -> bool:
    cause = failure.value
    while isinstance(cause, FirstError):
        cause = cause.subFailure.value
    return isinstance(cause, CancelledError)


def _exc_info(failure: Failure) -> Any:
    return failure.type, failure.value, failure.getTracebackObject()


def _are_met(needs: Sequence[Need], known: KnownKeys) -> bool:
    return all(need.is_met_by(known) for need in needs)
