"""How rooms come to be, how they are found by name, entered and left, and what succeeds them."""

from synapse.app.parts.access import Access
from synapse.app.parts.asking import Asking
from synapse.app.parts.ground import Ground
from synapse.app.parts.outbound import Outbound
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.handlers.aliases import Aliases
from synapse.handlers.directory_rules import DirectoryRules
from synapse.handlers.elsewhere import Elsewhere
from synapse.handlers.invite_permission import InvitePermission
from synapse.handlers.late_tombstones import LateTombstones
from synapse.handlers.membership import Memberships
from synapse.handlers.membership_limits import MembershipLimits
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.removal_redactions import RemovalRedactions
from synapse.handlers.restricted_joins import RestrictedJoins
from synapse.handlers.room_closing import RoomClosing
from synapse.handlers.room_creation import RoomCreation
from synapse.handlers.room_succession import RoomSuccession
from synapse.handlers.room_upgrades import RoomUpgrades
from synapse.handlers.third_party_invites import ThirdPartyInvites
from synapse.handlers.third_party_joins import ThirdPartyJoins


class Entering:
    """The doors of rooms."""

    def __init__(
        self,
        ground: Ground,
        stores: Stores,
        streams: Streams,
        rooms: Rooms,
        access: Access,
        asking: Asking,
        outbound: Outbound | None,
        elsewhere: Elsewhere,
    ) -> None:
        limits = ground.config.rate_limits
        self._identity_client = None if outbound is None else lambda: outbound.client
        self._directory_rules = DirectoryRules(ground.config.rooms)
        self._succession = RoomSuccession(
            rooms.cache, stores.rooms, streams.account_data_store, rooms.push_rule_store
        )
        self.aliases = Aliases(
            rooms.cache,
            stores.rooms,
            rooms.writer,
            rooms.visibility,
            self._directory_rules,
            rooms.servers,
            asking.aliases,
            limit=RateLimiter(ground.clock, limits.rc_message),
            server_name=ground.server_name,
            require_membership=ground.config.rooms.require_membership_for_aliases,
        )
        self._allow(ground, stores, streams, rooms, access, elsewhere)
        self._move(ground, stores, rooms, access, elsewhere)
        self._make(ground, stores, rooms)

    def _allow(
        self,
        ground: Ground,
        stores: Stores,
        streams: Streams,
        rooms: Rooms,
        access: Access,
        elsewhere: Elsewhere,
    ) -> None:
        """Who may enter, and who may be asked to."""
        server_name = ground.server_name
        self.membership_limits = MembershipLimits(ground.clock, ground.config.rate_limits)
        self.restricted_joins = RestrictedJoins(
            rooms.cache, stores.members, server_name=server_name
        )
        self.third_party_joins = ThirdPartyJoins(
            rooms.cache,
            rooms.writer,
            stores.users,
            self._identity_client,
            elsewhere,
            server_name=server_name,
        )
        self.invite_permission = InvitePermission(
            streams.account_data_store,
            stores.events,
            stores.names,
            server_name=server_name,
            always_allowed=access.notices_user.user_ids,
        )

    def _move(
        self, ground: Ground, stores: Stores, rooms: Rooms, access: Access, elsewhere: Elsewhere
    ) -> None:
        """How users come and go, and what goes with them."""
        background, server_name = ground.background, ground.server_name
        late_tombstones = LateTombstones(
            rooms.cache,
            stores.members,
            stores.names,
            self._succession,
            background,
            server_name=server_name,
        )
        rooms.announcer.listen(late_tombstones.committed)
        removals = RemovalRedactions(
            rooms.cache,
            rooms.removals,
            rooms.sender_redactions,
            background,
            server_name=server_name,
        )
        rooms.announcer.listen(removals.committed)
        self.memberships = Memberships(
            rooms.cache,
            rooms.writer,
            stores.members,
            stores.names,
            stores.profiles,
            self.restricted_joins,
            self.invite_permission,
            access.notices_user,
            self._succession,
            self.third_party_joins,
            self.membership_limits,
            removals,
            elsewhere,
            rooms.wholeness,
            ground.config.rooms,
            server_name=server_name,
        )
        has_lookup = ground.config.rooms.enable_3pid_lookup
        self.third_party_invites = ThirdPartyInvites(
            rooms.cache,
            rooms.writer,
            self.memberships,
            stores.profiles,
            self._identity_client if has_lookup else None,
            limit=RateLimiter(ground.clock, ground.config.rate_limits.rc_third_party_invite),
        )

    def _make(self, ground: Ground, stores: Stores, rooms: Rooms) -> None:
        """Rooms that begin, and rooms that take the place of others."""
        server_name = ground.server_name
        limit = RateLimiter(ground.clock, ground.config.rate_limits.rc_room_creation)
        self.creation = RoomCreation(
            rooms.writer,
            stores.rooms,
            self.memberships,
            self.third_party_invites,
            self.membership_limits,
            self._directory_rules,
            ground.config.rooms,
            limit=limit,
            server_name=server_name,
        )
        closing = RoomClosing(
            rooms.cache,
            stores.rooms,
            stores.states,
            rooms.writer,
            ground.background,
            server_name=server_name,
        )
        self.upgrades = RoomUpgrades(
            rooms.cache,
            stores.rooms,
            stores.states,
            stores.profiles,
            rooms.writer,
            rooms.wholeness,
            self._succession,
            closing,
            limit=limit,
            server_name=server_name,
        )
