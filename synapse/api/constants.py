"""The specification's names and limits that more than one module needs."""

from typing import Final


class EventTypes:
    """Event types that the server itself gives a meaning to."""

    CREATE: Final = "m.room.create"
    MEMBER: Final = "m.room.member"
    POWER_LEVELS: Final = "m.room.power_levels"
    JOIN_RULES: Final = "m.room.join_rules"
    HISTORY_VISIBILITY: Final = "m.room.history_visibility"
    GUEST_ACCESS: Final = "m.room.guest_access"
    CANONICAL_ALIAS: Final = "m.room.canonical_alias"
    ALIASES: Final = "m.room.aliases"
    NAME: Final = "m.room.name"
    TOPIC: Final = "m.room.topic"
    AVATAR: Final = "m.room.avatar"
    ENCRYPTION: Final = "m.room.encryption"
    ENCRYPTED: Final = "m.room.encrypted"
    MESSAGE: Final = "m.room.message"
    REDACTION: Final = "m.room.redaction"
    THIRD_PARTY_INVITE: Final = "m.room.third_party_invite"
    TOMBSTONE: Final = "m.room.tombstone"
    SERVER_ACL: Final = "m.room.server_acl"
    RETENTION: Final = "m.room.retention"
    POLICY: Final = "m.room.policy"
    # What says nothing, and merges forks: known to others by Synapse's name.
    DUMMY: Final = "org.matrix.dummy_event"


class Membership:
    """Values of `membership` in `m.room.member`."""

    JOIN: Final = "join"
    INVITE: Final = "invite"
    KNOCK: Final = "knock"
    LEAVE: Final = "leave"
    BAN: Final = "ban"

    ALL: Final = (JOIN, INVITE, KNOCK, LEAVE, BAN)


class JoinRules:
    """Values of `join_rule` in `m.room.join_rules`."""

    PUBLIC: Final = "public"
    INVITE: Final = "invite"
    KNOCK: Final = "knock"
    RESTRICTED: Final = "restricted"
    KNOCK_RESTRICTED: Final = "knock_restricted"
    PRIVATE: Final = "private"


class HistoryVisibility:
    """Values of `history_visibility` in `m.room.history_visibility`."""

    WORLD_READABLE: Final = "world_readable"
    SHARED: Final = "shared"
    INVITED: Final = "invited"
    JOINED: Final = "joined"


# Integers that canonical JSON can carry: [-(2**53) + 1, 2**53 - 1] (appendices, "Canonical JSON").
MAX_INTEGER: Final = 2**53 - 1

# Size limits of events (client-server API, "Size limits"), in bytes of UTF-8.
MAX_EVENT_BYTES: Final = 65_536
MAX_ID_BYTES: Final = 255

MAX_PREV_EVENTS: Final = 20
MAX_AUTH_EVENTS: Final = 10
