"""Other homeservers: what they tell us, and what we ask them."""

from synapse.app.parts.keys import Keys
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.config.homeserver import HomeserverConfig
from synapse.crypto.signing import SigningKey
from synapse.federation.candidates import Candidates
from synapse.federation.edus import Edus
from synapse.federation.handshakes import Handshakes
from synapse.federation.inbound import Inbound
from synapse.federation.inbox import Inbox
from synapse.federation.outliers import Outliers
from synapse.federation.partners import Partners
from synapse.federation.pdus import Pdus
from synapse.federation.peers import Peers
from synapse.federation.remote_graph import RemoteGraph
from synapse.federation.remote_joins import RemoteJoins
from synapse.federation.remote_rooms import RemoteRooms
from synapse.federation.sent_invites import SentInvites
from synapse.federation.server_acls import ServerAcls
from synapse.federation.shown_state import ShownState
from synapse.federation.signed_events import Signing
from synapse.federation.told_rooms import ToldRooms
from synapse.federation.transactions import Transactions
from synapse.federation.wire import Transport
from synapse.federation.withdrawals import Withdrawals
from synapse.storage.database import Database
from synapse.storage.stores.staging import StagingStore
from synapse.util.background import Background
from synapse.util.clock import Clock


class Federation:
    """The server-server API."""

    def __init__(
        self,
        config: HomeserverConfig,
        database: Database,
        clock: Clock,
        background: Background,
        transport: Transport,
        stores: Stores,
        rooms: Rooms,
        keys: Keys,
        key: SigningKey,
    ) -> None:
        server_name = config.server.server_name
        self.peers = Peers(
            keys.ring,
            Partners(
                server_name,
                allowed=config.federation.federation_domain_whitelist,
                denied=config.federation.federation_domain_blacklist,
            ),
            clock,
            server_name=server_name,
        )
        self.acls = ServerAcls(rooms.cache)
        self.pdus = Pdus(keys.signature_checks, clock)
        self.outliers = Outliers(stores.events, rooms.asides, clock)
        self.graph = RemoteGraph(
            transport, self.pdus, self.outliers, stores.events, stores.slots, stores.states
        )
        staging = StagingStore(database)
        self.inbound = inbound = Inbound(rooms.cache, stores.events, rooms.receiver, self.graph)
        self.inbox = Inbox(staging, rooms.cache, self.pdus, inbound, background, clock)
        self.signing = Signing(self.pdus, server_name=server_name, key=key)
        self.shown_state = ShownState(rooms.cache, self.pdus)
        self.remote_rooms = self._remote_rooms(
            transport, clock, stores, rooms, keys, server_name, key
        )
        self.transactions = Transactions(
            staging,
            rooms.cache,
            self.pdus,
            self.acls,
            inbound,
            self.inbox,
            Edus({}),
            Withdrawals(rooms.cache, rooms.doorstep, stores.names, server_name=server_name),
            background,
            clock,
        )

    def _remote_rooms(
        self,
        transport: Transport,
        clock: Clock,
        stores: Stores,
        rooms: Rooms,
        keys: Keys,
        server_name: str,
        key: SigningKey,
    ) -> RemoteRooms:
        """What our users do in rooms of other servers."""
        handshakes = Handshakes(transport, clock, server_name=server_name, key=key)
        candidates = Candidates(rooms.cache, rooms.doorstep, stores.names, server_name=server_name)
        told_rooms = ToldRooms(
            rooms.cache,
            stores.events,
            self.pdus,
            self.outliers,
            rooms.entrances,
            clock,
            server_name=server_name,
        )
        invites = SentInvites(
            transport,
            rooms.writer,
            rooms.receiver,
            self.shown_state,
            keys.signature_checks,
            server_name=server_name,
        )
        return RemoteRooms(
            transport,
            RemoteJoins(rooms.cache, handshakes, candidates, told_rooms, self.inbound),
            invites,
            handshakes,
            candidates,
            self.shown_state,
            rooms.entrances,
            rooms.doorstep,
            clock,
            server_name=server_name,
            key=key,
        )
