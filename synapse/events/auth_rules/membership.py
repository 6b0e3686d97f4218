"""Rule 5: `m.room.member` (rule 4 in versions 6 to 11)."""

from collections.abc import Callable, Mapping
from typing import Any

from synapse.api.constants import EventTypes, JoinRules, Membership
from synapse.api.identifiers import domain_of, is_user_id
from synapse.events.auth_rules.error import AuthError
from synapse.events.auth_rules.third_party_invite import check_third_party_signature
from synapse.events.auth_selection import JOIN_RULES_SLOT, Slot
from synapse.events.event import Event
from synapse.events.power_levels import PowerLevels, is_creator

SignedBy = Callable[[str], bool]


def check_membership(
    event: Event,
    state: Mapping[Slot, Event],
    create: Event,
    levels: PowerLevels,
    signed_by: SignedBy,
) -> None:
    version = event.version
    content = event.content
    if event.state_key is None or "membership" not in content:  # 5.1
        raise AuthError("A membership event needs a state_key and a membership")
    if version.restricted_joins and "join_authorised_via_users_server" in content:  # 5.2
        _check_authoriser_signed(content["join_authorised_via_users_server"], signed_by)
    match content["membership"]:
        case Membership.JOIN:  # 5.3
            _check_join(event, event.state_key, state, create, levels)
        case Membership.INVITE:  # 5.4
            _check_invite(event, event.state_key, state, levels)
        case Membership.LEAVE:  # 5.5
            _check_leave(event, event.state_key, state, levels)
        case Membership.BAN:  # 5.6
            _check_ban(event, event.state_key, state, levels)
        case Membership.KNOCK if version.knock:  # 5.7
            _check_knock(event, state)
        case unknown:  # 5.8
            raise AuthError(f"Unknown membership {unknown!r:.100}")


def membership_of(state: Mapping[Slot, Event], user_id: str) -> str:
    """A user's membership; "" for one whom the state doesn't know."""
    event = state.get((EventTypes.MEMBER, user_id))
    return "" if event is None else event.membership


def _check_authoriser_signed(authoriser: Any, signed_by: SignedBy) -> None:
    if not is_user_id(authoriser):
        raise AuthError("join_authorised_via_users_server must be a user id")
    if not signed_by(domain_of(authoriser)):
        raise AuthError(f"The server of {authoriser}, who authorises the join, did not sign it")


def _check_join(
    event: Event, target: str, state: Mapping[Slot, Event], create: Event, levels: PowerLevels
) -> None:
    if _is_creators_first_join(event, target, create):  # 5.3.1
        return
    if event.sender != target:  # 5.3.2
        raise AuthError("You can't make another user join the room")
    membership = membership_of(state, target)
    if membership == Membership.BAN:  # 5.3.3
        raise AuthError("You are banned from this room")
    version = event.version
    rule = _join_rule(state)
    was_asked = membership in (Membership.INVITE, Membership.JOIN)
    if rule == JoinRules.INVITE or (rule == JoinRules.KNOCK and version.knock):  # 5.3.4
        if not was_asked:
            raise AuthError("You are not invited to this room")
    elif (rule == JoinRules.RESTRICTED and version.restricted_joins) or (
        rule == JoinRules.KNOCK_RESTRICTED and version.knock_restricted
    ):  # 5.3.5
        if not was_asked:
            _check_authoriser(event, state, levels)
    elif rule != JoinRules.PUBLIC:  # 5.3.6, 5.3.7
        raise AuthError(f"This room's join rule, {rule!r:.100}, lets nobody join")


def _is_creators_first_join(event: Event, target: str, create: Event) -> bool:
    # `additional_creators` join like others: only the sender stands right behind the create event.
    if event.version.implicit_creator:
        is_first = target == create.sender
    else:
        is_first = is_creator(create, target)
    return is_first and event.prev_event_ids() == [create.event_id]


def _check_authoriser(event: Event, state: Mapping[Slot, Event], levels: PowerLevels) -> None:
    authoriser = event.content.get("join_authorised_via_users_server")
    if not isinstance(authoriser, str):
        raise AuthError("You are not invited to this room, and nobody in it authorised your join")
    if membership_of(state, authoriser) != Membership.JOIN:
        raise AuthError(f"{authoriser}, who authorises your join, is not in this room")
    if levels.of_user(authoriser) < levels.invite:
        raise AuthError(f"{authoriser}, who authorises your join, may not invite users")


def _check_invite(
    event: Event, target: str, state: Mapping[Slot, Event], levels: PowerLevels
) -> None:
    membership = membership_of(state, target)
    if "third_party_invite" in event.content:  # 5.4.1
        if membership == Membership.BAN:  # 5.4.1.1
            raise AuthError(f"{target} is banned from this room")
        check_third_party_signature(event, target, state)
        return
    _check_sender_joined(event, state)  # 5.4.2
    if membership == Membership.JOIN:  # 5.4.3
        raise AuthError(f"{target} is already in the room")
    if membership == Membership.BAN:
        raise AuthError(f"{target} is banned from this room")
    if levels.of_user(event.sender) < levels.invite:  # 5.4.4, 5.4.5
        raise AuthError("You don't have permission to invite users")


def _check_leave(
    event: Event, target: str, state: Mapping[Slot, Event], levels: PowerLevels
) -> None:
    membership = membership_of(state, target)
    if event.sender == target:  # 5.5.1
        if membership in (Membership.INVITE, Membership.JOIN):
            return
        if membership == Membership.KNOCK and event.version.knock:
            return
        if membership == Membership.BAN:
            raise AuthError("You are banned from this room")
        raise AuthError(f"User {target} is not in this room")
    _check_sender_joined(event, state)  # 5.5.2
    level = levels.of_user(event.sender)
    if membership == Membership.BAN and level < levels.ban:  # 5.5.3
        raise AuthError(f"You don't have permission to unban {target}")
    if level < levels.kick or levels.of_user(target) >= level:  # 5.5.4, 5.5.5
        raise AuthError(f"You don't have permission to kick {target}")


def _check_ban(event: Event, target: str, state: Mapping[Slot, Event], levels: PowerLevels) -> None:
    _check_sender_joined(event, state)  # 5.6.1
    level = levels.of_user(event.sender)
    if level < levels.ban or levels.of_user(target) >= level:  # 5.6.2, 5.6.3
        raise AuthError(f"You don't have permission to ban {target}")


def _check_knock(event: Event, state: Mapping[Slot, Event]) -> None:
    rule = _join_rule(state)
    if rule != JoinRules.KNOCK and not (
        rule == JoinRules.KNOCK_RESTRICTED and event.version.knock_restricted
    ):  # 5.7.1
        raise AuthError("This room doesn't allow knocking")
    if event.sender != event.state_key:  # 5.7.2
        raise AuthError("You can't knock for another user")
    membership = membership_of(state, event.sender)
    if membership == Membership.BAN:  # 5.7.3, 5.7.4
        raise AuthError("You are banned from this room")
    if membership in (Membership.INVITE, Membership.JOIN):
        raise AuthError("You can't knock: you are already in this room or invited to it")


def _check_sender_joined(event: Event, state: Mapping[Slot, Event]) -> None:
    if membership_of(state, event.sender) != Membership.JOIN:
        raise AuthError(f"User {event.sender} is not in this room")


def _join_rule(state: Mapping[Slot, Event]) -> Any:
    """The room's join rule; `invite` where none is set."""
    event = state.get(JOIN_RULES_SLOT)
    return JoinRules.INVITE if event is None else event.content.get("join_rule", JoinRules.INVITE)
