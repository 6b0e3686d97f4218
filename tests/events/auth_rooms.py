"""Rooms and events for the tests of the authorisation rules, made without signing anything."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest import TestCase

import orjson

from synapse.api.constants import EventTypes
from synapse.api.room_versions import ROOM_VERSIONS, RoomVersion
from synapse.events.auth_rules import AuthError, check_auth
from synapse.events.event import Event

ALICE = "@alice:a"  # created the room
MOD = "@mod:a"  # has power level 50
BOB = "@bob:b"  # joined, without power
CAROL = "@carol:c"  # not in the room

CREATE_ID = "$create:a"

State = dict[tuple[str, str], Event]


def since(first: int) -> list[str]:
    return [str(number) for number in range(first, 13)]


def until(last: int) -> list[str]:
    return [str(number) for number in range(1, last + 1)]


def between(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


ALL = since(1)


def make_event(
    version: RoomVersion,
    type: str,
    sender: str,
    content: Any,
    state_key: str | None = None,
    *,
    event_id: str = "$event:a",
    room_id: str = "!create:a",
    prev_events: list[str] | None = None,
    auth_events: list[str] | None = None,
    origin_server_ts: int = 1,
    depth: int = 1,
    has_room_id: bool | None = None,
    **more: Any,
) -> Event:
    """An event whose JSON holds what the rules and state resolution read."""

    def references(ids: list[str]) -> list[Any]:
        return [[i, {"sha256": ""}] for i in ids] if version.events_have_ids else ids

    if has_room_id is None:
        has_room_id = not (version.room_id_is_hash and type == EventTypes.CREATE)
    members = {
        "auth_events": references(auth_events or []),
        "content": content,
        "prev_events": references(["$before:a"] if prev_events is None else prev_events),
        **more,
    }
    if has_room_id:
        members["room_id"] = room_id
    return Event(
        json=orjson.dumps(members),
        event_id=event_id,
        room_id=room_id,
        type=type,
        sender=sender,
        state_key=state_key,
        depth=depth,
        origin_server_ts=origin_server_ts,
        version=version,
    )


def standard_levels(version: RoomVersion) -> dict[str, Any]:
    # Since version 12 creators can't be listed.
    users = {MOD: 50} if version.privileged_creators else {ALICE: 100, MOD: 50}
    return {"users": users}


def room_state(
    version: RoomVersion,
    *,
    members: Mapping[str, Any] | None = None,
    levels: Any = "standard",
    more_levels: Mapping[str, Any] | None = None,
    join_rule: Any = "invite",
    create: Mapping[str, Any] | None = None,
    third_party: Mapping[str, tuple[str, Any]] | None = None,
) -> State:
    """A room of Alice's with Mod and Bob in it. `levels=None`: without power levels."""
    state: State = {}

    def put(type: str, sender: str, key: str, content: Any, event_id: str) -> None:
        state[type, key] = make_event(version, type, sender, content, key, event_id=event_id)

    put(EventTypes.CREATE, ALICE, "", {"creator": ALICE, **(create or {})}, CREATE_ID)
    for user, membership in {ALICE: "join", MOD: "join", BOB: "join", **(members or {})}.items():
        if membership is not None:
            put(EventTypes.MEMBER, user, user, {"membership": membership}, f"$m{user}")
    if levels == "standard":
        levels = standard_levels(version)
    if levels is not None:
        content = {**levels, **(more_levels or {})}
        put(EventTypes.POWER_LEVELS, ALICE, "", content, "$levels:a")
    if join_rule is not None:
        put(EventTypes.JOIN_RULES, ALICE, "", {"join_rule": join_rule}, "$rules:a")
    for token, (sender, invitation) in (third_party or {}).items():
        put(EventTypes.THIRD_PARTY_INVITE, sender, token, invitation, "$invitation:a")
    return state


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a rule table: the rule's number in version 12, and what it says of an event.

    `error` is a part of the message that rejects the event; "" if the event is allowed.
    """

    rule: str
    versions: list[str]
    room: Mapping[str, Any]  # what `room_state` takes
    event: tuple[Any, ...]  # type, sender, content and, for state events, the state key
    error: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)  # what else `make_event` takes
    signed_by: Callable[[str], bool] = lambda server: False


def check_rows(test: TestCase, rows: list[Row]) -> None:
    """Every row in every version that it names."""
    for row in rows:
        for identifier in row.versions:
            version = ROOM_VERSIONS[identifier]
            state = room_state(version, **row.room)
            event = make_event(version, *row.event, **row.more)
            with test.subTest(rule=row.rule, version=identifier, event=row.event, room=row.room):
                test.assertRegex(verdict(event, state, row.signed_by), row.error or "^allowed$")


def verdict(
    event: Event, state: State, signed_by: Callable[[str], bool] = lambda server: False
) -> str:
    try:
        check_auth(event, state, signed_by=signed_by)
    except AuthError as error:
        return error.message
    return "allowed"
