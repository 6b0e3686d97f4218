"""What new rooms are like, and what may be done in rooms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synapse.api.room_versions import DEFAULT_ROOM_VERSION, ROOM_VERSIONS
from synapse.config.composed import JsonObject, ListOf, MapOf
from synapse.config.kinds import BOOLEAN, TEXT, Choice, Duration, Integer, Kind, Pattern
from synapse.config.options import Section, option
from synapse.config.place import Place

PRESETS = ("private_chat", "trusted_private_chat", "public_chat")
_ROOM_ID = Pattern(r"!\S+", "a room id", '"!id:example.com"')


class _RoomVersion(Choice):
    """A room version; `11` without quotes is YAML's number."""

    def parse(self, value: object, place: Place) -> str:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return super().parse(str(value) if is_number else value, place)


class _StateType(Kind[tuple[str, str | None]]):
    """An event type, alone (any state key) or in a list with its state key."""

    allowed = "an event type, or a list of an event type and a state key"
    example = '"org.example.custom.event.type"'

    def parse(self, value: object, place: Place) -> tuple[str, str | None]:
        match value:
            case str():
                return value, None
            case [str() as event_type, str() as state_key]:
                return event_type, state_key
            case _:
                raise place.wrong(value, self.allowed, self.example)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrejoinStateConfig:
    """Which state those see who are invited into a room, or knock."""

    disable_default_event_types: bool = option(
        BOOLEAN, False, "Show none of the event types that the specification recommends."
    )
    additional_event_types: tuple[tuple[str, str | None], ...] = option(
        ListOf(_StateType()),
        (),
        "Show these event types too.",
        example='["org.example.custom", ["org.example.other", "state key"]]',
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryRule:
    """A rule about aliases or the directory: its patterns may hold * and ?."""

    user_id: str = option(TEXT, "*", "Who asks.")
    alias: str = option(TEXT, "*", "The alias or, about the directory, one of the room's.")
    room_id: str = option(TEXT, "*", "The room; one that is being created has no id yet.")
    action: str = option(Choice(("allow", "deny")), "allow", "What to do if all of them match.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomsConfig:
    """Rooms"""

    default_room_version: str = option(
        _RoomVersion(tuple(ROOM_VERSIONS)),
        DEFAULT_ROOM_VERSION.identifier,
        "The room version of new rooms, unless a client asks for another.",
    )
    encryption_enabled_by_default_for_room_type: str = option(
        Choice(("off", "invite", "all")),
        "off",
        "Which new rooms are encrypted from the start: off, invite (the private presets) or all.",
    )
    default_power_level_content_override: Mapping[str, dict[str, Any] | None] = option(
        MapOf(JsonObject("{users_default: 0}"), "{private_chat: {invite: 50}}"),
        {},
        "For each preset, members of m.room.power_levels that replace the preset's own.",
        example="{private_chat: {invite: 50}}",
    )
    block_non_admin_invites: bool = option(
        BOOLEAN, False, "Let only the server's administrators invite."
    )
    enable_3pid_lookup: bool = option(
        BOOLEAN,
        True,
        "Let users invite by e-mail address or phone number: the server asks the identity server "
        "that the client names.",
    )
    include_profile_data_on_invite: bool = option(
        BOOLEAN, True, "Put the invited user's name and avatar into the invitation."
    )
    allow_per_room_profiles: bool = option(
        BOOLEAN, True, "Let users have another name and avatar in single rooms."
    )
    require_membership_for_aliases: bool = option(
        BOOLEAN, True, "Let only a room's members give it an alias."
    )
    alias_creation_rules: tuple[DirectoryRule, ...] | None = option(
        ListOf(Section(DirectoryRule)),
        None,
        "Who may make which alias, besides the server's administrators: the first rule that "
        "matches counts, and if none does, the alias is refused. Without rules, everybody may.",
    )
    room_list_publication_rules: tuple[DirectoryRule, ...] | None = option(
        ListOf(Section(DirectoryRule)),
        None,
        "Who may show which room in the directory; the rules work in the same way.",
    )
    enable_room_list_search: bool = option(
        BOOLEAN, True, "Show the room directory; if false, it is always empty."
    )
    allow_public_rooms_without_auth: bool = option(
        BOOLEAN, False, "Show the room directory also to those who are not logged in."
    )
    allow_public_rooms_over_federation: bool = option(
        BOOLEAN, False, "Show the room directory to other servers."
    )
    room_prejoin_state: PrejoinStateConfig = option(
        Section(PrejoinStateConfig),
        PrejoinStateConfig(),
        "What invited and knocking users see of a room.",
    )
    cleanup_extremities_with_dummy_events: bool = option(
        BOOLEAN,
        True,
        "Let one of this server's users send an event without content into a room whose event "
        "graph has forked too often, so that the forks meet.",
    )
    dummy_events_threshold: int = option(
        Integer(1), 10, "How many ends a room's event graph may have before that is done."
    )
    forget_rooms_on_leave: bool = option(BOOLEAN, False, "Forget a room when leaving it.")
    exclude_rooms_from_sync: tuple[str, ...] = option(
        ListOf(_ROOM_ID),
        (),
        "Rooms that /sync doesn't show to anybody.",
        example='["!id:example.com"]',
    )
    redaction_retention_period_ms: int = option(
        Duration("28d"),
        7 * 86400 * 1000,
        "How long the original content of a redacted event is kept.",
        key="redaction_retention_period",
    )
    max_event_delay_duration_ms: int | None = option(
        Duration("24h"),
        None,
        "By how long clients may delay events (MSC4140); unless given, not at all.",
        key="max_event_delay_duration",
    )
