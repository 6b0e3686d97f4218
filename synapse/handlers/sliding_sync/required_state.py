"""`required_state`: which of a room's state a client wants to have."""

from collections.abc import Iterable
from dataclasses import dataclass

from synapse.api.constants import EventTypes
from synapse.events.event import Event
from synapse.rooms.room import Slot

ANY = "*"
LAZY = "$LAZY"
ME = "$ME"


@dataclass(frozen=True, slots=True)
class RequiredState:
    """A set of slots; a type or a state key of `*` stands for all of them."""

    pairs: frozenset[Slot] = frozenset()

    @classmethod
    def of(cls, pairs: Iterable[Slot], user_id: str) -> "RequiredState":
        return cls(frozenset((type_, user_id if key == ME else key) for type_, key in pairs))

    def __or__(self, other: "RequiredState") -> "RequiredState":
        return RequiredState(self.pairs | other.pairs)

    @property
    def all_members(self) -> bool:
        if (EventTypes.MEMBER, ANY) in self.pairs:
            return True
        return (ANY, ANY) in self.pairs and (EventTypes.MEMBER, LAZY) not in self.pairs

    @property
    def lazy_members(self) -> bool:
        return (EventTypes.MEMBER, LAZY) in self.pairs and not self.all_members

    @property
    def needs_all(self) -> bool:
        """Whether slots of any name, other than members, may be meant."""
        return any(
            type_ == ANY or (key == ANY and type_ != EventTypes.MEMBER) for type_, key in self.pairs
        )

    def slots(self) -> list[Slot]:
        """The slots that are named one by one."""
        return [
            (type_, key) for type_, key in self.pairs if type_ != ANY and key not in (ANY, LAZY)
        ]

    def matches(self, event: Event) -> bool:
        """Whether this state event is wanted, whoever speaks."""
        type_, key = event.slot
        if (type_, key) in self.pairs:
            return True
        if type_ == EventTypes.MEMBER:
            return self.all_members or (ANY, key) in self.pairs
        return not self.pairs.isdisjoint(((type_, ANY), (ANY, key), (ANY, ANY)))
