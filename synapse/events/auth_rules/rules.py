"""`check_auth`: does a state allow an event? The specification's list from top to bottom."""

from collections.abc import Mapping

from synapse.api.constants import EventTypes, Membership
from synapse.api.identifiers import domain_of, is_user_id
from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.auth_rules.error import AuthError
from synapse.events.auth_rules.membership import SignedBy, check_membership, membership_of
from synapse.events.auth_rules.power_level_changes import check_power_level_changes
from synapse.events.auth_selection import CREATE_SLOT, POWER_LEVELS_SLOT, Slot
from synapse.events.event import Event
from synapse.events.power_levels import PowerLevels


def nobody_signed(server: str) -> bool:
    return False


def check_auth(
    event: Event, state: Mapping[Slot, Event], *, signed_by: SignedBy = nobody_signed
) -> None:
    """Raises `AuthError` unless the state before the event, `state`, allows it.

    `state` must hold at least the event's `auth_slots` as far as they are filled, and the create
    event also in room version 12. `signed_by(server)` says whether the event carries a valid
    signature of a server; it is asked for `join_authorised_via_users_server`.
    """
    if event.type == EventTypes.CREATE:  # 1
        _check_create(event)
        return
    create = state.get(CREATE_SLOT)
    if create is None:
        raise AuthError("The room has no create event")
    version = event.version
    if version.room_id_is_hash:  # 2
        _check_room(event, create)
    if create.content.get("m.federate") is False:  # 4
        _check_not_federated(event, create)
    if event.type == EventTypes.ALIASES and version.aliases_rule:  # 4 until version 5
        _check_aliases(event)
        return
    levels = PowerLevels(version, create, state.get(POWER_LEVELS_SLOT))
    if event.type == EventTypes.MEMBER:  # 5
        check_membership(event, state, create, levels, signed_by)
        return
    if membership_of(state, event.sender) != Membership.JOIN:  # 6
        raise AuthError(f"User {event.sender} is not in this room")
    if event.type == EventTypes.THIRD_PARTY_INVITE:  # 7
        _check_third_party_invite(event, levels)
        return
    _check_required_level(event, levels)  # 8
    _check_state_key(event)  # 9
    if event.type == EventTypes.POWER_LEVELS:  # 10
        check_power_level_changes(event, state.get(POWER_LEVELS_SLOT), create, levels)
    elif event.type == EventTypes.REDACTION and version.redaction_rule:  # 11 until version 2
        _check_redaction(event, levels)


def _check_create(event: Event) -> None:
    version = event.version
    parsed = event.parsed()
    content = parsed["content"]
    if parsed["prev_events"]:  # 1.1
        raise AuthError("A create event can't have previous events")
    if version.room_id_is_hash:  # 1.2
        if "room_id" in parsed:
            raise AuthError("A create event can't have a room_id: its own id is the room's id")
    elif domain_of(event.room_id) != domain_of(event.sender):
        raise AuthError("The room's id must have the domain of the user who creates it")
    if "room_version" in content:  # 1.3
        room_version = content["room_version"]
        if not isinstance(room_version, str) or room_version not in ROOM_VERSIONS:
            raise AuthError(f"Unknown room version {room_version!r:.100}")
    if not version.implicit_creator and "creator" not in content:  # 1.4 until version 10
        raise AuthError("The create event has no creator")
    if version.privileged_creators and "additional_creators" in content:  # 1.4
        additional = content["additional_creators"]
        if not isinstance(additional, list) or not all(map(is_user_id, additional)):
            raise AuthError("additional_creators must be a list of user ids")


def _check_room(event: Event, create: Event) -> None:
    if "!" + create.event_id[1:] != event.room_id:
        raise AuthError(f"The create event {create.event_id} is not that of this room")
    if create.rejected:
        raise AuthError("The room's create event was rejected")


def _check_not_federated(event: Event, create: Event) -> None:
    if domain_of(event.sender) != domain_of(create.sender):
        raise AuthError("This room is only for users of the server that created it")


def _check_aliases(event: Event) -> None:
    if event.state_key is None:
        raise AuthError("An m.room.aliases event needs a state_key")
    if event.state_key != domain_of(event.sender):
        raise AuthError("The state_key of m.room.aliases must be the sender's server")


def _check_third_party_invite(event: Event, levels: PowerLevels) -> None:
    _require(levels.of_user(event.sender), levels.invite, "to invite users")


def _check_required_level(event: Event, levels: PowerLevels) -> None:
    level = levels.of_user(event.sender)
    required = levels.to_send(event.type, is_state=event.state_key is not None)
    if required > level:
        _require(level, required, f"to send {event.type}")


def _check_state_key(event: Event) -> None:
    state_key = event.state_key
    if state_key is not None and state_key.startswith("@") and state_key != event.sender:
        raise AuthError("Only the user whom the state_key names may send this event")


def _check_redaction(event: Event, levels: PowerLevels) -> None:
    if levels.of_user(event.sender) >= levels.redact:  # 11.1
        return
    redacts = event.redacts
    if redacts is None or domain_of(redacts) != domain_of(event.event_id):  # 11.2, 11.3
        raise AuthError("You don't have permission to redact this event")


def _require(level: float, required: float, action: str) -> None:
    if level < required:
        raise AuthError(
            f"You don't have permission {action}: it takes power level {required}, you have {level}"
        )
