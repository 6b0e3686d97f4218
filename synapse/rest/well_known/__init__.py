"""`/.well-known/matrix/…`: where clients and servers find this server, and whom to ask about it."""

from typing import Any

from synapse.api.errors import NotFound
from synapse.config.server import ServerConfig, SupportContact
from synapse.http.discovery.addresses import direct_address, parse_server_name
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json


class WellKnownClient(Resource):
    """`GET /.well-known/matrix/client`"""

    PATHS = ("/.well-known/matrix/client",)

    def __init__(self, config: ServerConfig) -> None:
        answer: dict[str, Any] = {"m.homeserver": {"base_url": config.public_baseurl}}
        if config.default_identity_server:
            answer["m.identity_server"] = {"base_url": config.default_identity_server}
        for key, value in config.extra_well_known_client_content.items():
            known = answer.get(key)
            if isinstance(known, dict) and isinstance(value, dict):
                value = {**known, **value}
            answer[key] = value
        self._answer: Json = answer

    async def get(self, request: Request) -> Json:
        return self._answer


class WellKnownServer(Resource):
    """`GET /.well-known/matrix/server`: federation goes to port 443, if so configured

    Nobody looks for the file of a name with a port, or of an address: those say all there is to
    say.
    """

    PATHS = ("/.well-known/matrix/server",)

    def __init__(self, config: ServerConfig) -> None:
        name = parse_server_name(config.server_name)
        is_delegated = config.serve_server_wellknown and direct_address(name) is None
        self._server = f"{name.text}:443" if is_delegated else None

    async def get(self, request: Request) -> Json:
        if self._server is None:
            raise NotFound("This server has no delegation")
        return {"m.server": self._server}


class WellKnownSupport(Resource):
    """`GET /.well-known/matrix/support`"""

    PATHS = ("/.well-known/matrix/support",)

    def __init__(self, config: ServerConfig) -> None:
        support = config.well_known_support
        contacts = [_contact(contact) for contact in support.contacts]
        if not contacts and config.admin_contact and config.admin_contact.startswith("mailto:"):
            email = config.admin_contact.removeprefix("mailto:")
            contacts = [{"role": "m.role.admin", "email_address": email}]
        self._answer: dict[str, Any] = {}
        if contacts:
            self._answer["contacts"] = contacts
        if support.support_page:
            self._answer["support_page"] = support.support_page

    async def get(self, request: Request) -> Json:
        if not self._answer:
            raise NotFound("This server names no contacts")
        return self._answer


def _contact(contact: SupportContact) -> dict[str, str]:
    facts = {
        "role": contact.role,
        "matrix_id": contact.matrix_id,
        "email_address": contact.email_address,
    }
    return {name: value for name, value in facts.items() if value is not None}
