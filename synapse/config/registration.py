"""Who may have an account, and for how long a login lasts."""

from dataclasses import dataclass

from synapse.config.composed import ListOf
from synapse.config.kinds import BOOLEAN, Choice, Duration, Integer, Pattern
from synapse.config.options import option, secret

_ROOM_ALIAS = Pattern(r"#[^\s:]+:\S+", "a room alias", '"#lobby:example.com"')
_LOCALPART = Pattern(r"[a-z0-9._=/+-]+", "the part of a user id before the colon", '"system"')


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationConfig:
    """Registration and logins"""

    enable_registration: bool = option(
        BOOLEAN,
        False,
        "Let anybody register an account through a client. "
        "enable_registration_without_verification must be set too.",
    )
    enable_registration_without_verification: bool = option(
        BOOLEAN,
        False,
        "Confirm that enable_registration may let in anybody, without e-mail or captcha. Open "
        "servers are found and abused by spammers.",
    )
    registration_shared_secret: str | None = secret(
        "Whoever knows this secret can register accounts, even when registration is off: "
        "register_new_matrix_user does."
    )
    allow_guest_access: bool = option(BOOLEAN, False, "Let guests in, without an account.")
    bcrypt_rounds: int = option(
        Integer(4, 31, example=12),
        12,
        "The cost of password hashes: one more doubles the time of a login.",
    )
    inhibit_user_in_use_error: bool = option(
        BOOLEAN, False, "Don't tell on /register/available whether a name is taken."
    )
    allow_underscore_prefixed_registration: bool = option(
        BOOLEAN, False, "Let users register names that begin with an underscore."
    )
    enable_set_displayname: bool = option(BOOLEAN, True, "Let users change their display name.")
    enable_set_avatar_url: bool = option(BOOLEAN, True, "Let users change their avatar.")
    auto_join_rooms: tuple[str, ...] = option(
        ListOf(_ROOM_ALIAS),
        (),
        "Rooms that every new user joins.",
        example='["#lobby:example.com"]',
    )
    autocreate_auto_join_rooms: bool = option(
        BOOLEAN, True, "Create those rooms when they don't exist."
    )
    autocreate_auto_join_rooms_federated: bool = option(
        BOOLEAN, True, "Let users of other servers into the rooms created so."
    )
    autocreate_auto_join_room_preset: str = option(
        Choice(("public_chat", "private_chat", "trusted_private_chat")),
        "public_chat",
        "The preset of the rooms created so. The private ones need auto_join_mxid_localpart.",
    )
    auto_join_mxid_localpart: str | None = option(
        _LOCALPART,
        None,
        "The user who creates those rooms and invites into them; unless given, the first user "
        "who registers creates them.",
    )
    auto_join_rooms_for_guests: bool = option(BOOLEAN, True, "Let guests join those rooms too.")
    session_lifetime_ms: int | None = option(
        Duration("24h"),
        None,
        "How long a login lasts in all; unless given, for ever.",
        key="session_lifetime",
    )
    refreshable_access_token_lifetime_ms: int = option(
        Duration("5m"),
        5 * 60 * 1000,
        "How long an access token lasts for clients that can refresh it.",
        key="refreshable_access_token_lifetime",
    )
    refresh_token_lifetime_ms: int | None = option(
        Duration("24h"),
        None,
        "How long a refresh token lasts unless it is used; unless given, for ever.",
        key="refresh_token_lifetime",
    )
    nonrefreshable_access_token_lifetime_ms: int | None = option(
        Duration("24h"),
        None,
        "How long an access token lasts for clients that can't refresh it; unless given, for ever.",
        key="nonrefreshable_access_token_lifetime",
    )
