"""Messages of other servers to devices of our users.

Server-server API, "Send-to-device messaging". They are in the inboxes, with the ids by which they
are known again, before the transaction that brought them is answered.
"""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from synapse.api.identifiers import domain_of, is_short_text, is_user_id
from synapse.handlers.device_messages import MOST_NAMED, named, rendered
from synapse.storage.stores.device_messages import Delivery, DeviceMessageStore
from synapse.storage.stores.names import Names
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

# Other servers may let their users send somewhat more than ours does. Larger ones are left out.
_MAX_MESSAGE_BYTES = 100_000


class _Heard(NamedTuple):
    message_id: str
    by_user: dict[str, dict[str, bytes]]  # user id → device id, or `*` → the event


class MessagesHeard:
    """Takes up `m.direct_to_device`."""

    def __init__(
        self, store: DeviceMessageStore, names: Names, clock: Clock, *, server_name: str
    ) -> None:
        self._store = store
        self._names = names
        self._clock = clock
        self._server_name = server_name

    async def take_up(self, origin: str, contents: Sequence[dict[str, Any]]) -> None:
        """Deliver the messages of some EDUs, each once."""
        deliveries: list[Delivery] = []
        breaks = Breaks(self._clock)
        for content in contents:
            heard = self._heard(origin, content)
            if heard is not None:
                nids = await self._names.nids(list(heard.by_user))
                inboxes = {nids[user]: e for user, e in heard.by_user.items() if user in nids}
                now_ms = self._clock.now_ms()
                deliveries.append(Delivery(origin, heard.message_id, now_ms, inboxes))
            await breaks.take()
        taken = await self._store.deliver(deliveries) if deliveries else []
        refused = len(contents) - sum(taken)
        if refused:
            logger.info("%d EDUs with messages to devices from %s are refused", refused, origin)

    def _heard(self, origin: str, content: dict[str, Any]) -> _Heard | None:
        """What makes sense of an EDU, as far as it is about users of ours; None: nothing."""
        sender, type, message_id = (content.get(n) for n in ("sender", "type", "message_id"))
        messages = content.get("messages")
        if (
            not is_user_id(sender)
            or domain_of(sender) != origin
            or not (isinstance(type, str) and is_short_text(type))
            or not (isinstance(message_id, str) and is_short_text(message_id))
            or not isinstance(messages, dict)
            or named(messages) > MOST_NAMED
        ):
            return None
        by_user = {
            user_id: _fitting(rendered(sender, type, _contents(devices)))
            for user_id, devices in messages.items()
            if is_user_id(user_id) and domain_of(user_id) == self._server_name
        }
        return _Heard(message_id, by_user)


def _contents(devices: Any) -> dict[str, Any]:
    if not isinstance(devices, dict):
        return {}
    return {device_id: content for device_id, content in devices.items() if type(content) is dict}


def _fitting(events: dict[str, bytes]) -> dict[str, bytes]:
    return {
        device_id: event for device_id, event in events.items() if len(event) <= _MAX_MESSAGE_BYTES
    }
