"""Room history visibility: who may see which event (client-server API, the module of that name).

Two facts about the room at the event decide: the history visibility, and the reader's own
membership. An event that changes one of them may be seen if the state before it or the state after
it allows that; for all other events before and after are the same. So the rule is asked about a
`Standing` before and one after, whatever the event's type.
"""

from dataclasses import dataclass
from typing import Any, Final

from synapse.api.constants import HistoryVisibility, Membership

_KNOWN: Final = frozenset(
    (
        HistoryVisibility.WORLD_READABLE,
        HistoryVisibility.SHARED,
        HistoryVisibility.INVITED,
        HistoryVisibility.JOINED,
    )
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a reader stands to a room at some point of its history."""

    visibility: str = HistoryVisibility.SHARED  # as `history_visibility` gives it
    membership: str = Membership.LEAVE  # the reader's; "leave" if they had none


def history_visibility(content: dict[str, Any] | None) -> str:
    """The value in the content of the room's `m.room.history_visibility`; None: there is none.

    What is absent or not understood means `shared`.
    """
    value = None if content is None else content.get("history_visibility")
    return value if isinstance(value, str) and value in _KNOWN else HistoryVisibility.SHARED


def may_see(before: Standing, after: Standing, *, joined_later: bool) -> bool:
    """Whether the reader may see the event that stands between `before` and `after`.

    `joined_later`: the reader joined at any point after the event, or is joined now. (For one who
    has left again, an event after the leave is one after which they didn't join.)
    """
    return _allows(before, joined_later) or _allows(after, joined_later)


def _allows(standing: Standing, joined_later: bool) -> bool:
    if standing.visibility == HistoryVisibility.WORLD_READABLE:  # 1
        return True
    if standing.membership == Membership.JOIN:  # 2
        return True
    if standing.visibility == HistoryVisibility.SHARED and joined_later:  # 3
        return True
    return (  # 4, 5
        standing.visibility == HistoryVisibility.INVITED
        and standing.membership == Membership.INVITE
    )
