"""How often users may join and invite."""

from synapse.config.ratelimiting import RateLimitsConfig
from synapse.handlers.ratelimits import RateLimiter
from synapse.util.clock import Clock


class MembershipLimits:
    """The rate limits of joins and invites. All raise `LimitExceeded`."""

    def __init__(self, clock: Clock, config: RateLimitsConfig) -> None:
        self._joins = RateLimiter(clock, config.rc_joins.local)
        self._remote_joins = RateLimiter(clock, config.rc_joins.remote)
        self._joins_per_room = RateLimiter(clock, config.rc_joins_per_room)
        self._invites_per_room = RateLimiter(clock, config.rc_invites.per_room)
        self._invites_per_user = RateLimiter(clock, config.rc_invites.per_user)
        self._invites_per_issuer = RateLimiter(clock, config.rc_invites.per_issuer)

    def check_join(self, user_id: str, room_id: str) -> None:
        self._joins.check(user_id)
        self._joins_per_room.check(room_id)

    def check_remote_join(self, user_id: str, room_id: str) -> None:
        """A join of, or a knock at, a room that this server isn't in."""
        self._remote_joins.check(user_id)
        self._joins_per_room.check(room_id)

    def check_admission(self, room_id: str) -> None:
        """A join of another server's user."""
        self._joins_per_room.check(room_id)

    def check_invite(self, sender: str, room_id: str, invitee: str) -> None:
        self._invites_per_issuer.check(sender)
        self._invites_per_room.check(room_id)
        self._invites_per_user.check(invitee)

    def check_invite_from_elsewhere(self, room_id: str, invitee: str) -> None:
        self._invites_per_room.check(room_id)
        self._invites_per_user.check(invitee)

    def check_first_invites(self, sender: str, count: int) -> None:
        """The invites with which a room is created."""
        if count:
            self._invites_per_issuer.check(sender, count)
