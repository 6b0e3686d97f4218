"""Other homeservers: what they tell us, what we ask them, and what we tell them."""

from collections.abc import Mapping

from synapse.app.parts.device_keys import DeviceKeys
from synapse.app.parts.federation_sending import FederationSending
from synapse.app.parts.keys import Keys
from synapse.app.parts.remote_devices import RemoteDevices
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.config.homeserver import HomeserverConfig
from synapse.crypto.signing import SigningKey
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
from synapse.storage.database import Database
from synapse.storage.stores.destination_lists import DestinationLists
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
        streams: Streams,
        rooms: Rooms,
        device_keys: DeviceKeys,
        keys: Keys,
        key: SigningKey,
    ) -> None:
        server_name = config.server.server_name
        self.backoffs = Backoffs(stores.destinations, clock, background, config.federation.retries)
        # How others are asked: servers that can't be reached lately are asked only if it is urgent.
        self.transport = LimitedTransport(transport, self.backoffs)
        self.urgent_transport = LimitedTransport(transport, self.backoffs, is_urgent=True)
        # The same for what nobody but the one server can answer.
        self.patient_transport = ShortRetries(
            self.urgent_transport, self.backoffs, clock, config.federation.retries
        )
        self.partners = Partners(
            server_name,
            allowed=config.federation.federation_domain_whitelist,
            denied=config.federation.federation_domain_blacklist,
        )
        self.peers = Peers(
            keys.ring,
            self.partners,
            clock,
            server_name=server_name,
            heard_from=self.backoffs.heard_from,
        )
        self.floods = Floods(clock, config.rate_limits.rc_federation)
        self.heavy_questions = HeavyQuestions(config.rate_limits.rc_federation)
        self.acls = ServerAcls(rooms.cache)
        self.pdus = Pdus(keys.signature_checks, clock)
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
        staging = StagingStore(database)
        self.traffic = Traffic(clock, config.federation.federation_metrics_domains)
        self.inbound = inbound = Inbound(
            rooms.cache,
            stores.events,
            rooms.receiver,
            self.graph,
            helpers,
            server_name=server_name,
        )
        self.inbox = Inbox(
            staging, rooms.cache, self.pdus, inbound, self.traffic, background, clock
        )
        self.signing = Signing(self.pdus, server_name=server_name, key=key)
        self.shown_state = ShownState(rooms.cache, self.pdus)
        self.sending = FederationSending(
            config,
            database,
            clock,
            background,
            transport,
            stores,
            streams,
            rooms,
            device_keys,
            self.backoffs,
            self.traffic,
        )
        self.told_rooms = ToldRooms(
            rooms.cache,
            stores.events,
            self.pdus,
            self.outliers,
            rooms.entrances,
            clock,
            server_name=server_name,
        )
        self.completions = self._completions(rooms, clock, background)
        self.remote_rooms = self._remote_rooms(
            self.urgent_transport, clock, stores, rooms, keys, server_name, key
        )
        self.remote_devices = RemoteDevices(
            self.transport,
            clock,
            background,
            stores,
            rooms,
            self.backoffs,
            server_name=server_name,
        )
        self.transactions = Transactions(
            staging,
            rooms.cache,
            self.pdus,
            self.acls,
            inbound,
            self.inbox,
            Edus(
                {
                    **_taken_up(stores, streams, rooms, self.acls, clock),
                    **self.remote_devices.taken_up,
                },
                _kept(stores, streams, clock, server_name),
            ),
            Withdrawals(rooms.cache, rooms.doorstep, stores.names, server_name=server_name),
            rooms.policy_servers,
            self.traffic,
            background,
            clock,
        )
        self.destinations = Destinations(
            DestinationLists(database), self.backoffs, self.sending.sender
        )

    def _completions(self, rooms: Rooms, clock: Clock, background: Background) -> Completions:
        """The members of rooms that were entered without them."""
        return Completions(
            rooms.cache,
            rooms.partial_store,
            rooms.completion,
            rooms.wholeness,
            self.transport,
            self.told_rooms,
            self.graph,
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
        return RemoteRooms(
            transport,
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
            key=key,
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
