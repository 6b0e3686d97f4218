"""Where keys come from: the servers themselves, and notaries.

Both take a `Round`: the servers whose keys somebody waits for. They hand it the documents that they
get, and look at `round.left` to see who is still wanted. What goes wrong with one server or notary
is a line in the log; it never ends the round.
"""

import logging
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred, gatherResults

from synapse.crypto.key_validity import Need
from synapse.crypto.server_keys import InvalidDocument, KeyDocument, read_document
from synapse.crypto.signing import InvalidSignature, VerifyKey, verify_json
from synapse.federation.wire import Transport
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 (an item)

# A server that is alive answers within a second; most of the others never do.
_DIRECT_TIMEOUT_S = 10.0
_DIRECT_AT_ONCE = 30
# A notary may first have to ask the servers itself.
_NOTARY_TIMEOUT_S = 30.0
_SERVERS_PER_QUERY = 100
_QUERIES_AT_ONCE = 3
# Documents of one server in a notary's answer: one for each of the keys asked for, and then some.
_MAX_DOCUMENTS_PER_SERVER = 20


class Round(Protocol):
    """Servers whose keys are wanted, and where the documents go."""

    left: dict[str, Sequence[Need]]

    @property
    def is_over(self) -> bool:
        """Time is up: begin nothing new."""
        ...

    async def take(self, documents: Sequence[KeyDocument]) -> None: ...


class KeySource(Protocol):
    async def ask(self, round: Round) -> None:
        """Returns when all that can be had has been handed over."""
        ...


@dataclass(frozen=True, slots=True)
class TrustedNotary:
    """A notary that we believe. Without keys, its TLS certificate alone vouches for it."""

    server: str
    keys: tuple[VerifyKey, ...] = ()


class ServersThemselves:
    """Asks each server for its own document."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    async def ask(self, round: Round) -> None:
        async def ask_one(server: str) -> None:
            if server in round.left and not round.is_over:
                document = await self._document(server)
                if document is not None:
                    await round.take([document])

        await _each(list(round.left), _DIRECT_AT_ONCE, ask_one)

    async def _document(self, server: str) -> KeyDocument | None:
        request = self._transport.request(server, "GET", "/_matrix/key/v2/server")
        try:
            answer = await _within(self._clock, request, _DIRECT_TIMEOUT_S)
            return read_document(answer, server, fetched_ms=self._clock.now_ms(), is_direct=True)
        except CancelledError:
            raise
        except InvalidDocument as error:
            logger.warning("The keys that %s publishes are not valid: %s", server, error)
        except Exception as error:
            logger.info("%s doesn't tell its keys: %s", server, error)
        return None


class Notaries:
    """Asks the trusted key servers, one after the other, for what is still missing."""

    def __init__(
        self, transport: Transport, clock: Clock, notaries: Sequence[TrustedNotary]
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._notaries = notaries

    async def ask(self, round: Round) -> None:
        for notary in self._notaries:

            async def query(servers: list[str], notary: TrustedNotary = notary) -> None:
                asked = {s: round.left[s] for s in servers if s in round.left}
                if asked and not round.is_over:
                    await round.take(await self._documents(notary, asked))

            await _each(_chunks(list(round.left)), _QUERIES_AT_ONCE, query)

    async def _documents(
        self, notary: TrustedNotary, asked: Mapping[str, Sequence[Need]]
    ) -> list[KeyDocument]:
        criteria = {server: _criteria(needs) for server, needs in asked.items()}
        request = self._transport.request(
            notary.server, "POST", "/_matrix/key/v2/query", json={"server_keys": criteria}
        )
        try:
            answer = await _within(self._clock, request, _NOTARY_TIMEOUT_S)
        except CancelledError:
            raise
        except Exception as error:
            logger.info("The key server %s doesn't answer: %s", notary.server, error)
            return []
        stated = answer.get("server_keys") if isinstance(answer, dict) else None
        if not isinstance(stated, list):
            logger.warning("The key server %s answers without server_keys", notary.server)
            return []
        return [document async for document in self._valid(notary, stated, asked)]

    async def _valid(
        self, notary: TrustedNotary, stated: list[Any], asked: Mapping[str, Sequence[Need]]
    ) -> AsyncIterator[KeyDocument]:
        breaks = Breaks(self._clock)
        room = dict.fromkeys(asked, _MAX_DOCUMENTS_PER_SERVER)
        for value in stated:
            server = value.get("server_name") if isinstance(value, dict) else None
            # What nobody asked for costs nothing but this look.
            if not isinstance(server, str) or not room.get(server):
                continue
            room[server] -= 1
            await breaks.take()
            try:
                _check_notary(notary, value)
                yield read_document(value, server, fetched_ms=self._clock.now_ms(), is_direct=False)
            except (InvalidDocument, InvalidSignature) as error:
                logger.warning(
                    "The key server %s tells invalid keys of %s: %s", notary.server, server, error
                )


def _check_notary(notary: TrustedNotary, document: dict[str, Any]) -> None:
    """Raises `InvalidSignature` unless one of the notary's known keys, if there are any, signed."""
    wrong: InvalidSignature | None = None
    for key in notary.keys:
        try:
            verify_json(document, notary.server, key)
            return
        except InvalidSignature as error:
            wrong = error
    if wrong is not None:
        raise wrong


def _criteria(needs: Sequence[Need]) -> dict[str, dict[str, int]]:
    """Which keys a notary is asked for, and until when each must be valid."""
    until: dict[str, int] = {}
    for need in needs:
        for key_id in need.key_ids:
            until[key_id] = max(until.get(key_id, 0), need.moment.at_ms)
    return {key_id: {"minimum_valid_until_ts": ts} for key_id, ts in until.items()}


def _chunks(servers: list[str]) -> list[list[str]]:
    starts = range(0, len(servers), _SERVERS_PER_QUERY)
    return [servers[start : start + _SERVERS_PER_QUERY] for start in starts]


async def _each(items: Iterable[I], at_once: int, work: Callable[[I], Awaitable[None]]) -> None:
    """`work` for every item, a few at once."""
    remaining = iter(items)  # which all workers share

    async def take_next() -> None:
        for item in remaining:
            await work(item)

    workers = [Deferred.fromCoroutine(take_next()) for _ in range(at_once)]
    await gatherResults(workers, consumeErrors=True)


async def _within(clock: Clock, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
    """The work's result. Raises `TimeoutError` when time is up, and cancels it."""
    running = Deferred.fromCoroutine(work)
    timer = clock.call_later(timeout_s, running.cancel)
    try:
        return await running
    except CancelledError:
        if timer.active():
            raise  # who waited has gone away
        raise TimeoutError(f"no answer within {timeout_s:g} s") from None
    finally:
        if timer.active():
            timer.cancel()
