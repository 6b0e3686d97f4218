"""Sending messages to devices, of users here and elsewhere.

Client-server API, "Send-to-Device messaging".
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson

from synapse.api.errors import BadJson, InvalidParam, TooLarge
from synapse.api.identifiers import domain_of, is_short_text, is_user_id
from synapse.handlers.auth import Requester
from synapse.http.json_body import JsonObject
from synapse.storage.stores.device_messages import Delivery, DeviceMessageStore
from synapse.storage.stores.names import Names
from synapse.util.canonicaljson import NotCanonical
from synapse.util.clock import Clock

# Like an event, with some room for what stands around it on the way to another server.
MAX_MESSAGE_BYTES = 62 * 1024
# Users and devices that one request, or one EDU, may name.
MOST_NAMED = 2_000

# user id → device id, or `*` → content
Messages = Mapping[str, Mapping[str, dict[str, Any]]]


class Elsewhere(Protocol):
    """How messages reach the users of other servers."""

    def letters(self, sender: str, type: str, messages: Messages) -> Sequence[tuple[str, bytes]]:
        """The EDUs to send, with their servers. Raises `NotCanonical`."""


class DeviceMessages:
    """Sends messages to devices."""

    def __init__(
        self,
        store: DeviceMessageStore,
        names: Names,
        elsewhere: Elsewhere,
        clock: Clock,
        *,
        server_name: str,
    ) -> None:
        self._store = store
        self._names = names
        self._elsewhere = elsewhere
        self._clock = clock
        self._server_name = server_name

    async def send(self, requester: Requester, type: str, txn_id: str, body: JsonObject) -> None:
        """Send what is in `messages`, once for each transaction id of a device.

        Raises `BadJson`, `InvalidParam` and `TooLarge`; then nothing was sent.
        """
        for text in (type, txn_id):
            if not is_short_text(text):
                raise InvalidParam("A type or transaction id has at most 255 bytes, and no NUL")
        messages = _messages(body)
        here: dict[str, Mapping[str, bytes]] = {}
        elsewhere: dict[str, Mapping[str, dict[str, Any]]] = {}
        for user_id, contents in messages.items():
            events = rendered(requester.user_id, type, contents)
            if any(len(event) > MAX_MESSAGE_BYTES for event in events.values()):
                raise TooLarge(f"A message to a device has at most {MAX_MESSAGE_BYTES} bytes")
            if domain_of(user_id) == self._server_name:
                here[user_id] = events
            else:
                elsewhere[user_id] = contents
        try:
            letters = self._elsewhere.letters(requester.user_id, type, elsewhere)
        except NotCanonical as error:
            raise BadJson(f"A message can't be sent to another server: {error}") from None
        nids = await self._names.nids(list(here))
        delivery = Delivery.of_device(
            requester.device_nid,
            txn_id,
            self._clock.now_ms(),
            {nids[user_id]: events for user_id, events in here.items() if user_id in nids},
            letters,
        )
        (is_taken,) = await self._store.deliver([delivery])
        if not is_taken:
            raise TooLarge(
                "These are too many messages at once, with all devices that * stands for"
            )


def named(messages: Mapping[str, Any]) -> int:
    """How many users and devices messages are for."""
    return len(messages) + sum(len(d) for d in messages.values() if isinstance(d, dict))


def rendered(sender: str, type: str, contents: Mapping[str, Any]) -> dict[str, bytes]:
    """What clients get, for each device."""
    around = b',"sender":%b,"type":%b}' % (orjson.dumps(sender), orjson.dumps(type))
    return {
        device_id: b'{"content":%b%b' % (orjson.dumps(content), around)
        for device_id, content in contents.items()
    }


def _messages(body: JsonObject) -> Messages:
    messages = body.object("messages").raw
    if named(messages) > MOST_NAMED:
        raise TooLarge(f"A request names at most {MOST_NAMED} users and devices")
    for user_id, contents in messages.items():
        if not is_user_id(user_id):
            raise InvalidParam(f"{user_id[:255]!r} is not a user id")
        if type(contents) is not dict or any(type(one) is not dict for one in contents.values()):
            raise BadJson(f"'messages.{user_id}' must be an object of devices with an object each")
    return messages
