"""Which events of a large state decide about the auth difference of a few conflicting ones.

The auth difference of some states is what is in, or below, some of them but not all. All of them
share nearly all of their events: of 20,000 members, two states may differ in one. What only the
conflicting events lead to is soon found; but each of it is out of the difference if any of the
20,000 leads to it, too. To ask all of them would mean to read the auth graph of the whole room.

    conflict:   a topic by u                    a topic by v
    below it:   create, levels, join of u       create, levels, join of v

Candidates are the two joins here. Three things make it short. What fills a candidate's slot in the
shared state usually is the candidate, or leads to it: a user's join that is followed by another. An
event has a greater number than those that authorise it, so only the shared events behind the oldest
candidate that is left need be asked; and of these the next ones first, since they likely cite what
was new then. (A few events have been numbered before what authorises them: invitations of which we
knew before we knew the room. They are asked always.)
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

_AT_ONCE = 500


class Citations(Protocol):
    """The auth graph, by numbers of events."""

    def cited_by(self, nids: Collection[int]) -> Mapping[int, Sequence[int]]:
        """Of each event its auth events."""
        ...

    def slot_of(self, nid: int) -> int:
        """The slot of an event that `cited_by` was asked about."""
        ...


class Shared(Protocol):
    """What all states agree on."""

    def filling(self, slot_nid: int) -> int:
        """The event that fills a slot; 0: none does."""
        ...

    def behind(self, nid: int) -> list[int]:
        """The events that are numbered behind this one, or out of order; in their order."""
        ...


def deciding(
    conflicted: Sequence[Collection[int]], citations: Citations, shared: Shared
) -> list[int]:
    """As many of the shared events as tell the same auth difference as all of them."""
    below = [_closure(events, citations) for events in conflicted]
    candidates = below[0].union(*below) - below[0].intersection(*below)
    # What conflicts need not be in the difference to be tried.
    candidates.difference_update(*conflicted)
    chosen = {filling for nid in candidates if (filling := shared.filling(citations.slot_of(nid)))}
    covered = _closure(chosen, citations)
    candidates -= covered
    if candidates:
        ahead = [nid for nid in shared.behind(min(candidates)) if nid not in covered]
        for start in range(0, len(ahead), _AT_ONCE):
            some = ahead[start : start + _AT_ONCE]
            chosen.update(some)
            covered |= _closure(some, citations, without=covered)
            candidates -= covered
            if not candidates:
                break
    return sorted(chosen)


def _closure(
    nids: Iterable[int], citations: Citations, *, without: Collection[int] = ()
) -> set[int]:
    """Events, and all that they lead to."""
    found: set[int] = set()
    level = set(nids)
    while level:
        found |= level
        cited = citations.cited_by(level)
        level = {nid for nids in cited.values() for nid in nids if nid not in found}
        if without:
            level = {nid for nid in level if nid not in without}
    return found
