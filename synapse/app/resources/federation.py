"""Routes of the server-server API."""

from synapse.app.parts.federation import Federation
from synapse.http.resource import Resource
from synapse.rest.federation.transactions import SendTransaction


def federation_resources(federation: Federation) -> list[Resource]:
    peers = federation.peers
    return [
        SendTransaction(peers, federation.transactions, federation.floods),
    ]
