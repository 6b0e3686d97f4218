"""The server's parts and who needs whom, in dependency order: the tour of the house.

Nothing looks anything up: what an object works with is handed to it once, in the part that makes
it, and a part is handed the earlier ones that it needs. Tests build the same `Server` over a
database and a clock of their own.
"""

from collections.abc import Sequence

from synapse.app.parts.access import Access
from synapse.app.parts.answering import Answering
from synapse.app.parts.asking import Asking
from synapse.app.parts.attention import Attention
from synapse.app.parts.device_keys import DeviceKeys
from synapse.app.parts.device_messages import device_messages
from synapse.app.parts.discovery import Discovery
from synapse.app.parts.encryption import Encryption
from synapse.app.parts.entering import Entering
from synapse.app.parts.federation import Federation
from synapse.app.parts.ground import Ground
from synapse.app.parts.hosting import Hosting
from synapse.app.parts.keys import Keys
from synapse.app.parts.notices import server_notices
from synapse.app.parts.outbound import Outbound
from synapse.app.parts.reading import Reading
from synapse.app.parts.room_news import RoomNews
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.sending import Sending
from synapse.app.parts.settings import Settings
from synapse.app.parts.sliding_sync import sliding_sync
from synapse.app.parts.stores import Stores
from synapse.app.parts.streams import Streams
from synapse.app.parts.syncing import Syncing
from synapse.app.parts.users import Users
from synapse.config.homeserver import HomeserverConfig
from synapse.crypto.signing import SigningKey
from synapse.federation.wire import Transport, Unconnected
from synapse.handlers.passwords import Workers
from synapse.storage.database import Database
from synapse.util.background import Background
from synapse.util.clock import Clock


class Server:
    """A homeserver without its sockets."""

    def __init__(
        self,
        config: HomeserverConfig,
        database: Database,
        clock: Clock,
        workers: Workers,
        key: SigningKey,
        outbound: Outbound | None = None,
        *,
        other_keys: Sequence[SigningKey] = (),
        notary_keys: Sequence[SigningKey] = (),
        transport: Transport | None = None,
    ) -> None:
        """`workers` run what takes long, such as hashing passwords. Without `outbound`, nothing
        can be asked of other servers.

        `key` signs, `other_keys` are published beside it, and `notary_keys` sign what is told of
        third servers' keys. `transport` leads to other homeservers.
        """
        self.config = config
        self.database = database
        self.clock = clock
        self.outbound = outbound
        self.background = background = Background()
        ground = Ground(config, database, clock, background, key)
        # What is remembered, by domain.
        self.stores = stores = Stores(ground)
        # Who waits for what: followers, typing, presence, receipts, account data.
        self.streams = streams = Streams(ground, stores)
        if transport is None:
            transport = Unconnected() if outbound is None else outbound.federation
        # The rooms in memory: writing events, and who hears and sees them.
        self.rooms = rooms = Rooms(ground, stores, streams, transport)
        # Keys of our users' devices, by which they encrypt for each other.
        self.device_keys = device_keys = DeviceKeys(ground, stores, streams, rooms)
        # Keys of homeservers: ours, others', and whether these signed what they say.
        self.keys = keys = Keys(ground, transport, [key, *other_keys], notary_keys)
        # Other homeservers: what they tell us, and what we ask them.
        self.federation = federation = Federation(
            ground, transport, stores, streams, rooms, device_keys, keys
        )
        # What our users want of other servers: history, profiles, aliases, spaces.
        asking = Asking(ground, transport, stores, rooms, federation)
        # Who is it? Tokens, passwords, sessions.
        self.access = access = Access(ground, workers, stores)
        # Publishing keys, and asking for those of others.
        self.encryption = Encryption(ground, stores, streams, device_keys, federation, access)
        # The doors of rooms: creation, aliases, joining and leaving, upgrades.
        self.entering = entering = Entering(
            ground, stores, streams, rooms, access, asking, outbound, federation.remote_rooms
        )
        # The same doors for other servers: their users come to us, ours are invited by theirs.
        self.hosting = Hosting(ground, stores, rooms, federation, access, entering)
        # Messages and state events, now or later.
        self.sending = Sending(ground, stores, streams, rooms, entering)
        # Messages from device to device.
        self.device_messages = device_messages(ground, stores, streams, federation)
        # What the server itself tells its users.
        self.server_notices = server_notices(ground, stores, streams, rooms, access, entering)
        # Timelines, state, relations, and how events look to a client.
        self.reading = reading = Reading(ground, stores, streams, rooms, asking)
        # Registration, login, devices, profiles.
        self.users = Users(ground, stores, rooms, access, entering, asking)
        # What users keep for themselves: account data, push rules, filters.
        self.settings = settings = Settings(ground, streams, rooms, reading)
        # What syncs tell of rooms.
        self.room_news = news = RoomNews(ground, stores, streams, rooms, reading)
        # Sync, and its forerunners.
        self.syncing = Syncing(
            ground, stores, streams, rooms, entering, reading, settings, news, device_keys
        )
        # Sync by windows.
        self.sliding_sync = sliding_sync(
            ground, stores, streams, rooms, entering, settings, news, device_keys
        )
        # What users do while they read: typing notices, receipts, notifications.
        self.attention = Attention(ground, stores, streams, rooms, news)
        # Public rooms, spaces, the user directory, search.
        self.discovery = discovery = Discovery(ground, stores, rooms, entering, reading, asking)
        # What other servers want of us.
        self.answering = Answering(ground, stores, rooms, device_keys, federation, discovery)
