"""From what another server says is an event to an event that can be judged.

Server-server API, "Checks performed on receipt of a PDU", 1 to 3: the form, the signatures, the
hashes. What follows needs the room (`synapse.rooms.receiver`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from synapse.api.errors import MatrixError
from synapse.api.room_versions import RoomVersion
from synapse.events.event import Event
from synapse.events.parsing import ReceivedEvent, parse_received
from synapse.events.redaction import redacted_event
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock


class Signatures(Protocol):
    """What verifies them: `synapse.federation.signature_checks.SignatureChecks`."""

    async def check_events(self, received: Sequence[ReceivedEvent]) -> Sequence[Exception | None]:
        """For each event what is wrong with its signatures; None: nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class Verified:
    """An event with the right signatures. If its content was changed, it is redacted."""

    event: Event
    signed_by: frozenset[str]


@dataclass(frozen=True, slots=True)
class Refused:
    """What is no event, or not by who is said to have sent it."""

    event_id: str | None  # None: it has none that can be told
    reason: str


class Pdus:
    """Parses and verifies."""

    def __init__(self, signatures: Signatures, clock: Clock) -> None:
        self._signatures = signatures
        self._clock = clock

    async def verify(
        self,
        version: RoomVersion,
        room_id: str,
        values: Sequence[Any],
        *,
        limits_references: bool = True,
    ) -> list[Verified | Refused]:
        """What each value is, in the same order; events of other rooms are refused.

        `limits_references=False` is for history: what was accepted long ago may cite more events
        than is allowed today.
        """
        breaks = Breaks(self._clock)
        parsed: list[ReceivedEvent | Refused] = []
        for value in values:
            parsed.append(_parse(version, room_id, value, limits_references))
            await breaks.take()
        received = [one for one in parsed if isinstance(one, ReceivedEvent)]
        # In this order, and not by id: in versions 1 and 2, two events may say that they have the
        # same one.
        errors = iter(await self._signatures.check_events(received))
        verdicts: list[Verified | Refused] = []
        async for some in breaks.portions(parsed):
            for one in some:
                verdicts.append(one if isinstance(one, Refused) else _verdict(one, next(errors)))
        return verdicts


def _parse(
    version: RoomVersion, room_id: str, value: Any, limits_references: bool
) -> ReceivedEvent | Refused:
    try:
        received = parse_received(value, version, limits_references=limits_references)
    except MatrixError as error:
        claimed = value.get("event_id") if isinstance(value, dict) else None
        return Refused(claimed if isinstance(claimed, str) else None, str(error))
    event = received.event
    if event.room_id != room_id:
        return Refused(event.event_id, f"The event is of the room {event.room_id}")
    return received


def _verdict(parsed: ReceivedEvent, error: Exception | None) -> Verified | Refused:
    event = parsed.event
    if error is not None:
        return Refused(event.event_id, str(error))
    if not parsed.content_hash_matches:
        event = redacted_event(event)
    return Verified(event, frozenset(parsed.signatures))
