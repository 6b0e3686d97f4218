"""Room versions: what differs between them, as flags.

Each room version is the one before it with some changes (specification, "Room versions"); the
comments name the version that brought a change. Code asks a flag, never a version's number.
"""

from dataclasses import dataclass, replace
from enum import Enum


class EventIds(Enum):
    """How an event gets its id."""

    CHOSEN_BY_SERVER = 1  # `$opaque:server`, a member of the event
    HASH = 2  # the reference hash in unpadded base64 (version 3)
    URL_SAFE_HASH = 3  # … in URL-safe unpadded base64 (version 4)


class StateResolution(Enum):
    """Which state resolution algorithm merges forks."""

    V1 = 1
    V2 = 2
    V2_1 = 3


class Redactions(Enum):
    """Which properties survive a redaction."""

    V1 = 1
    V6 = 2  # `m.room.aliases` is no longer special
    V8 = 3  # `m.room.join_rules` keeps `allow`
    V9 = 4  # `m.room.member` keeps `join_authorised_via_users_server`
    V11 = 5  # fewer top-level properties; create keeps all content; …


@dataclass(frozen=True, slots=True)
class RoomVersion:
    """The rules of one room version."""

    identifier: str
    event_ids: EventIds
    state_resolution: StateResolution
    redactions: Redactions
    # Signing keys must be valid at the event's `origin_server_ts` (version 5).
    enforce_key_validity: bool = False
    # Events must be canonical JSON to the letter: no floats, integers within 53 bits (version 6).
    strict_canonical_json: bool = False
    # `m.room.aliases` is authorised by its own rule (until version 5).
    aliases_rule: bool = True
    # Redactions are authorised by an auth rule of their own (until version 2).
    redaction_rule: bool = False
    # Changes of `notifications` in power levels are authorised (version 6).
    check_notification_levels: bool = False
    knock: bool = False  # version 7
    restricted_joins: bool = False  # version 8
    knock_restricted: bool = False  # version 10
    # Power levels must be integers, not strings or floats that look like them (version 10).
    integer_power_levels: bool = False
    # The creator is the create event's sender, not `content.creator` (version 11).
    implicit_creator: bool = False
    # `redacts` stands in a redaction's content (version 11).
    redacts_in_content: bool = False
    # Creators have infinite power, and `additional_creators` exists (version 12).
    privileged_creators: bool = False
    # The room's id is the hash of its create event, which has no `room_id` (version 12).
    room_id_is_hash: bool = False

    @property
    def events_have_ids(self) -> bool:
        """Whether `event_id` is a member of the event in this version's federation format."""
        return self.event_ids is EventIds.CHOSEN_BY_SERVER


_V1 = RoomVersion(
    "1", EventIds.CHOSEN_BY_SERVER, StateResolution.V1, Redactions.V1, redaction_rule=True
)
_V2 = replace(_V1, identifier="2", state_resolution=StateResolution.V2)
_V3 = replace(_V2, identifier="3", event_ids=EventIds.HASH, redaction_rule=False)
_V4 = replace(_V3, identifier="4", event_ids=EventIds.URL_SAFE_HASH)
_V5 = replace(_V4, identifier="5", enforce_key_validity=True)
_V6 = replace(
    _V5,
    identifier="6",
    redactions=Redactions.V6,
    strict_canonical_json=True,
    aliases_rule=False,
    check_notification_levels=True,
)
_V7 = replace(_V6, identifier="7", knock=True)
_V8 = replace(_V7, identifier="8", restricted_joins=True, redactions=Redactions.V8)
_V9 = replace(_V8, identifier="9", redactions=Redactions.V9)
_V10 = replace(_V9, identifier="10", knock_restricted=True, integer_power_levels=True)
_V11 = replace(
    _V10,
    identifier="11",
    redactions=Redactions.V11,
    implicit_creator=True,
    redacts_in_content=True,
)
_V12 = replace(
    _V11,
    identifier="12",
    state_resolution=StateResolution.V2_1,
    privileged_creators=True,
    room_id_is_hash=True,
)

ROOM_VERSIONS: dict[str, RoomVersion] = {
    version.identifier: version
    for version in (_V1, _V2, _V3, _V4, _V5, _V6, _V7, _V8, _V9, _V10, _V11, _V12)
}
DEFAULT_ROOM_VERSION = _V12
