"""Push rules: reading and changing them.

The specification knows one scope of rules, `global`.
"""

from synapse.handlers.auth import Auth
from synapse.handlers.push_rules import PushRules
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import Json, RawJson

_RULE = "/pushrules/global/{kind}/{rule_id}"


class AllPushRules(Resource):
    """`GET /pushrules/`"""

    PATHS = client_paths("/pushrules/", api_v1=True)

    def __init__(self, auth: Auth, push_rules: PushRules) -> None:
        self._auth = auth
        self._push_rules = push_rules

    async def get(self, request: Request) -> Json:
        requester = await self._auth.requester(request)
        return RawJson(await self._push_rules.content(requester))


class GlobalPushRules(Resource):
    """`GET /pushrules/global/`"""

    PATHS = client_paths("/pushrules/global/", api_v1=True)

    def __init__(self, auth: Auth, push_rules: PushRules) -> None:
        self._auth = auth
        self._push_rules = push_rules

    async def get(self, request: Request) -> Json:
        requester = await self._auth.requester(request)
        return (await self._push_rules.rules(requester)).to_json()


class OnePushRule(Resource):
    """`GET`, `PUT` and `DELETE /pushrules/global/{kind}/{rule_id}`"""

    PATHS = client_paths(_RULE, api_v1=True)

    def __init__(self, auth: Auth, push_rules: PushRules) -> None:
        self._auth = auth
        self._push_rules = push_rules

    async def get(self, request: Request, kind: str, rule_id: str) -> Json:
        requester = await self._auth.requester(request)
        return (await self._push_rules.rules(requester)).rule(kind, rule_id).to_json()

    async def put(self, request: Request, kind: str, rule_id: str) -> Json:
        requester = await self._auth.requester(request)
        await self._push_rules.put(
            requester,
            kind,
            rule_id,
            request.json,
            before=request.query.string("before"),
            after=request.query.string("after"),
        )
        return {}

    async def delete(self, request: Request, kind: str, rule_id: str) -> Json:
        requester = await self._auth.requester(request)
        await self._push_rules.delete(requester, kind, rule_id)
        return {}


class PushRuleEnabled(Resource):
    """`GET` and `PUT /pushrules/global/{kind}/{rule_id}/enabled`"""

    PATHS = client_paths(f"{_RULE}/enabled", api_v1=True)

    def __init__(self, auth: Auth, push_rules: PushRules) -> None:
        self._auth = auth
        self._push_rules = push_rules

    async def get(self, request: Request, kind: str, rule_id: str) -> Json:
        requester = await self._auth.requester(request)
        return {"enabled": (await self._push_rules.rules(requester)).rule(kind, rule_id).enabled}

    async def put(self, request: Request, kind: str, rule_id: str) -> Json:
        requester = await self._auth.requester(request)
        enabled = request.json.boolean("enabled")
        await self._push_rules.set_enabled(requester, kind, rule_id, enabled)
        return {}


class PushRuleActions(Resource):
    """`GET` and `PUT /pushrules/global/{kind}/{rule_id}/actions`"""

    PATHS = client_paths(f"{_RULE}/actions", api_v1=True)

    def __init__(self, auth: Auth, push_rules: PushRules) -> None:
        self._auth = auth
        self._push_rules = push_rules

    async def get(self, request: Request, kind: str, rule_id: str) -> Json:
        requester = await self._auth.requester(request)
        return {"actions": (await self._push_rules.rules(requester)).rule(kind, rule_id).actions}

    async def put(self, request: Request, kind: str, rule_id: str) -> Json:
        requester = await self._auth.requester(request)
        await self._push_rules.set_actions(requester, kind, rule_id, request.json)
        return {}
