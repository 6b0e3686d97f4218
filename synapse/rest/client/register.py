"""Account registration."""

from synapse.handlers.registration import Registration
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import Json


class Register(Resource):
    """`POST /register`"""

    PATHS = client_paths("/register")

    def __init__(self, registration: Registration) -> None:
        self._registration = registration

    async def post(self, request: Request) -> Json:
        kind = request.query.choice("kind", ("user", "guest"), "user")
        if kind == "guest":
            return await self._registration.register_guest(request.json_or_empty, request.client_ip)
        return await self._registration.register(request.json, request.client_ip)


class RegisterAvailable(Resource):
    """`GET /register/available`"""

    PATHS = client_paths("/register/available")

    def __init__(self, registration: Registration) -> None:
        self._registration = registration

    async def get(self, request: Request) -> Json:
        username = request.query.required_string("username")
        await self._registration.require_available(username, request.client_ip)
        return {"available": True}
