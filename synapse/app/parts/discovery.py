"""What can be found: rooms, spaces, people, and words that were said."""

from synapse.app.parts.asking import Asking
from synapse.app.parts.entering import Entering
from synapse.app.parts.ground import Ground
from synapse.app.parts.reading import Reading
from synapse.app.parts.rooms import Rooms
from synapse.app.parts.stores import Stores
from synapse.handlers.mutual_rooms import MutualRooms
from synapse.handlers.public_rooms import PublicRooms
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.room_previews import RoomPreviews
from synapse.handlers.room_summaries import RoomSummaries
from synapse.handlers.search import Search
from synapse.handlers.search_pages import SearchPages
from synapse.handlers.search_scope import SearchScope
from synapse.handlers.space_hierarchy import SpaceHierarchy
from synapse.handlers.user_directory import UserDirectory
from synapse.storage.stores.directory import DirectoryStore
from synapse.storage.stores.directory_feed import DirectoryFeed
from synapse.storage.stream_readers import StreamReader


class Discovery:
    """What searches, and the readers of the stream that fill what is searched."""

    def __init__(
        self,
        ground: Ground,
        stores: Stores,
        rooms: Rooms,
        entering: Entering,
        reading: Reading,
        asking: Asking,
    ) -> None:
        config, database, clock, background = (
            ground.config,
            ground.database,
            ground.clock,
            ground.background,
        )
        server_name = ground.server_name
        self.summaries = RoomSummaries(stores.states, stores.events)
        self.public_rooms = PublicRooms(
            stores.rooms,
            self.summaries,
            asking.directories,
            clock,
            enabled=config.rooms.enable_room_list_search,
            server_name=server_name,
        )
        self.room_previews = RoomPreviews(
            stores.rooms,
            stores.members,
            self.summaries,
            entering.aliases,
            asking.rooms,
            server_name=server_name,
        )
        self.space_hierarchy = SpaceHierarchy(self.room_previews, clock)
        self.mutual_rooms = MutualRooms(stores.members, stores.rooms, stores.names)
        self.user_directory = UserDirectory(
            DirectoryStore(database),
            config.search.user_directory,
            limit=RateLimiter(clock, config.rate_limits.rc_user_directory),
        )
        self.directory_reader = StreamReader(
            "user_directory", DirectoryFeed(), database, clock, background
        )
        scope = SearchScope(
            stores.search_index,
            rooms.cache,
            stores.rooms,
            stores.members,
            stores.names,
            stores.slots,
        )
        self.search = Search(
            SearchPages(stores.search_index, scope, stores.events, rooms.visibility),
            rooms.cache,
            reading.timelines,
            rooms.states,
            reading.room_state,
            enabled=config.search.enable_search,
        )
        self.search_reader = StreamReader("search", stores.search_feed, database, clock, background)
