"""In which order to try the targets of SRV records (RFC 2782, "Usage rules")."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

from synapse.http.discovery.addresses import Target


@dataclass(frozen=True, slots=True)
class SrvRecord:
    priority: int
    weight: int
    port: int
    host: str


def ordered(records: Iterable[SrvRecord], random: Callable[[], float]) -> list[Target]:
    """The lowest priority number first; within one, by lot, the chances being the weights'."""
    targets = []
    by_priority = sorted(records, key=lambda record: record.priority)
    for _, same in groupby(by_priority, key=lambda record: record.priority):
        # Those without weight first, so that they have a (small) chance at all.
        left = sorted(same, key=lambda record: record.weight)
        while left:
            drawn = random() * (sum(record.weight for record in left) + 1)
            for record in left:
                drawn -= record.weight
                if drawn < 1:
                    break
            left.remove(record)
            targets.append(Target(record.host, record.port))
    return targets
