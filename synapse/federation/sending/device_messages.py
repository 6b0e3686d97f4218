"""Messages to devices of users elsewhere, as EDUs.

Server-server API, "Send-to-device messaging". An EDU holds what one request sends to one server, or
as much of it as fits.
"""

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from synapse.api.identifiers import domain_of
from synapse.federation.partners import Partners
from synapse.util import canonicaljson

EDU_TYPE = "m.direct_to_device"
_MOST_BYTES = 60_000

# user id → device id → content, as canonical JSON
_Messages = dict[str, dict[str, orjson.Fragment]]


class DeviceMessageEdus:
    """Makes the EDUs."""

    def __init__(self, partners: Partners) -> None:
        self._partners = partners

    def letters(
        self, sender: str, type: str, messages: Mapping[str, Mapping[str, dict[str, Any]]]
    ) -> list[tuple[str, bytes]]:
        """The EDUs for each server; servers with which we don't talk are left out.

        Raises `NotCanonical`.
        """
        by_server: dict[str, dict[str, Mapping[str, dict[str, Any]]]] = {}
        for user_id, devices in messages.items():
            by_server.setdefault(domain_of(user_id), {})[user_id] = devices
        return [
            (server, _edu(sender, type, part))
            for server, of_server in by_server.items()
            if self._partners.refusal(server) is None
            for part in _parts(of_server)
        ]


def _parts(messages: Mapping[str, Mapping[str, dict[str, Any]]]) -> Iterator[_Messages]:
    part: _Messages = {}
    size = 0
    for user_id, devices in messages.items():
        for device_id, content in devices.items():
            json = canonicaljson.encode(content)
            added = len(json) + len(device_id) + (0 if user_id in part else len(user_id)) + 20
            if part and size + added > _MOST_BYTES:
                yield part
                part, size = {}, 0
            part.setdefault(user_id, {})[device_id] = orjson.Fragment(json)
            size += added
    if part:
        yield part


def _edu(sender: str, type: str, messages: _Messages) -> bytes:
    content = {
        "sender": sender,
        "type": type,
        "message_id": secrets.token_hex(16),  # 32 characters are allowed
        "messages": messages,
    }
    return canonicaljson.encode_trusted({"edu_type": EDU_TYPE, "content": content})
