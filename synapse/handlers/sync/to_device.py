"""What a sync tells a device of the messages that were sent to it.

What a client was told, it confirms by coming back with the token of that answer; only then is it
deleted. So an answer that is lost, or two syncs of one device at once, cost no message.
"""

from dataclasses import dataclass, field

from synapse.handlers.auth import Requester
from synapse.streams.inboxes import Inboxes

# "Send-to-Device messaging" recommends this for an answer; the rest comes with the next ones.
MOST_MESSAGES = 100


@dataclass(slots=True)
class ToDeviceNews:
    """Messages, as the JSON of their events."""

    events: list[bytes] = field(default_factory=list)
    told_up_to: int | None = None  # None: all that was asked for is here


class ToDevice:
    """Tells them."""

    def __init__(self, inboxes: Inboxes) -> None:
        self._inboxes = inboxes

    def may_have_news(self, requester: Requester, since: int) -> bool:
        return self._inboxes.may_hold(requester.device_nid, since)

    async def confirmed(self, requester: Requester, up_to: int) -> None:
        """The client has what it was told up to a position, and must not be told again."""
        await self._inboxes.confirmed(requester.device_nid, up_to)

    async def news(
        self, requester: Requester, since: int, upto: int, limit: int = MOST_MESSAGES
    ) -> ToDeviceNews:
        """The messages after a position, up to another, in order."""
        messages = await self._inboxes.waiting(requester.device_nid, since, upto, limit + 1)
        events = [message.event for message in messages[:limit]]
        is_all = len(messages) <= limit
        return ToDeviceNews(events, None if is_all else messages[limit - 1].position)
