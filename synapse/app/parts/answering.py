"""What other servers ask us about rooms, their history, and users."""

from synapse.app.parts.device_keys import DeviceKeys
from synapse.app.parts.discovery import Discovery
from synapse.app.parts.federation import Federation
from synapse.app.parts.ground import Ground
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.federation.server_visibility import ServerVisibility
from synapse.federation.told_devices import ToldDevices
from synapse.federation.told_history import ToldHistory
from synapse.federation.told_spaces import ToldSpaces
from synapse.federation.told_states import ToldStates
from synapse.federation.visitors import Visitors
from synapse.storage.stores.event_graph import EventGraph


class Answering:
    """Answers other servers, as far as each may know."""

    def __init__(
        self,
        ground: Ground,
        stores: Stores,
        rooms: Rooms,
        device_keys: DeviceKeys,
        federation: Federation,
        discovery: Discovery,
    ) -> None:
        clock = ground.clock
        visitors = Visitors(
            rooms.cache,
            federation.acls,
            rooms.servers,
            rooms.server_store,
            stores.events,
            rooms.wholeness,
        )
        visibility = ServerVisibility(
            rooms.cache, stores.events, stores.states, stores.slots, rooms.server_store
        )
        self.history = ToldHistory(visitors, visibility, stores.events, clock)
        self.states = ToldStates(
            visitors,
            visibility,
            stores.events,
            stores.states,
            stores.slots,
            rooms.standings,
            EventGraph(ground.database),
        )
        self.rooms = ToldSpaces(
            rooms.cache,
            federation.acls,
            stores.rooms,
            discovery.summaries,
            rooms.servers,
            rooms.server_store,
            clock,
        )
        self.devices = ToldDevices(
            stores.users,
            device_keys.local,
            device_keys.store,
            stores.device_changes,
            server_name=ground.server_name,
            tells_names=ground.config.federation.allow_device_name_lookup_over_federation,
        )
