"""The admin API, for the server's administrators."""

from synapse.federation.destinations import Destinations
from synapse.handlers.auth import Auth
from synapse.handlers.server_notices import ServerNotices
from synapse.http.resource import Resource
from synapse.rest.admin.federation import (
    Destination,
    DestinationRooms,
    ListDestinations,
    ResetConnection,
)
from synapse.rest.admin.server_notices import SendServerNotice, SendServerNoticeOnce


def admin_resources(
    auth: Auth, notices: ServerNotices, destinations: Destinations
) -> list[Resource]:
    return [
        ListDestinations(auth, destinations),
        Destination(auth, destinations),
        DestinationRooms(auth, destinations),
        ResetConnection(auth, destinations),
        SendServerNotice(auth, notices),
        SendServerNoticeOnce(auth, notices),
    ]
