"""What an event says of its relation to another one (client-server API, "Forming relationships").

A relation that doesn't have the specified form is none; the event itself is fine.
"""

from dataclasses import dataclass
from typing import Any, Final

from synapse.api.constants import EventTypes
from synapse.api.identifiers import is_event_id, is_short_text
from synapse.events.event import Event

ANNOTATION: Final = "m.annotation"
REFERENCE: Final = "m.reference"
REPLACE: Final = "m.replace"
THREAD: Final = "m.thread"


@dataclass(frozen=True, slots=True)
class Relation:
    """A child's relation to its parent."""

    parent_id: str
    rel_type: str
    key: str | None  # of annotations

    @classmethod
    def of(cls, content: dict[str, Any]) -> "Relation | None":
        """The relation of which a content tells."""
        relates_to = content.get("m.relates_to")
        if not isinstance(relates_to, dict):
            return None
        parent_id, rel_type = relates_to.get("event_id"), relates_to.get("rel_type")
        if not is_event_id(parent_id):
            return None
        if not (isinstance(rel_type, str) and rel_type and is_short_text(rel_type)):
            return None
        key = relates_to.get("key") if rel_type == ANNOTATION else None
        return cls(parent_id, rel_type, key if isinstance(key, str) else None)


def relation_of(event: Event) -> Relation | None:
    """The relation of an event to another one."""
    # The content needn't be parsed to see that the word is nowhere in the event.
    if b'"m.relates_to"' not in event.json:
        return None
    return Relation.of(event.content)


def may_replace(event: Event, relation: Relation) -> bool:
    """Whether the event is a valid edit, as far as that shows without its original.

    `m.new_content` of an encrypted event is in what we can't read.
    """
    if relation.rel_type != REPLACE or event.is_state:
        return False
    return event.type == EventTypes.ENCRYPTED or isinstance(
        event.content.get("m.new_content"), dict
    )
