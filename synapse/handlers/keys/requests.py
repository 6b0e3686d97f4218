"""What clients and other servers ask about keys: read strictly, within bounds."""

from collections.abc import Mapping
from typing import Any

from synapse.api.errors import BadJson, InvalidParam
from synapse.api.identifiers import domain_of, is_user_id
from synapse.http.json_body import JsonObject
from synapse.storage.stores.device_keys import Claim

_MAX_USERS = 1_000
_MAX_DEVICES = 10_000
_MAX_ALGORITHMS = 20
_DEFAULT_TIMEOUT_MS = 10_000
_MAX_TIMEOUT_MS = 60_000


def wanted_devices(asked: Mapping[str, Any], server: str | None = None) -> dict[str, list[str]]:
    """User id → device ids; of a server's users only, if there is one. Raises `BadJson`."""
    _check(asked, list, server)
    for devices in asked.values():
        for device_id in devices:
            if not isinstance(device_id, str):
                raise BadJson("Device ids must be strings")
    return dict(asked)


def claims(asked: Mapping[str, Any], server: str | None = None) -> list[Claim]:
    """Of a server's users only, if there is one. Raises `BadJson`."""
    _check(asked, dict, server)
    found = [
        Claim(user_id, device_id, algorithm)
        for user_id, devices in asked.items()
        for device_id, algorithm in devices.items()
    ]
    if not all(isinstance(claim.algorithm, str) for claim in found):
        raise BadJson("Algorithms must be strings")
    if len({claim.algorithm for claim in found}) > _MAX_ALGORITHMS:
        raise BadJson(f"At most {_MAX_ALGORITHMS} different algorithms can be asked for")
    return [claim for claim in found if "\0" not in claim.device_id and "\0" not in claim.algorithm]


def timeout_s(body: JsonObject) -> float:
    """How long a client is ready to wait for other servers."""
    timeout_ms = body.optional_integer("timeout", _DEFAULT_TIMEOUT_MS)
    if timeout_ms < 0:
        raise InvalidParam("'timeout' must not be negative")
    return min(timeout_ms, _MAX_TIMEOUT_MS) / 1000


def by_server(asked: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is asked, by the users' servers."""
    found: dict[str, dict[str, Any]] = {}
    for user_id, wish in asked.items():
        found.setdefault(domain_of(user_id), {})[user_id] = wish
    return found


def _check(asked: Mapping[str, Any], kind: type, server: str | None) -> None:
    if len(asked) > _MAX_USERS:
        raise BadJson(f"At most {_MAX_USERS} users can be asked about")
    for user_id, devices in asked.items():
        is_good = is_user_id(user_id) and (server is None or domain_of(user_id) == server)
        if not is_good or not isinstance(devices, kind):
            raise BadJson(f"{user_id[:255]!r} is not asked about as it should be")
    if sum(map(len, asked.values())) > _MAX_DEVICES:
        raise BadJson(f"At most {_MAX_DEVICES} devices can be asked about")
