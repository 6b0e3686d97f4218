"""The admin API, for the server's administrators."""

from synapse.handlers.auth import Auth
from synapse.handlers.server_notices import ServerNotices
from synapse.http.resource import Resource
from synapse.rest.admin.server_notices import SendServerNotice, SendServerNoticeOnce


def admin_resources(auth: Auth, notices: ServerNotices) -> list[Resource]:
    return [
        SendServerNotice(auth, notices),
        SendServerNoticeOnce(auth, notices),
    ]
