"""The children of a space: which `m.space.child` events count, and in which order.

Client-server API, "`m.space.child` relationship" and "Ordering of children within a space".
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from synapse.api.identifiers import is_room_id
from synapse.events.event import Event

SPACE: Final = "m.space"
CHILD: Final = "m.space.child"

# A space with more children shows the first of them.
_MAX_CHILDREN: Final = 500
# Room for fifty servers in `via`, and more; what is larger is no child but a burden.
_MAX_CHILD_BYTES: Final = 8_192
_ORDER: Final = re.compile(r"[\x20-\x7e]{1,50}")


@dataclass(frozen=True, slots=True)
class SpaceChild:
    """A valid `m.space.child`, as far as it is shown."""

    room_id: str
    sender: str
    content: dict[str, Any]
    origin_server_ts: int

    @classmethod
    def of(cls, event: Event) -> "SpaceChild":
        assert event.state_key is not None, "children are state events"
        return cls(event.state_key, event.sender, event.content, event.origin_server_ts)

    @property
    def is_suggested(self) -> bool:
        return self.content.get("suggested") is True

    @property
    def via(self) -> list[str]:
        """Servers that know the child."""
        via: list[str] = self.content["via"]
        return via

    def to_json(self) -> dict[str, Any]:
        """A stripped state event with its time."""
        return {
            "type": CHILD,
            "state_key": self.room_id,
            "content": self.content,
            "sender": self.sender,
            "origin_server_ts": self.origin_server_ts,
        }


def children_of(state: Iterable[Event]) -> list[Event]:
    """The valid `m.space.child` events among a space's state, in the specification's order."""
    return sorted(filter(_is_child, state), key=_place)[:_MAX_CHILDREN]


def _is_child(event: Event) -> bool:
    if event.type != CHILD or not is_room_id(event.state_key):
        return False
    if len(event.json) > _MAX_CHILD_BYTES:
        return False
    via = event.content.get("via")
    return isinstance(via, list) and bool(via) and all(isinstance(server, str) for server in via)


def _place(child: Event) -> tuple[bool, str, int, str]:
    order = child.content.get("order")
    if not isinstance(order, str) or _ORDER.fullmatch(order) is None:
        order = None
    return order is None, order or "", child.origin_server_ts, child.state_key or ""
