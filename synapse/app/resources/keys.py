"""The part of the API for other servers that tells keys."""

from synapse.app.parts.keys import Keys
from synapse.http.resource import Resource
from synapse.rest.key.key_query import KeysOfServer, KeysOfServers
from synapse.rest.key.published_keys import PublishedKeys
from synapse.util.clock import Clock


def key_resources(clock: Clock, keys: Keys) -> list[Resource]:
    return [
        PublishedKeys(keys.own),
        KeysOfServer(keys.notary, clock),
        KeysOfServers(keys.notary, clock),
    ]
