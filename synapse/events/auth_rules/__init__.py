"""The authorisation rules of all room versions: may this event happen in that state?

Room versions, "Authorisation rules". Two questions, two functions, which raise `AuthError`:

- `check_auth_events`: is the list of `auth_events` that the event came with a proper one? Asked
  once, when an event of another server arrives.
- `check_auth`: does a state allow the event? Asked for several states: that of the event's own
  `auth_events`, the state before the event, the room's current state, and by state resolution.

The code stands in the order of the specification's list. Rule numbers in comments are those of
version 12; the rules of earlier versions are the same with some left out, which moves their
numbers. What differs between versions is a flag of `RoomVersion`.
"""

from synapse.events.auth_rules.auth_events import check_auth_events
from synapse.events.auth_rules.error import AuthError
from synapse.events.auth_rules.rules import check_auth

__all__ = ["AuthError", "check_auth", "check_auth_events"]
