"""What a redaction does to the event it names.

Room versions 1 and 2 refuse a redaction by an auth rule; later ones accept the event and then ask
whether it may take effect (specification, "Handling redactions").
"""

from synapse.api.identifiers import domain_of
from synapse.events.event import Event, StateMap
from synapse.events.power_levels import PowerLevels
from synapse.events.redaction import redacted_event


def redaction_of(redaction: Event, target: Event | None, state: StateMap) -> Event | None:
    """The target as the redaction leaves it; None if the redaction has no effect."""
    if target is None or target.room_id != redaction.room_id:
        return None
    if not may_redact(redaction, target, state):
        return None
    return redacted_event(target)


def may_redact(redaction: Event, target: Event, state: StateMap) -> bool:
    """Whether a redaction of the same room takes effect."""
    if domain_of(redaction.sender) == domain_of(target.sender):
        return True
    levels = PowerLevels.of(state)
    return levels.of_user(redaction.sender) >= levels.redact
