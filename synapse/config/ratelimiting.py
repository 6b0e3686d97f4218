"""How often users, addresses and rooms may do what."""

from dataclasses import dataclass

from synapse.config.kinds import NUMBER, Duration, Integer
from synapse.config.options import Section, option


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """`burst_count` actions at once, and from then on `per_second`."""

    per_second: float = option(NUMBER, 0.17, "How many actions a second are allowed for long.")
    burst_count: int = option(Integer(), 3, "How many actions are allowed at once.")


def _limit(per_second: float, burst_count: int) -> RateLimit:
    return RateLimit(per_second=per_second, burst_count=burst_count)


def _rate(per_second: float, burst_count: int, doc: str) -> RateLimit:
    default = _limit(per_second, burst_count)
    return option(Section(RateLimit, default, one_line=True), default, doc)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginLimits:
    """Limits of logins."""

    address: RateLimit = _rate(0.003, 5, "Per IP address.")
    account: RateLimit = _rate(0.003, 5, "Per account.")
    failed_attempts: RateLimit = _rate(0.17, 3, "Per account, only attempts that failed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinLimits:
    """Limits of joins."""

    local: RateLimit = _rate(0.1, 10, "Per user, into rooms that this server is in.")
    remote: RateLimit = _rate(0.01, 10, "Per user, into rooms that this server isn't in.")


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteLimits:
    """Limits of invites."""

    per_room: RateLimit = _rate(0.3, 10, "Per room.")
    per_user: RateLimit = _rate(0.003, 5, "Per invited user.")
    per_issuer: RateLimit = _rate(0.3, 10, "Per inviting user.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceLimits:
    """Limits of presence."""

    per_user: RateLimit = _rate(0.1, 1, "Per user.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationLimits:
    """Limits of what one other server sends."""

    window_size_ms: int = option(
        Duration("1s"), 1000, "In which time transactions are counted.", key="window_size"
    )
    sleep_limit: int = option(
        Integer(), 10, "How many transactions in that time are taken up without delay."
    )
    sleep_delay_ms: int = option(
        Duration("500ms"), 500, "By how long each further one is delayed.", key="sleep_delay"
    )
    reject_limit: int = option(
        Integer(), 50, "How many may wait, by that or for others to be done, before one is refused."
    )
    concurrent: int = option(
        Integer(1),
        3,
        "How many are taken up at once; and to how many questions about states, joins and history"
        " answers are made at once, of which as many as reject_limit may wait.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitsConfig:
    """Rate limits"""

    rc_message: RateLimit = _rate(0.2, 10, "Sending events, per user.")
    rc_registration: RateLimit = _rate(0.17, 3, "Registering accounts, per IP address.")
    rc_login: LoginLimits = option(Section(LoginLimits), LoginLimits(), "Logging in.")
    rc_admin_redaction: RateLimit | None = option(
        Section(RateLimit, _limit(0.2, 10), one_line=True),
        None,
        "Redactions by a room's moderators, per user; unless given they count as messages.",
        example="{per_second: 1, burst_count: 50}",
    )
    rc_joins: JoinLimits = option(Section(JoinLimits), JoinLimits(), "Joining rooms.")
    rc_joins_per_room: RateLimit = _rate(1, 10, "Joining one room, all users together.")
    rc_invites: InviteLimits = option(Section(InviteLimits), InviteLimits(), "Inviting users.")
    rc_third_party_invite: RateLimit = _rate(
        0.2, 10, "Inviting by e-mail address or phone number, per user."
    )
    rc_room_creation: RateLimit = _rate(0.016, 10, "Creating rooms, per user.")
    rc_profile: RateLimit = _rate(1, 500, "Changing the profile, per user.")
    rc_user_directory: RateLimit = _rate(0.016, 200, "Searching for users, per user.")
    rc_presence: PresenceLimits = option(
        Section(PresenceLimits),
        PresenceLimits(),
        "Setting one's presence. What is set by /sync beyond the limit is ignored.",
    )
    rc_delayed_event_mgmt: RateLimit = _rate(
        1, 5, "Looking up, restarting, cancelling and sending delayed events, per user."
    )
    rc_federation: FederationLimits = option(
        Section(FederationLimits), FederationLimits(), "Transactions of other servers, per server."
    )
    rc_reports: RateLimit = _rate(1, 5, "Reporting events, rooms and users, per user.")
