"""Routes of the server-server API by which other servers ask."""

from synapse.app.wiring import Server
from synapse.http.resource import Resource
from synapse.rest.federation.history import (
    TellBackfill,
    TellEvent,
    TellEventByTime,
    TellMissingEvents,
)
from synapse.rest.federation.openid import OpenIdUserInfo
from synapse.rest.federation.queries import (
    QueryDirectory,
    QueryOther,
    QueryProfile,
    TellDevices,
    TellKeys,
    TellOneTimeKeys,
)
from synapse.rest.federation.rooms import TellHierarchy, TellPublicRooms
from synapse.rest.federation.states import TellEventAuth, TellState, TellStateIds
from synapse.rest.federation.version import FederationVersion


def answering_resources(server: Server) -> list[Resource]:
    config, answering, peers = server.config, server.answering, server.federation.peers
    server_name = config.server.server_name
    history = (peers, answering.history, server.clock)
    questions = server.federation.heavy_questions
    return [
        TellEvent(*history, server_name=server_name),
        TellBackfill(*history, questions, server_name=server_name),
        TellMissingEvents(*history, questions, server_name=server_name),
        TellEventByTime(*history, server_name=server_name),
        TellState(peers, answering.states, questions),
        TellStateIds(peers, answering.states, questions),
        TellEventAuth(peers, answering.states, questions),
        QueryProfile(
            peers,
            server.users.profiles,
            server_name=server_name,
            is_allowed=config.federation.allow_profile_lookup_over_federation,
        ),
        QueryDirectory(peers, server.entering.aliases),
        QueryOther(peers),
        TellDevices(peers, answering.devices),
        TellKeys(peers, answering.devices),
        TellOneTimeKeys(peers, answering.devices),
        TellPublicRooms(
            peers,
            server.discovery.public_rooms,
            is_allowed=config.rooms.allow_public_rooms_over_federation,
        ),
        TellHierarchy(peers, answering.rooms),
        FederationVersion(),
    ]


def openid_resources(server: Server) -> list[Resource]:
    return [OpenIdUserInfo(server.users.openid)]
