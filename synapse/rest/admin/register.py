"""Registration with the shared secret: what `register_new_matrix_user` talks to."""

from synapse.handlers.shared_secret import SharedSecretRegistration
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json


class AdminRegister(Resource):
    """`GET /_synapse/admin/v1/register`: a nonce; `POST`: an account"""

    PATHS = ("/_synapse/admin/v1/register",)

    def __init__(self, registration: SharedSecretRegistration) -> None:
        self._registration = registration

    async def get(self, request: Request) -> Json:
        return {"nonce": self._registration.nonce()}

    async def post(self, request: Request) -> Json:
        return await self._registration.register(request.json)
