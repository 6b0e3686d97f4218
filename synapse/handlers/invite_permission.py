"""Who may invite whom, and which invites are shown: users' own rules, from their account data.

Client-server API, "Invite permission" and "Ignoring users"; MSC4155.
"""

from collections.abc import Container, Iterable, Mapping
from typing import Any

import orjson

from synapse.api.errors import MatrixError
from synapse.api.identifiers import domain_of
from synapse.events.event import Event
from synapse.handlers.invite_filter import Verdict, verdict
from synapse.storage.stores.account_data import AccountDataStore
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import MemberRow, Membership
from synapse.storage.stores.names import Names

_IGNORED_USERS = "m.ignored_user_list"
FILTER = "org.matrix.msc4155.invite_permission_config"
# `default_action`, and where it stood while it was a proposal (MSC4380): the first that is there.
_DEFAULTS = ("m.invite_permission_config", "org.matrix.msc4380.invite_permission_config")
# The account data that holds a user's rules.
RULES = (_IGNORED_USERS, FILTER, *_DEFAULTS)
# How many invites in a row are looked behind.
_MAX_WALK = 100


class InviteBlocked(MatrixError):
    """403 `M_INVITE_BLOCKED`."""

    def __init__(self, user_id: str) -> None:
        super().__init__(403, "M_INVITE_BLOCKED", f"{user_id} doesn't want to be invited")


class InvitePermission:
    """Judges invites of this server's users."""

    def __init__(
        self,
        account_data: AccountDataStore,
        events: EventStore,
        names: Names,
        *,
        server_name: str,
        always_allowed: Container[str] = (),
    ) -> None:
        """`always_allowed` are the inviters whom no rule keeps away: the server itself."""
        self._account_data = account_data
        self._events = events
        self._names = names
        self._server_name = server_name
        self._always_allowed = always_allowed

    async def check(self, inviter: str, user_id: str) -> None:
        """Raises `InviteBlocked` if the user is one of ours who refuses this inviter."""
        if domain_of(user_id) != self._server_name or inviter in self._always_allowed:
            return
        user_nid = await self._names.nid(user_id)
        if user_nid is not None and _judge(await self._rules(user_nid), inviter) is Verdict.BLOCK:
            raise InviteBlocked(user_id)

    async def before_unwanted(
        self, user_nid: int, rows: Iterable[MemberRow]
    ) -> dict[int, MemberRow | None]:
        """The memberships before the invites that the user doesn't want to see, by room_nid.

        None: before the invite there was none. To such a user, the last one goes on.
        """
        invites = [row for row in rows if row.membership == Membership.INVITE]
        rules = await self._rules(user_nid) if invites else {}
        if not rules:
            return {}
        events = await self._events.by_nids([row.event_nid for row in invites])
        return {
            row.room_nid: await self._before(row, events[row.event_nid])
            for row in invites
            if (sender := events[row.event_nid].sender) not in self._always_allowed
            and _judge(rules, sender) is not Verdict.ALLOW
        }

    async def _before(self, row: MemberRow, invite: Event) -> MemberRow | None:
        event: Event | None = invite
        for _ in range(_MAX_WALK):
            if event is None or event.membership != Membership.INVITE.text:
                break
            event = (await self._events.by_nids([event.replaces_nid])).get(event.replaces_nid)
        membership = Membership.INVITE if event is None else Membership.of(event.membership)
        if event is None or membership == Membership.INVITE:
            return None
        return row._replace(membership=membership, event_nid=event.nid, since=event.nid)

    async def _rules(self, user_nid: int) -> dict[str, Any]:
        """The account data that holds a user's rules: type → content."""
        contents = await self._account_data.contents(user_nid, RULES)
        return {type: orjson.loads(content) for type, content in contents.items()}


def _judge(rules: Mapping[str, Any], inviter: str) -> Verdict:
    if _blocks_all(rules):
        return Verdict.BLOCK
    ignored = rules.get(_IGNORED_USERS, {}).get("ignored_users")
    if isinstance(ignored, dict) and inviter in ignored:
        return Verdict.IGNORE
    return verdict(rules.get(FILTER, {}), inviter)


def _blocks_all(rules: Mapping[str, Any]) -> bool:
    for type in _DEFAULTS:
        if type in rules:
            return bool(rules[type].get("default_action") == "block")
    return False
