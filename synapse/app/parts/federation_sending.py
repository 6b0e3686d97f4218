"""What is sent to other homeservers, and when."""

import logging

from synapse.app.parts.device_keys import DeviceKeys
from synapse.app.parts.ground import Ground
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.federation.backoff import Backoffs
from synapse.federation.sending.backlog import Backlog
from synapse.federation.sending.device_arrivals import DeviceArrivals
from synapse.federation.sending.device_updates import DeviceUpdates
from synapse.federation.sending.distributor import Distributor
from synapse.federation.sending.ephemeral import ReceiptSending, TypingSending
from synapse.federation.sending.presence import PresenceSending
from synapse.federation.sending.sender import Sender
from synapse.federation.sending.transaction import Dispatch
from synapse.federation.traffic import Traffic
from synapse.federation.wire import Transport
from synapse.storage.errors import Overloaded, Unavailable

logger = logging.getLogger(__name__)

_RETRY_S = 60.0


class FederationSending:
    """What is sent to other homeservers: events of ours, and EDUs."""

    def __init__(
        self,
        ground: Ground,
        transport: Transport,
        stores: Stores,
        streams: Streams,
        rooms: Rooms,
        device_keys: DeviceKeys,
        backoffs: Backoffs,
        traffic: Traffic,
    ) -> None:
        config, clock, background = ground.config, ground.clock, ground.background
        self._clock = clock
        server_name, retries = ground.server_name, config.federation.retries
        self.dispatch = Dispatch(
            transport,
            clock,
            traffic,
            server_name=server_name,
            timeout_s=retries.client_timeout_ms / 1000,
        )
        changes = stores.device_changes
        updates = DeviceUpdates(
            device_keys.local,
            stores.names,
            tells_names=config.federation.allow_device_name_lookup_over_federation,
        )
        self.sender = sender = Sender(
            self.dispatch,
            stores.destinations,
            Backlog(stores.destinations, stores.events, changes, updates),
            stores.outbox,
            backoffs,
            clock,
            background,
            retries,
        )
        self.distributor = distributor = Distributor(
            ground.database,
            stores.destinations,
            stores.events,
            clock,
            background,
            sender,
            changes,
            updates,
        )
        rooms.announcer.listen(distributor.committed)
        arrivals = DeviceArrivals(
            sender,
            distributor,
            rooms.cache,
            changes,
            updates,
            stores.names,
            clock,
            background,
            server_name=server_name,
        )
        rooms.announcer.listen_to_members(arrivals.member_moved)
        rooms.completion.listen(distributor.recounted)
        self._pass_on(ground, stores, streams, rooms)

    def _pass_on(self, ground: Ground, stores: Stores, streams: Streams, rooms: Rooms) -> None:
        """What is told in passing."""
        config, clock, background = ground.config, ground.clock, ground.background
        sender, distributor, server_name = self.sender, self.distributor, ground.server_name
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
        self.presence: PresenceSending | None = None
        if config.presence.is_shown:
            self.presence = PresenceSending(
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
        if self.presence is not None:
            self.presence.start()

    def stop(self) -> None:
        """Begin nothing more; then, when what runs has ended, `sender.save`."""
        self.sender.stop()
        if self.presence is not None:
            self.presence.stop()
