"""`/search`"""

from typing import Any

import orjson

from synapse.api.errors import BadJson, InvalidParam
from synapse.api.filter_shape import ROOM_EVENT_FILTER, require_filter
from synapse.events.searchable import TYPE_OF_KEY
from synapse.handlers.auth import Auth, Requester
from synapse.handlers.client_events import ClientEvents
from synapse.handlers.search import Context, ContextWish, Found, Result, Search
from synapse.handlers.search_scope import SearchWish
from synapse.http.json_body import JsonObject
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import RawJson

_DEFAULT_CONTEXT = 5
_MAX_CONTEXT = 20
_GROUP_KEYS = ("room_id", "sender")


class SearchResource(Resource):
    """`POST /search`"""

    PATHS = client_paths("/search", api_v1=True)

    def __init__(self, auth: Auth, search: Search, events: ClientEvents) -> None:
        self._auth = auth
        self._search = search
        self._events = events

    async def post(self, request: Request) -> RawJson:
        requester = await self._auth.requester(request)
        token = request.query.string("next_batch")
        criteria = request.json.object("search_categories").optional_object("room_events")
        if criteria is None:
            return RawJson(b'{"search_categories":{}}')
        found = await self._search.find(
            requester,
            _wish(criteria, token or None),
            _context_wish(criteria.optional_object("event_context")),
            include_state=criteria.optional_boolean("include_state"),
        )
        answer = await self._render(requester, found)
        return RawJson(b'{"search_categories":{"room_events":%b}}' % answer)

    async def _render(self, requester: Requester, found: Found) -> bytes:
        facts: dict[str, Any] = {"count": found.count, "highlights": found.highlights}
        if found.next_batch is not None:
            facts["next_batch"] = found.next_batch
        if found.groups:
            facts["groups"] = found.groups
        results = [await self._render_result(requester, result) for result in found.results]
        members = [orjson.dumps(facts)[1:-1], b'"results":[%b]' % b",".join(results)]
        if found.state is not None:
            state = [
                b"%b:%b" % (orjson.dumps(room), await self._events.render_array(requester, events))
                for room, events in found.state.items()
            ]
            members.append(b'"state":{%b}' % b",".join(state))
        return b"{%b}" % b",".join(members)

    async def _render_result(self, requester: Requester, result: Result) -> bytes:
        (event,) = await self._events.render(requester, [result.event])
        text = b'{"rank":%b,"result":%b' % (orjson.dumps(result.rank), event)
        if result.context is not None:
            text += b',"context":' + await self._render_context(requester, result.context)
        return text + b"}"

    async def _render_context(self, requester: Requester, context: Context) -> bytes:
        around = context.around
        text = b'{"start":"%b","end":"%b","events_before":%b,"events_after":%b' % (
            around.start.encode(),
            around.end.encode(),
            await self._events.render_array(requester, around.before),
            await self._events.render_array(requester, around.after),
        )
        if context.profiles is not None:
            text += b',"profile_info":' + orjson.dumps(context.profiles)
        return text + b"}"


def _wish(criteria: JsonObject, token: str | None) -> SearchWish:
    keys = criteria.optional_strings("keys")
    if keys is None:
        keys = list(TYPE_OF_KEY)
    for key in keys:
        if key not in TYPE_OF_KEY:
            raise InvalidParam(f"Not a key that can be searched: {key[:100]!r}")
    definition = criteria.optional_object("filter") or JsonObject({})
    require_filter(definition.raw, ROOM_EVENT_FILTER, "filter.")
    order = criteria.optional_string("order_by", "rank")
    if order not in ("rank", "recent"):
        raise InvalidParam("order_by is rank or recent")
    return SearchWish(
        term=criteria.string("search_term"),
        types=[TYPE_OF_KEY[key] for key in keys],
        filter=definition.raw,
        by_rank=order == "rank",
        token=token,
        group_by=_group_by(criteria.optional_object("groupings")),
    )


def _group_by(groupings: JsonObject | None) -> list[str]:
    wanted = None if groupings is None else groupings.optional_array("group_by")
    keys = []
    for group in wanted or []:
        if type(group) is not dict:
            raise BadJson("group_by is an array of objects")
        key = JsonObject(group, "group_by.").string("key")
        if key not in _GROUP_KEYS:
            raise InvalidParam("Results are grouped by room_id or sender")
        keys.append(key)
    return list(dict.fromkeys(keys))


def _context_wish(wish: JsonObject | None) -> ContextWish | None:
    if wish is None:
        return None
    before = wish.optional_integer("before_limit", _DEFAULT_CONTEXT)
    after = wish.optional_integer("after_limit", _DEFAULT_CONTEXT)
    if before < 0 or after < 0:
        raise InvalidParam("before_limit and after_limit must not be negative")
    return ContextWish(
        min(before, _MAX_CONTEXT),
        min(after, _MAX_CONTEXT),
        wish.optional_boolean("include_profile"),
    )
