"""Other homeservers: what they tell us, what we ask them, and what we tell them."""

from collections.abc import Mapping

from synapse.app.parts.device_keys import DeviceKeys
from synapse.app.parts.federation_sending import FederationSending
from synapse.app.parts.ground import Ground
from synapse.app.parts.keys import Keys
from synapse.app.parts.remote_devices import RemoteDevices
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.federation.backoff import Backoffs
from synapse.federation.candidates import Candidates
from synapse.federation.completions import Completions
from synapse.federation.destinations import Destinations
from synapse.federation.edus import Edus, Keep, TakeUp
from synapse.federation.floods import Floods
from synapse.federation.handshakes import Handshakes
from synapse.federation.heard import PresenceHeard, ReceiptsHeard, RoomMembers, TypingHeard
from synapse.federation.heard_messages import MessagesHeard
from synapse.federation.heavy_questions import HeavyQuestions
from synapse.federation.helpers import Helpers
from synapse.federation.inbound import Inbound
from synapse.federation.inbox import Inbox
from synapse.federation.limited import LimitedTransport
from synapse.federation.outliers import Outliers
from synapse.federation.partners import Partners
from synapse.federation.pdus import Pdus
from synapse.federation.peers import Peers
from synapse.federation.remote_graph import RemoteGraph
from synapse.federation.remote_joins import RemoteJoins
from synapse.federation.remote_rooms import RemoteRooms
from synapse.federation.sent_invites import SentInvites
from synapse.federation.server_acls import ServerAcls
from synapse.federation.short_retries import ShortRetries
from synapse.federation.shown_state import ShownState
from synapse.federation.signed_events import Signing
from synapse.federation.told_rooms import ToldRooms
from synapse.federation.traffic import Traffic
from synapse.federation.transactions import Transactions
from synapse.federation.untold_leaves import UntoldLeaves
from synapse.federation.wire import Transport
from synapse.federation.withdrawals import Withdrawals
from synapse.storage.stores.destination_lists import DestinationLists
from synapse.storage.stores.staging import StagingStore
from synapse.util.clock import Clock


