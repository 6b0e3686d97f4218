"""How rooms come to be, how they are found by name, entered and left, and what succeeds them."""

from synapse.app.parts.access import Access
from synapse.app.parts.asking import Asking
from synapse.app.parts.outbound import Outbound
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.config.homeserver import HomeserverConfig
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
from synapse.util.background import Background
from synapse.util.clock import Clock


class Entering:
    """The doors of rooms."""

    def __init__(
        self,
        config: HomeserverConfig,
        clock: Clock,
        background: Background,
        stores: Stores,
        streams: Streams,
        rooms: Rooms,
        access: Access,
        asking: Asking,
        outbound: Outbound | None,
        elsewhere: Elsewhere,
    ) -> None:
        limits, server_name = config.rate_limits, config.server.server_name
        identity_client = None if outbound is None else lambda: outbound.client
        directory_rules = DirectoryRules(config.rooms)
        self.aliases = Aliases(
            rooms.cache,
            stores.rooms,
            rooms.writer,
            rooms.visibility,
            directory_rules,
            rooms.servers,
            asking.aliases,
            limit=RateLimiter(clock, limits.rc_message),
            server_name=server_name,
            require_membership=config.rooms.require_membership_for_aliases,
        )
        self.membership_limits = membership_limits = MembershipLimits(clock, limits)
        self.restricted_joins = RestrictedJoins(
            rooms.cache, stores.members, server_name=server_name
        )
        self.third_party_joins = ThirdPartyJoins(
            rooms.cache,
            rooms.writer,
            stores.users,
            identity_client,
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
        succession = RoomSuccession(
            rooms.cache, stores.rooms, streams.account_data_store, rooms.push_rule_store
        )
        late_tombstones = LateTombstones(
            rooms.cache,
            stores.members,
            stores.names,
            succession,
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
            succession,
            self.third_party_joins,
            membership_limits,
            removals,
            elsewhere,
            rooms.wholeness,
            config.rooms,
            server_name=server_name,
        )
        self.third_party_invites = ThirdPartyInvites(
            rooms.cache,
            rooms.writer,
            self.memberships,
            stores.profiles,
            identity_client if config.rooms.enable_3pid_lookup else None,
            limit=RateLimiter(clock, limits.rc_third_party_invite),
        )
        creation_limit = RateLimiter(clock, limits.rc_room_creation)
        self.creation = RoomCreation(
            rooms.writer,
            stores.rooms,
            self.memberships,
            self.third_party_invites,
            membership_limits,
            directory_rules,
            config.rooms,
            limit=creation_limit,
            server_name=server_name,
        )
        self.upgrades = RoomUpgrades(
            rooms.cache,
            stores.rooms,
            stores.states,
            stores.profiles,
            rooms.writer,
            rooms.wholeness,
            succession,
            RoomClosing(
                rooms.cache,
                stores.rooms,
                stores.states,
                rooms.writer,
                background,
                server_name=server_name,
            ),
            limit=creation_limit,
            server_name=server_name,
        )
