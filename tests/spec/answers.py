"""Compares answers of the client-server API with the specification's OpenAPI data.

`responses.json` is made by `tests.spec.compile`. Endpoints that the specification does not know are
not judged, nor are statuses for which it gives no schema, except that errors look like errors.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema_rs import ValidationError, Validator, validator_for

from synapse.api.presence import PresenceState

_DESCRIBED = ("/_matrix/client/", "/_matrix/federation/", "/_matrix/key/")
_ERROR = {"$ref": "#/$defs/error"}
_DEFINITIONS = {
    "error": {
        "type": "object",
        "required": ["errcode", "error"],
        "properties": {
            "errcode": {"type": "string", "pattern": "^[A-Z0-9_.]+$"},
            "error": {"type": "string"},
        },
    }
}
# matrix-nio wants members that aren't known as null, and Synapse has always given it that.
_NULL_FOR_UNKNOWN = ("/_matrix/client/v3/devices", "/_matrix/client/v3/devices/{deviceId}")

# With these in the query, a client asks for something else than the schemas describe.
_ASK_FOR_OTHER_ANSWERS = ("event_fields", "event_format", "org.matrix.msc4140.delay")
# The schema describes events of the first room versions; those of later ones have no `origin`.
_INVITES = (
    "/_matrix/federation/v1/invite/{roomId}/{eventId}",
    "/_matrix/federation/v2/invite/{roomId}/{eventId}",
)
# Uses user-interactive authentication, as its text says; its schemas don't.
_CROSS_SIGNING = "/_matrix/client/v3/keys/device_signing/upload"
_PRESENCE = "/_matrix/client/v3/presence/{userId}/status"


def complaint(method: str, path: str, status: int, body: Any) -> str | None:
    """What is wrong with an answer, if anything. `body` is the parsed JSON."""
    if not path.startswith(_DESCRIBED):
        return None
    path, _, query = path.partition("?")
    if any(parameter in query for parameter in _ASK_FOR_OTHER_ANSWERS):
        return None
    template = _template(path)
    schema = _specification()["endpoints"].get(template, {}).get(method, {}).get(str(status))
    if status >= 400:
        # There are more reasons for each status than the one that the specification describes.
        schema = _ERROR if schema is None else {"anyOf": [schema, _ERROR]}
    elif schema is None:
        return None
    if template in _NULL_FOR_UNKNOWN:
        body = _without_nulls(body)
    if template == _PRESENCE and status == 200 and body.get("presence") == PresenceState.BUSY.text:
        return None  # MSC3026 adds a state
    if template == _CROSS_SIGNING and status == 401 and "flows" in body:
        return None
    if template in _INVITES and status == 200:
        body = _with_origin(body)
    try:
        _validator(json.dumps(schema)).validate(body)
    except ValidationError as error:
        return f"{method} {path} answered {status} against {template}: {error}"
    return None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    return [_without_nulls(member) for member in value] if isinstance(value, list) else value


def _with_origin(body: Any) -> Any:
    """An answer to an invite, as if its event told its origin."""
    if isinstance(body, list):
        return [_with_origin(member) for member in body]
    if isinstance(body, dict) and isinstance(body.get("event"), dict):
        return {**body, "event": {"origin": "", **body["event"]}}
    return body


@cache
def _specification() -> Any:
    return json.loads(Path(__file__).with_name("responses.json").read_text("utf-8"))


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """The paths of the specification, those with the fewest parameters first."""
    paths = sorted(_specification()["endpoints"], key=lambda path: (path.count("{"), path))
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]*", path)), path) for path in paths]


def _template(path: str) -> str | None:
    path = path.replace("/_matrix/client/r0/", "/_matrix/client/v3/", 1)
    return next((name for pattern, name in _templates() if pattern.fullmatch(path)), None)


@cache
def _validator(schema: str) -> Validator:
    definitions = {**_specification()["$defs"], **_DEFINITIONS}
    return validator_for({"allOf": [json.loads(schema)], "$defs": definitions})
