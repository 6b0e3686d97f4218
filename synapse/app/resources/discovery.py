"""Finding rooms, spaces, people and words, and networks beyond Matrix, of which there are none."""

from synapse.app.parts.discovery import Discovery
from synapse.app.parts.reading import Reading
from synapse.config.homeserver import HomeserverConfig
from synapse.handlers.auth import Auth
from synapse.http.resource import Resource
from synapse.rest.client.mutual_rooms import MutualRoomsResource, UnstableMutualRooms
from synapse.rest.client.public_rooms import PublicRoomsResource
from synapse.rest.client.room_summaries import RoomSummary, UnstableRoomSummary
from synapse.rest.client.search import SearchResource
from synapse.rest.client.spaces import Hierarchy
from synapse.rest.client.third_party import (
    LocationOfAlias,
    NetworkDirectory,
    OneProtocol,
    Protocols,
    UserOfId,
)
from synapse.rest.client.user_directory import UserDirectorySearch


def discovery_resources(
    config: HomeserverConfig, auth: Auth, reading: Reading, discovery: Discovery
) -> list[Resource]:
    return [
        PublicRoomsResource(
            auth,
            discovery.public_rooms,
            needs_token=not config.rooms.allow_public_rooms_without_auth,
        ),
        RoomSummary(auth, discovery.room_previews),
        UnstableRoomSummary(auth, discovery.room_previews),
        Hierarchy(auth, discovery.space_hierarchy),
        MutualRoomsResource(auth, discovery.mutual_rooms),
        UnstableMutualRooms(auth, discovery.mutual_rooms),
        UserDirectorySearch(auth, discovery.user_directory),
        SearchResource(auth, discovery.search, reading.client_events),
        Protocols(auth),
        OneProtocol(auth),
        LocationOfAlias(auth),
        UserOfId(auth),
        NetworkDirectory(auth),
    ]