class Federation:
    """The server-server API."""

    def __init__(
        self,
        ground: Ground,
        transport: Transport,
        stores: Stores,
        streams: Streams,
        rooms: Rooms,
        device_keys: DeviceKeys,
        keys: Keys,
    ) -> None:
        self._talk(ground, transport, stores, rooms, keys)
        self._learn(ground, stores, rooms, keys)
        self.sending = FederationSending(
            ground, transport, stores, streams, rooms, device_keys, self.backoffs, self.traffic
        )
        self.destinations = Destinations(
            DestinationLists(ground.database), self.backoffs, self.sending.sender
        )
        self._enter(ground, stores, rooms, keys)
        self.remote_devices = RemoteDevices(ground, self.transport, stores, rooms, self.backoffs)
        self._hear(ground, stores, streams, rooms)

    def _talk(
        self, ground: Ground, transport: Transport, stores: Stores, rooms: Rooms, keys: Keys
    ) -> None:
        """Whom we ask, and how; whom we answer, and how much."""
        config, clock = ground.config, ground.clock
        retries = config.federation.retries
        self.backoffs = Backoffs(stores.destinations, clock, ground.background, retries)
        # Servers that can't be reached lately are asked only if it is urgent.
        self.transport = LimitedTransport(transport, self.backoffs)
        self.urgent_transport = LimitedTransport(transport, self.backoffs, is_urgent=True)
        # The same for what nobody but the one server can answer.
        self.patient_transport = ShortRetries(self.urgent_transport, self.backoffs, clock, retries)
        self.partners = Partners(
            ground.server_name,
            allowed=config.federation.federation_domain_whitelist,
            denied=config.federation.federation_domain_blacklist,
        )
        self.peers = Peers(
            keys.ring,
            self.partners,
            clock,
            server_name=ground.server_name,
            heard_from=self.backoffs.heard_from,
        )
        self.floods = Floods(clock, config.rate_limits.rc_federation)
        self.heavy_questions = HeavyQuestions(config.rate_limits.rc_federation)
        self.acls = ServerAcls(rooms.cache)
        self.traffic = Traffic(clock, config.federation.federation_metrics_domains)

    def _learn(self, ground: Ground, stores: Stores, rooms: Rooms, keys: Keys) -> None:
        """How events of others are read, and how what they stand on is found."""
        clock = ground.clock
        self.pdus = Pdus(keys.signature_checks, clock)
        self.signing = Signing(self.pdus, server_name=ground.server_name, key=ground.key)
        self.shown_state = ShownState(rooms.cache, self.pdus)
        self.outliers = Outliers(stores.events, rooms.asides, clock)
        helpers = Helpers(rooms.servers, self.backoffs, clock)
        self.graph = RemoteGraph(
            self.transport,
            self.pdus,
            self.outliers,
            helpers,
            stores.events,
            stores.slots,
            stores.states,
            clock,
        )
        self.inbound = Inbound(
            rooms.cache,
            stores.events,
            rooms.receiver,
            self.graph,
            helpers,
            server_name=ground.server_name,
        )
        self.told_rooms = ToldRooms(
            rooms.cache,
            stores.events,
            self.pdus,
            self.outliers,
            rooms.entrances,
            clock,
            server_name=ground.server_name,
        )

    def _enter(self, ground: Ground, stores: Stores, rooms: Rooms, keys: Keys) -> None:
        """What our users do in rooms of other servers."""
        clock, server_name = ground.clock, ground.server_name
        self.completions = Completions(
            rooms.cache,
            rooms.partial_store,
            rooms.completion,
            rooms.wholeness,
            self.transport,
            self.told_rooms,
            self.graph,
            ground.background,
            clock,
        )
        handshakes = Handshakes(
            self.urgent_transport, clock, server_name=server_name, key=ground.key
        )
        self.untold_leaves = UntoldLeaves(
            stores.untold_leaves, rooms.cache, stores.names, rooms.writer, handshakes, clock
        )
        candidates = Candidates(rooms.cache, rooms.doorstep, stores.names, server_name=server_name)
        joins = RemoteJoins(
            rooms.cache,
            handshakes,
            candidates,
            self.told_rooms,
            self.inbound,
            stores.events,
            clock,
            server_name=server_name,
            bring_up_to_date=self.sending.sender.bring_up_to_date,
            entered=self.completions.begin,
        )
        invites = SentInvites(
            self.patient_transport,
            rooms.writer,
            rooms.receiver,
            self.shown_state,
            keys.signature_checks,
            rooms.policy_servers,
            server_name=server_name,
        )
        self.remote_rooms = RemoteRooms(
            self.urgent_transport,
            joins,
            invites,
            handshakes,
            candidates,
            self.shown_state,
            self.untold_leaves,
            rooms.entrances,
            rooms.doorstep,
            clock,
            server_name=server_name,
            key=ground.key,
        )

    def _hear(self, ground: Ground, stores: Stores, streams: Streams, rooms: Rooms) -> None:
        """What others send us."""
        clock, background = ground.clock, ground.background
        staging = StagingStore(ground.database)
        self.inbox = Inbox(
            staging, rooms.cache, self.pdus, self.inbound, self.traffic, background, clock
        )
        passing = _taken_up(stores, streams, rooms, self.acls, clock)
        self.transactions = Transactions(
            staging,
            rooms.cache,
            self.pdus,
            self.acls,
            self.inbound,
            self.inbox,
            Edus(
                {**passing, **self.remote_devices.taken_up},
                _kept(stores, streams, clock, ground.server_name),
            ),
            Withdrawals(rooms.cache, rooms.doorstep, stores.names, server_name=ground.server_name),
            rooms.policy_servers,
            self.traffic,
            background,
            clock,
        )


def _taken_up(
    stores: Stores, streams: Streams, rooms: Rooms, acls: ServerAcls, clock: Clock
) -> Mapping[str, TakeUp]:
    """Who takes up which EDUs, of those that may be lost."""
    present = RoomMembers(rooms.cache, acls)
    receipts = ReceiptsHeard(present, stores.events, stores.names, streams.receipt_store, clock)
    return {
        "m.typing": TypingHeard(present, streams.typing).take_up,
        "m.receipt": receipts.take_up,
        "m.presence": PresenceHeard(streams.presence, clock).take_up,
    }


def _kept(stores: Stores, streams: Streams, clock: Clock, server_name: str) -> Mapping[str, Keep]:
    """Who takes up which of those that must not be."""
    messages = MessagesHeard(
        streams.device_message_store, stores.names, clock, server_name=server_name
    )
    return {"m.direct_to_device": messages.take_up}
