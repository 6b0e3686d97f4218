"""Other homeservers: what they tell us, and what we ask them."""

from synapse.app.parts.keys import Keys
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.config.homeserver import HomeserverConfig
from synapse.federation.edus import Edus
from synapse.federation.inbound import Inbound
from synapse.federation.inbox import Inbox
from synapse.federation.outliers import Outliers
from synapse.federation.partners import Partners
from synapse.federation.pdus import Pdus
from synapse.federation.peers import Peers
from synapse.federation.remote_graph import RemoteGraph
from synapse.federation.server_acls import ServerAcls
from synapse.federation.transactions import Transactions
from synapse.federation.wire import Transport
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
        inbound = Inbound(rooms.cache, stores.events, rooms.receiver, self.graph)
        self.inbox = Inbox(staging, rooms.cache, self.pdus, inbound, background, clock)
        self.transactions = Transactions(
            staging,
            rooms.cache,
            self.pdus,
            self.acls,
            inbound,
            self.inbox,
            Edus({}),
            background,
            clock,
        )
