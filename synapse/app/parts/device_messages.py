"""Messages to devices: what clients send. What waits for them is among the streams."""

from synapse.app.parts.federation import Federation
from synapse.app.parts.ground import Ground
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.federation.sending.device_messages import DeviceMessageEdus
from synapse.handlers.device_messages import DeviceMessages


def device_messages(
    ground: Ground, stores: Stores, streams: Streams, federation: Federation
) -> DeviceMessages:
    return DeviceMessages(
        streams.device_message_store,
        stores.names,
        DeviceMessageEdus(federation.partners),
        ground.clock,
        server_name=ground.server_name,
    )
