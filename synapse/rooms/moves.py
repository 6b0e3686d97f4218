"""Moves: how events change which other servers are in a room, and so whom its events are for."""

from collections.abc import Iterable
from typing import NamedTuple

from synapse.api.constants import EventTypes, Membership
from synapse.api.identifiers import domain_of
from synapse.events.auth_selection import CREATE_SLOT
from synapse.events.event import Event, StateMap
from synapse.rooms.room import MemberChange, Room

_ENDED = (Membership.LEAVE, Membership.BAN)
_OUTSIDE = (Membership.INVITE, Membership.KNOCK)


class Move(NamedTuple):
    """By an event, a server has so many users more (or fewer) in a room.

    0: as many as before; but one who was invited, or knocked, is not any more, and their server is
    to hear of it.
    """

    server: str
    joined: int


def moves_of(changes: Iterable[MemberChange]) -> list[Move]:
    """What changes for other servers when memberships do."""
    moves = []
    for change in changes:
        joined = (change.after == Membership.JOIN) - (change.before == Membership.JOIN)
        if not change.is_local and (joined or _is_rescinded(change)):
            moves.append(Move(domain_of(change.user_id), joined))
    return moves


def change_by(room: Room, event: Event, *, is_local: bool) -> list[MemberChange]:
    """How an event changes a membership, if it does, that is yet to be put into the room."""
    user_id = event.state_key
    if event.type != EventTypes.MEMBER or user_id is None:
        return []
    return [MemberChange(user_id, room.membership(user_id), event.membership, is_local)]


def is_outgoing(room: Room, state: StateMap, moves: Iterable[Move]) -> bool:
    """Whether an event of ours, which is yet to be put into the room, is for other servers."""
    if room.joined == room.local_joined and not any(move.joined == 0 for move in moves):
        return False
    create = state.get(CREATE_SLOT)
    return create is None or create.content.get("m.federate") is not False


def _is_rescinded(change: MemberChange) -> bool:
    return change.before in _OUTSIDE and change.after in _ENDED
