"""Messages to devices: what clients send. What waits for them is among the streams."""

from synapse.app.parts.federation import Federation
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.config.homeserver import HomeserverConfig
from synapse.federation.sending.device_messages import DeviceMessageEdus
from synapse.handlers.device_messages import DeviceMessages
from synapse.util.clock import Clock


def device_messages(
    config: HomeserverConfig, clock: Clock, stores: Stores, streams: Streams, federation: Federation
) -> DeviceMessages:
    return DeviceMessages(
        streams.device_message_store,
        stores.names,
        DeviceMessageEdus(federation.partners),
        clock,
        server_name=config.server.server_name,
    )
