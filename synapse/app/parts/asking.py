"""What we ask other servers when our users read or look for something that isn't here."""

from synapse.app.parts.federation import Federation
from synapse.app.parts.ground import Ground
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.federation.backfill import Backfill
from synapse.federation.history_keeping import HistoryKeeping
from synapse.federation.jumps import Jumps
from synapse.federation.remote_aliases import RemoteAliases
from synapse.federation.remote_profiles import RemoteProfiles
from synapse.federation.remote_spaces import RemoteDirectories, RemoteRooms
from synapse.federation.wire import Transport


class Asking:
    """History, profiles, aliases, spaces and room directories of others."""

    def __init__(
        self,
        ground: Ground,
        transport: Transport,
        stores: Stores,
        rooms: Rooms,
        federation: Federation,
    ) -> None:
        clock, background = ground.clock, ground.background
        keeping = HistoryKeeping(
            federation.graph,
            rooms.standings,
            rooms.asides,
            stores.events,
            rooms.early_redactions,
            rooms.removals,
            rooms.sender_redactions,
            clock,
        )
        self.past = Backfill(
            transport,
            rooms.servers,
            federation.pdus,
            federation.graph,
            keeping,
            stores.events,
            rooms.history,
            background,
            clock,
        )
        self.jumps = Jumps(
            transport,
            rooms.servers,
            federation.backoffs,
            federation.graph,
            keeping,
            self.past,
            rooms.history,
            stores.events,
            background,
            clock,
        )
        patient = federation.patient_transport
        self.profiles = RemoteProfiles(patient, clock)
        self.aliases = RemoteAliases(patient, clock)
        self.rooms = RemoteRooms(patient, clock)
        self.directories = RemoteDirectories(patient)
