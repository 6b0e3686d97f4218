"""Users of other servers in rooms of ours, and users of ours who are invited from elsewhere."""

from synapse.app.parts.access import Access
from synapse.app.parts.entering import Entering
from synapse.app.parts.federation import Federation
from synapse.app.parts.ground import Ground
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.federation.admissions import Admissions
from synapse.federation.join_answers import JoinAnswers
from synapse.federation.received_invites import ReceivedInvites
from synapse.federation.residence import Residence
from synapse.federation.restricted import RemoteRestrictedJoins
from synapse.federation.templates import Templates
from synapse.federation.third_party import ThirdParty
from synapse.handlers.ratelimits import RateLimiter
from synapse.storage.stores.event_graph import EventGraph
from synapse.storage.stores.join_facts import JoinFactStore


class Hosting:
    """What other servers ask of us about memberships."""

    def __init__(
        self,
        ground: Ground,
        stores: Stores,
        rooms: Rooms,
        federation: Federation,
        access: Access,
        entering: Entering,
    ) -> None:
        config, database = ground.config, ground.database
        server_name = ground.server_name
        residence = Residence(rooms.cache, federation.acls, rooms.wholeness)
        restricted = RemoteRestrictedJoins(entering.restricted_joins)
        self.shown_state = federation.shown_state
        self.heavy_questions = federation.heavy_questions
        self.templates = Templates(residence, rooms.writer, restricted, server_name=server_name)
        self.admissions = Admissions(
            residence,
            rooms.cache,
            stores.events,
            federation.inbound,
            rooms.receiver,
            restricted,
            federation.signing,
            entering.membership_limits,
            server_name=server_name,
        )
        self.join_answers = JoinAnswers(
            rooms.cache,
            stores.events,
            stores.states,
            stores.slots,
            stores.members,
            JoinFactStore(database),
            EventGraph(database),
            server_name=server_name,
        )
        self.invites = ReceivedInvites(
            rooms.cache,
            stores.events,
            stores.users,
            federation.acls,
            federation.signing,
            federation.shown_state,
            federation.inbound,
            federation.inbox,
            rooms.entrances,
            rooms.doorstep,
            entering.invite_permission,
            access.notices_user,
            entering.membership_limits,
            server_name=server_name,
            blocked=config.rooms.block_non_admin_invites,
        )
        self.third_party = ThirdParty(
            residence,
            rooms.cache,
            stores.users,
            entering.third_party_joins,
            federation.remote_rooms,
            server_name=server_name,
        )
        self.onbind_limit = RateLimiter(ground.clock, config.rate_limits.rc_third_party_invite)
