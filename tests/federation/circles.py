"""Events that stand on each other, or authorise each other, as room versions 1 and 2 let one write
them: there servers choose the ids."""

from collections.abc import Mapping, Sequence
from typing import Any

from synapse.api.room_versions import RoomVersion
from synapse.crypto.signing import SigningKey
from tests.federation.mutations import resigned

# Through what a circle goes.
WAYS = (("prev_events",), ("auth_events",), ("prev_events", "auth_events"))


def circle(
    like: Mapping[str, Any],
    version: RoomVersion,
    server: str,
    key: SigningKey,
    *,
    length: int,
    through: Sequence[str],
    name: str = "circle",
) -> list[dict[str, Any]]:
    """So many events like one, each of which names the next, and the last the first."""
    ids = [f"${name}{number}:{server}" for number in range(length)]
    events = []
    for number, event_id in enumerate(ids):
        event = {**like, "event_id": event_id, "depth": like["depth"] + number}
        for way in through:
            event[way] = [*like[way], [ids[(number + 1) % length], {"sha256": "x"}]]
        events.append(resigned(event, version, server, key))
    return events
