"""Which endpoints a listener serves: those of the resources that its configuration names."""

from synapse.app.resources.about import about_resources
from synapse.app.resources.admin import admin_resources
from synapse.app.resources.answering import answering_resources, openid_resources
from synapse.app.resources.attention import attention_resources
from synapse.app.resources.discovery import discovery_resources
from synapse.app.resources.encryption import encryption_resources
from synapse.app.resources.events import event_resources
from synapse.app.resources.federation import federation_resources
from synapse.app.resources.hosting import hosting_resources
from synapse.app.resources.keys import key_resources
from synapse.app.resources.rooms import room_resources
from synapse.app.resources.settings import setting_resources
from synapse.app.resources.sync import sync_resources
from synapse.app.resources.users import user_resources
from synapse.app.wiring import Server
from synapse.config.listeners import ListenerConfig
from synapse.http.health import Health, Metrics
from synapse.http.resource import Resource
from synapse.metrics.exposition import Registry
from synapse.rest.client.device_messages import SendToDevice


def resources_of(server: Server, listener: ListenerConfig, registry: Registry) -> list[Resource]:
    """All resources of a listener. Whatever it is for, it tells that it is alive."""
    names = listener.names()
    resources: list[Resource] = [Health()]
    if "client" in names:
        resources += client_resources(server)
    if "federation" in names:
        resources += [*federation_resources(server.federation), *answering_resources(server)]
        resources += hosting_resources(server.federation.peers, server.hosting)
    if "federation" in names or "openid" in names:
        resources += openid_resources(server)
    if "federation" in names or "keys" in names:
        resources += key_resources(server.clock, server.keys)
    if "metrics" in names or listener.type == "metrics":
        resources.append(Metrics(registry))
    return resources


def client_resources(server: Server) -> list[Resource]:
    """The client API, and what is found beside it."""
    config, auth = server.config, server.access.auth
    return [
        *user_resources(config, server.access, server.users),
        *setting_resources(auth, server.settings),
        *room_resources(config, auth, server.entering),
        *event_resources(auth, server.sending, server.reading),
        SendToDevice(auth, server.device_messages),
        *sync_resources(
            config,
            auth,
            server.streams,
            server.reading,
            server.settings,
            server.syncing,
            server.sliding_sync,
        ),
        *encryption_resources(auth, server.encryption),
        *attention_resources(auth, server.streams, server.reading, server.attention),
        *discovery_resources(config, auth, server.reading, server.discovery),
        *admin_resources(auth, server.server_notices, server.federation.destinations),
        *about_resources(config, auth, server.users),
    ]
