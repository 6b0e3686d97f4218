"""What users do beside sending: presence, typing, receipts, notifications."""

from synapse.app.parts.attention import Attention
from synapse.app.parts.reading import Reading
from synapse.app.parts.streams import Streams
from synapse.handlers.auth import Auth
from synapse.http.resource import Resource
from synapse.rest.client.notifications import NotificationsResource
from synapse.rest.client.presence import PresenceStatus
from synapse.rest.client.receipts import ReadMarkersResource, ReceiptResource
from synapse.rest.client.typing import TypingResource


def attention_resources(
    auth: Auth, streams: Streams, reading: Reading, attention: Attention
) -> list[Resource]:
    return [
        PresenceStatus(auth, streams.presence),
        TypingResource(auth, attention.typing),
        ReceiptResource(auth, attention.receipts),
        ReadMarkersResource(auth, attention.receipts),
        NotificationsResource(auth, attention.notifications, reading.client_events),
    ]
