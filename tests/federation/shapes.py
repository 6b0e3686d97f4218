"""Values of all shapes, and events that are nearly right: strategies for hypothesis."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from synapse.api.room_versions import RoomVersion

TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "\0",
            "\ud800",
            "x" * 256,
            "\N{PILE OF POO}" * 64,
            "$event",
            "$event:elsewhere",
            "@bob:elsewhere",
            "@:",
            "!room:elsewhere",
            "!" + "a" * 43,
            "m.room.member",
            "join",
            "ed25519:a",
        ]
    ),
)
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**53 - 1, 2**53, -(2**53), 2**63 - 1, 2**63, 2**64, 10**400]),
    st.floats(),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES: SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)
# What JSON can't hold, or our parser doesn't let in, is of no interest to who sits behind it.
SPEAKABLE: SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
        st.sampled_from(["\0", "x" * 256, "$event:elsewhere", "@bob:elsewhere", "m.room.member"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner),
    ),
    max_leaves=12,
)

TYPES = [
    "m.room.create",
    "m.room.member",
    "m.room.power_levels",
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.server_acl",
    "m.room.redaction",
    "m.room.third_party_invite",
    "m.room.aliases",
    "m.room.message",
    "m.room.tombstone",
    "m.room.encrypted",
    "m.reaction",
    "m.poll.start",
    "m.space.child",
    "m.room.topic",
    "m.room.name",
    "m.room.avatar",
    "m.room.canonical_alias",
]
USERS = ["@bob:elsewhere", "@alice:ours.test", "@eve:elsewhere", "@nobody:third.test"]
# What contents hold that somebody reads.
KEYS = [
    "membership",
    "displayname",
    "avatar_url",
    "join_authorised_via_users_server",
    "third_party_invite",
    "signed",
    "mxid",
    "token",
    "signatures",
    "public_key",
    "public_keys",
    "creator",
    "room_version",
    "additional_creators",
    "predecessor",
    "type",
    "m.federate",
    "users",
    "users_default",
    "events",
    "events_default",
    "state_default",
    "ban",
    "kick",
    "redact",
    "invite",
    "notifications",
    "join_rule",
    "allow",
    "room_id",
    "history_visibility",
    "aliases",
    "redacts",
    "m.relates_to",
    "rel_type",
    "event_id",
    "m.in_reply_to",
    "key",
    "m.new_content",
    "body",
    "msgtype",
    "formatted_body",
    "m.mentions",
    "user_ids",
    "room",
    "deny",
    "allow_ip_literals",
    "name",
    "topic",
    "url",
    "alias",
    "alt_aliases",
    "replacement_room",
    "max_lifetime",
    "via",
    "order",
    "algorithm",
    "shared_history",
]


def contents(value: SearchStrategy[Any] = VALUES) -> SearchStrategy[dict[str, Any]]:
    """Contents in which the names of what is read stand before anything."""
    told = st.one_of(
        value,
        st.sampled_from(
            ["join", "leave", "ban", "invite", "knock", "public", "restricted", *USERS]
        ),
        st.lists(st.sampled_from(USERS), max_size=3),
        st.dictionaries(st.sampled_from([*USERS, *TYPES]), value, max_size=3),
        st.dictionaries(st.sampled_from(KEYS), value, max_size=3),
    )
    return st.one_of(
        st.dictionaries(st.sampled_from(KEYS), told, max_size=4),
        st.dictionaries(st.sampled_from([*KEYS, "strange"]), told, max_size=2),
    )


def pdus(version: RoomVersion, room_id: str) -> SearchStrategy[Any]:
    """Anything; mostly events of a room version in which a few things are not what they should."""
    event_ids = st.sampled_from(["$event:elsewhere", "$" + "a" * 43, "$other:elsewhere"])
    references: SearchStrategy[Any] = event_ids
    if version.events_have_ids:
        references = st.tuples(event_ids, st.just({"sha256": "x"})).map(list)
    right: dict[str, SearchStrategy[Any]] = {
        "type": st.sampled_from(TYPES),
        "sender": st.sampled_from(USERS),
        "room_id": st.just(room_id),
        "content": contents(),
        "depth": st.integers(0, 100),
        "origin_server_ts": st.integers(0, 2**41),
        "prev_events": st.lists(references, max_size=3),
        "auth_events": st.lists(references, max_size=3),
        "hashes": st.just({"sha256": "a" * 43}),
        "signatures": st.just({"elsewhere": {"ed25519:a_elsewhere": "x" * 86}}),
    }
    if version.events_have_ids:
        right["event_id"] = event_ids
    optional: dict[str, SearchStrategy[Any]] = {
        "state_key": st.sampled_from(["", *USERS, "x"]),
        "redacts": event_ids,
        "unsigned": st.dictionaries(TEXTS, VALUES, max_size=2),
        "origin": TEXTS,
    }
    nearly = st.fixed_dictionaries(right, optional=optional)
    names = [*right, *optional]
    wrong = st.dictionaries(st.sampled_from([*names, "strange"]), VALUES, min_size=1, max_size=2)
    spoilt = st.builds(lambda event, more: {**event, **more}, nearly, wrong)
    lacking = st.builds(
        lambda event, name: {k: v for k, v in event.items() if k != name},
        nearly,
        st.sampled_from(list(right)),
    )
    return st.one_of(nearly, spoilt, spoilt, lacking, VALUES)


Edit = tuple[list[int], str, Any]

# Changes of an answer: by which turns one comes to a place in it, and what becomes of that.
EDITS: SearchStrategy[list[Edit]] = st.lists(
    st.tuples(
        st.lists(st.integers(0, 30), max_size=5),
        st.sampled_from(["replace", "remove", "repeat"]),
        st.one_of(SPEAKABLE, contents(SPEAKABLE)),
    ),
    min_size=1,
    max_size=3,
)


def edited(value: Any, edits: list[Edit]) -> Any:
    for turns, what, new in edits:
        value = _edited(value, turns, what, new)
    return value


def _edited(value: Any, turns: list[int], what: str, new: Any) -> Any:
    if not turns or not value or not isinstance(value, dict | list):
        return new
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[turns[0] % len(keys)]
    if len(turns) > 1 or what == "replace":
        value[key] = _edited(value[key], turns[1:], what, new)
    elif what == "remove":
        del value[key]
    elif isinstance(value, list):
        value += [value[key]] * 40
    else:
        value["again"] = value[key]
    return value
