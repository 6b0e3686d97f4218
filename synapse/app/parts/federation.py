"""Other homeservers: what they tell us, what we ask them, and what we tell them."""

import logging
from collections.abc import Mapping

from synapse.app.parts.keys import Keys
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.config.homeserver import HomeserverConfig
from synapse.federation.backoff import Backoffs
from synapse.federation.destinations import Destinations
from synapse.federation.edus import Edus, TakeUp
from synapse.federation.heard import PresenceHeard, ReceiptsHeard, RoomMembers, TypingHeard
from synapse.federation.inbound import Inbound
from synapse.federation.inbox import Inbox
from synapse.federation.limited import LimitedTransport
from synapse.federation.outliers import Outliers
from synapse.federation.partners import Partners
from synapse.federation.pdus import Pdus
from synapse.federation.peers import Peers
from synapse.federation.remote_graph import RemoteGraph
from synapse.federation.sending.backlog import Backlog
from synapse.federation.sending.distributor import Distributor
from synapse.federation.sending.ephemeral import ReceiptSending, TypingSending
from synapse.federation.sending.presence import PresenceSending
from synapse.federation.sending.sender import Sender
from synapse.federation.sending.transaction import Dispatch
from synapse.federation.server_acls import ServerAcls
from synapse.federation.transactions import Transactions
from synapse.federation.wire import Transport
from synapse.storage.database import Database
from synapse.storage.errors import Overloaded, Unavailable
from synapse.storage.stores.destination_lists import DestinationLists
from synapse.storage.stores.staging import StagingStore
from synapse.util.background import Background
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

_RETRY_S = 60.0


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
        keys: Keys,
    ) -> None:
        server_name = config.server.server_name
        self.backoffs = Backoffs(stores.destinations, clock, background, config.federation.retries)
        # How others are asked: servers that can't be reached lately are asked only if it is urgent.
        self.transport = LimitedTransport(transport, self.backoffs)
        self.urgent_transport = LimitedTransport(transport, self.backoffs, is_urgent=True)
        self.peers = Peers(
            keys.ring,
            Partners(
                server_name,
                allowed=config.federation.federation_domain_whitelist,
                denied=config.federation.federation_domain_blacklist,
            ),
            clock,
            server_name=server_name,
            heard_from=self.backoffs.heard_from,
        )
        self.acls = ServerAcls(rooms.cache)
        self.pdus = Pdus(keys.signature_checks, clock)
        self.outliers = Outliers(stores.events, rooms.asides, clock)
        self.graph = RemoteGraph(
            self.transport, self.pdus, self.outliers, stores.events, stores.slots, stores.states
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
            Edus(_taken_up(stores, streams, rooms, self.acls, clock)),
            background,
            clock,
        )
        self.sending = FederationSending(
            config, database, clock, background, transport, stores, streams, rooms, self.backoffs
        )
        self.destinations = Destinations(
            DestinationLists(database), self.backoffs, self.sending.sender
        )


class FederationSending:
    """What is sent to other homeservers: events of ours, and EDUs."""

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
        backoffs: Backoffs,
    ) -> None:
        self._clock = clock
        server_name, retries = config.server.server_name, config.federation.retries
        self.dispatch = Dispatch(
            transport,
            clock,
            server_name=server_name,
            timeout_s=retries.client_timeout_ms / 1000,
        )
        self.sender = sender = Sender(
            self.dispatch,
            stores.destinations,
            Backlog(stores.destinations, stores.events),
            backoffs,
            clock,
            background,
            retries,
        )
        self.distributor = distributor = Distributor(
            database, stores.destinations, stores.events, clock, background, sender
        )
        rooms.announcer.listen(distributor.committed)
        typing = TypingSending(
            sender, distributor, rooms.cache, clock, background, server_name=server_name
        )
        streams.typing.listen(typing.typed)
        receipts = ReceiptSending(
            sender,
            distributor,
            rooms.cache,
            clock,
            background,
            server_name=server_name,
            servers_per_second=config.federation.rr_transactions_per_room_per_second,
        )
        streams.recent_receipts.listen(receipts.moved)
        self._presence: PresenceSending | None = None
        if config.presence.is_shown:
            self._presence = PresenceSending(
                sender,
                distributor,
                stores.destinations,
                streams.presence_changes,
                streams.followers,
                clock,
                background,
            )

    async def start(self) -> None:
        """Go on with what the last stop interrupted, and send from now on."""
        while True:
            try:
                await self.sender.resume()
                await self.distributor.resume()
                break
            except (Unavailable, Overloaded) as error:
                logger.warning("Nothing is sent to other servers yet: %s", error)
                await self._clock.sleep(_RETRY_S)
        self.sender.start()
        if self._presence is not None:
            self._presence.start()

    def stop(self) -> None:
        """Begin nothing more; then, when what runs has ended, `sender.save`."""
        self.sender.stop()
        if self._presence is not None:
            self._presence.stop()


def _taken_up(
    stores: Stores, streams: Streams, rooms: Rooms, acls: ServerAcls, clock: Clock
) -> Mapping[str, TakeUp]:
    """Who takes up which EDUs."""
    present = RoomMembers(rooms.cache, acls)
    receipts = ReceiptsHeard(present, stores.events, stores.names, streams.receipt_store, clock)
    return {
        "m.typing": TypingHeard(present, streams.typing).take_up,
        "m.receipt": receipts.take_up,
        "m.presence": PresenceHeard(streams.presence, clock).take_up,
    }
