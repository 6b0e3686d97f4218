"""Sending server notices."""

from synapse.api.constants import EventTypes
from synapse.handlers.auth import Auth
from synapse.handlers.server_notices import ServerNotices
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json

_PATH = "/_synapse/admin/v1/send_server_notice"


class _NoticesResource(Resource):
    def __init__(self, auth: Auth, notices: ServerNotices) -> None:
        self._auth = auth
        self._notices = notices

    async def _send(self, request: Request, txn_id: str | None) -> Json:
        requester = await self._auth.admin(request)
        body = request.json
        event_id = await self._notices.send(
            requester,
            body.string("user_id"),
            body.object("content").raw,
            type=body.optional_string("type", EventTypes.MESSAGE),
            state_key=body.optional_string("state_key"),
            txn_id=txn_id,
        )
        return {"event_id": event_id}


class SendServerNotice(_NoticesResource):
    """`POST /_synapse/admin/v1/send_server_notice`"""

    PATHS = (_PATH,)

    async def post(self, request: Request) -> Json:
        return await self._send(request, None)


class SendServerNoticeOnce(_NoticesResource):
    """`PUT /_synapse/admin/v1/send_server_notice/{txn_id}`: may be repeated"""

    PATHS = (_PATH + "/{txn_id}",)

    async def put(self, request: Request, txn_id: str) -> Json:
        return await self._send(request, txn_id)
