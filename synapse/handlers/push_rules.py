"""Push rules: how a user wants to be notified, and of what."""

from collections.abc import Callable, Iterable
from functools import partial

import orjson

from synapse.handlers.auth import Requester
from synapse.handlers.listeners import listener_of
from synapse.http.json_body import JsonObject
from synapse.push.rule import actions_of, new_rule
from synapse.push.rules import Rules
from synapse.storage.stores.push_rules import PushRuleStore

PUSH_RULES = "m.push_rules"  # the type of account data as which clients get them


class PushRules:
    """Keeps each user's push rules."""

    def __init__(self, store: PushRuleStore) -> None:
        self._store = store

    async def rules(self, requester: Requester) -> Rules:
        """All rules of the user, to look at."""
        document = await self._store.document(requester.user_nid)
        return Rules(requester.user_id, document)

    async def content(self, requester: Requester) -> bytes:
        """The content of the user's `m.push_rules`."""
        document = await self._store.document(requester.user_nid)
        return _content(requester, document)

    async def content_since(self, requester: Requester, since: int) -> bytes | None:
        """The content of `m.push_rules`, if it has changed after a position; after 0: always."""
        if since == 0:
            return await self.content(requester)
        document = await self._store.document_since(requester.user_nid, since)
        return None if document is None else _content(requester, document)

    async def put(
        self,
        requester: Requester,
        kind: str,
        rule_id: str,
        body: JsonObject,
        *,
        before: str | None,
        after: str | None,
    ) -> None:
        """Add or replace a rule of the user's own; its place is told in `Rules.put`."""
        rule = new_rule(kind, rule_id, body)
        await self._change(
            requester, lambda rules: rules.put(kind, rule, before=before, after=after)
        )

    async def delete(self, requester: Requester, kind: str, rule_id: str) -> None:
        await self._change(requester, lambda rules: rules.delete(kind, rule_id))

    async def set_enabled(
        self, requester: Requester, kind: str, rule_id: str, enabled: bool
    ) -> None:
        await self._change(requester, lambda rules: rules.set_enabled(kind, rule_id, enabled))

    async def set_actions(
        self, requester: Requester, kind: str, rule_id: str, body: JsonObject
    ) -> None:
        actions = actions_of(body)
        await self._change(requester, lambda rules: rules.set_actions(kind, rule_id, actions))

    async def ignore(self, requester: Requester, users: Iterable[str]) -> None:
        """The messages of these users, and no others, are not to count."""
        users = list(users)
        await self._change(requester, lambda rules: rules.ignore(users))

    async def add_thread_rules(self, requester: Requester) -> None:
        """The user subscribes to threads: from now on their rules ask for that."""
        if not (await self.rules(requester)).has_thread_rules:
            await self._change(requester, lambda rules: rules.add_thread_rules())

    async def _change(self, requester: Requester, change: Callable[[Rules], None]) -> None:
        def edit(stored: bytes | None) -> bytes:
            rules = Rules(requester.user_id, stored)
            change(rules)
            return rules.to_stored()

        await self._store.change(requester.user_nid, edit, partial(listener_of, requester.user_id))


def _content(requester: Requester, document: bytes | None) -> bytes:
    return orjson.dumps({"global": Rules(requester.user_id, document).to_json()})
