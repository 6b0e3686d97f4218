"""Creating rooms: all first events of a room in one commit, or none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from synapse.api.constants import EventTypes
from synapse.api.errors import BadJson, InvalidParam, MatrixError
from synapse.api.identifiers import domain_of
from synapse.api.room_versions import ROOM_VERSIONS, RoomVersion
from synapse.config.rooms import RoomsConfig
from synapse.events.auth_rules import AuthError
from synapse.events.client_content import check_client_content, check_server_acl
from synapse.handlers.aliases import aliases_in, check_alias
from synapse.handlers.auth import Requester
from synapse.handlers.directory_rules import DirectoryRules
from synapse.handlers.membership import Memberships
from synapse.handlers.membership_limits import MembershipLimits
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.room_presets import (
    PRESETS,
    Preset,
    new_room_id,
    power_levels,
    topic_content,
)
from synapse.handlers.third_party_invites import ThirdPartyInvites, ThirdPartyWish
from synapse.rooms.writer import Draft, RoomWriter
from synapse.storage.stores.rooms import RoomStore

# One request makes no more events than this.
_MAX_INVITES: Final = 100
_MAX_INITIAL_STATE: Final = 500
# What the body says in words of its own, or the server alone decides.
_NOT_IN_INITIAL_STATE: Final = (EventTypes.CREATE, EventTypes.MEMBER)


@dataclass(slots=True, kw_only=True)
class RoomWish:
    """The body of `POST /createRoom`."""

    preset: str
    version: str | None = None
    published: bool = False
    alias_localpart: str | None = None
    name: str | None = None
    topic: str | None = None
    invite: list[str] = field(default_factory=list)
    creation_content: dict[str, Any] = field(default_factory=dict)
    invite_3pid: list[ThirdPartyWish] = field(default_factory=list)
    initial_state: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    is_direct: bool = False
    power_level_override: dict[str, Any] = field(default_factory=dict)


class RoomCreation:
    """Makes rooms."""

    def __init__(
        self,
        writer: RoomWriter,
        rooms: RoomStore,
        memberships: Memberships,
        third_party_invites: ThirdPartyInvites,
        limits: MembershipLimits,
        rules: DirectoryRules,
        config: RoomsConfig,
        *,
        limit: RateLimiter,
        server_name: str,
    ) -> None:
        self._writer = writer
        self._rooms = rooms
        self._memberships = memberships
        self._third_party_invites = third_party_invites
        self._limits = limits
        self._rules = rules
        self._config = config
        self._limit = limit
        self._server_name = server_name

    async def create(self, requester: Requester, wish: RoomWish) -> str:
        """The new room's id.

        Raises 400 `M_UNSUPPORTED_ROOM_VERSION`, `M_ROOM_IN_USE`, `M_INVALID_ROOM_STATE`,
        `Forbidden`, 403 `M_INVITE_BLOCKED` and `M_THREEPID_DENIED`. Identity servers are asked
        before the room is made. Only their invitations of people whom they don't know follow, since
        they need its id.
        """
        version = self._version(wish)
        preset = PRESETS[wish.preset]
        alias = self._alias(wish)
        self._check_invites(requester, wish)
        if alias is not None:
            self._rules.check_alias(requester, alias, "")
        if wish.published:
            self._rules.check_publication(requester, "", [] if alias is None else [alias])
        self._limit.check(requester.user_id)
        self._limits.check_first_invites(requester.user_id, len(wish.invite))
        if alias is not None and await self._rooms.by_alias(alias) is not None:
            raise MatrixError(400, "M_ROOM_IN_USE", f"The alias {alias} is already taken")
        found, unknown = await self._third_party_invites.known_users(requester, wish.invite_3pid)
        if found:
            wish.invite += found
            self._check_invites(requester, wish)
        drafts = await self._drafts(requester.user_id, version, preset, alias, wish)
        try:
            room = await self._writer.create(
                version,
                drafts,
                new_room_id(self._server_name),
                alias=alias,
                published=wish.published,
            )
        except AuthError as error:
            # What the requester wished for forbids what else they wished for.
            raise MatrixError(400, "M_INVALID_ROOM_STATE", error.message) from None
        await self._invite_elsewhere(requester, room.room_id, wish)
        await self._offer(requester, room.room_id, unknown)
        return room.room_id

    async def _invite_elsewhere(self, requester: Requester, room_id: str, wish: RoomWish) -> None:
        """Invite users of other servers, who have to sign that: so there must be a room."""
        for user_id in wish.invite:
            if self._is_ours(user_id):
                continue
            try:
                await self._memberships.invite_elsewhere(
                    requester, room_id, user_id, is_direct=wish.is_direct
                )
            except MatrixError as error:
                raise _made_but_not_invited(room_id, user_id, error) from None

    async def _offer(
        self, requester: Requester, room_id: str, unknown: Sequence[ThirdPartyWish]
    ) -> None:
        """Invite those whom the identity servers don't know, which takes the room's id."""
        for wish in unknown:
            try:
                await self._third_party_invites.offer(requester, room_id, wish)
            except MatrixError as error:
                raise _made_but_not_invited(room_id, wish.identifier.address, error) from None

    def _is_ours(self, user_id: str) -> bool:
        return domain_of(user_id) == self._server_name

    async def _drafts(
        self,
        creator: str,
        version: RoomVersion,
        preset: Preset,
        alias: str | None,
        wish: RoomWish,
    ) -> list[Draft]:
        """The events in the order that the specification gives."""
        state = self._state(preset, wish)
        _check_aliases(state.get((EventTypes.CANONICAL_ALIAS, ""), {}), alias)
        levels = state.pop((EventTypes.POWER_LEVELS, ""), None) or self._levels(
            creator, version, preset, wish
        )
        drafts = [
            Draft(EventTypes.CREATE, creator, _creation(creator, version, preset, wish), ""),
            Draft(EventTypes.MEMBER, creator, await self._memberships.joining(creator), creator),
            Draft(EventTypes.POWER_LEVELS, creator, levels, ""),
        ]
        if alias is not None and (EventTypes.CANONICAL_ALIAS, "") not in state:
            drafts.append(Draft(EventTypes.CANONICAL_ALIAS, creator, {"alias": alias}, ""))
        drafts += [Draft(type_, creator, content, key) for (type_, key), content in state.items()]
        for user_id in filter(self._is_ours, wish.invite):
            content = await self._memberships.invitation(creator, user_id, is_direct=wish.is_direct)
            drafts.append(Draft(EventTypes.MEMBER, creator, content, user_id))
        return drafts

    def _state(self, preset: Preset, wish: RoomWish) -> dict[tuple[str, str], dict[str, Any]]:
        """The preset's state, `initial_state`, the name and the topic, in this order.

        What is said twice stands where it is said last.
        """
        state = self._preset_state(preset)
        for slot, content in (*self._initial_state(wish), *_name_and_topic(wish)):
            state.pop(slot, None)
            state[slot] = content
        return state

    def _preset_state(self, preset: Preset) -> dict[tuple[str, str], dict[str, Any]]:
        state: dict[tuple[str, str], dict[str, Any]] = {
            (EventTypes.JOIN_RULES, ""): {"join_rule": preset.join_rule},
            (EventTypes.HISTORY_VISIBILITY, ""): {"history_visibility": preset.history_visibility},
            (EventTypes.GUEST_ACCESS, ""): {"guest_access": preset.guest_access},
        }
        encrypted = self._config.encryption_enabled_by_default_for_room_type
        if encrypted == "all" or (encrypted == "invite" and preset.is_private):
            state[EventTypes.ENCRYPTION, ""] = {"algorithm": "m.megolm.v1.aes-sha2"}
        return state

    def _initial_state(self, wish: RoomWish) -> list[tuple[tuple[str, str], dict[str, Any]]]:
        for type_, key, content in wish.initial_state:
            if type_ in _NOT_IN_INITIAL_STATE:
                raise BadJson(f"initial_state must not contain {type_}")
            check_client_content(type_, key, content)
            if (type_, key) == (EventTypes.SERVER_ACL, ""):
                check_server_acl(content, self._server_name)
        return [((type_, key), content) for type_, key, content in wish.initial_state]

    def _levels(
        self, creator: str, version: RoomVersion, preset: Preset, wish: RoomWish
    ) -> dict[str, Any]:
        configured = self._config.default_power_level_content_override.get(wish.preset)
        return {
            **power_levels(version, creator, preset, wish.invite),
            **(configured or {}),
            **wish.power_level_override,
        }

    def _version(self, wish: RoomWish) -> RoomVersion:
        identifier = self._config.default_room_version if wish.version is None else wish.version
        version = ROOM_VERSIONS.get(identifier)
        if version is None:
            raise MatrixError(
                400,
                "M_UNSUPPORTED_ROOM_VERSION",
                f"This server does not support room version {identifier[:100]!r}",
            )
        return version

    def _alias(self, wish: RoomWish) -> str | None:
        if wish.alias_localpart is None:
            return None
        if ":" in wish.alias_localpart or wish.alias_localpart.startswith("#"):
            raise InvalidParam("room_alias_name is the alias without '#' and without the server")
        alias = f"#{wish.alias_localpart}:{self._server_name}"
        check_alias(alias)
        return alias

    def _check_invites(self, requester: Requester, wish: RoomWish) -> None:
        if len(wish.invite) > _MAX_INVITES:
            raise InvalidParam(f"At most {_MAX_INVITES} users can be invited at once")
        if len(wish.initial_state) > _MAX_INITIAL_STATE:
            raise InvalidParam(f"initial_state has at most {_MAX_INITIAL_STATE} events")
        wish.invite = [u for u in dict.fromkeys(wish.invite) if u != requester.user_id]
        self._memberships.check_may_invite(requester, wish.invite)


def _name_and_topic(wish: RoomWish) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    if wish.name is not None:
        yield (EventTypes.NAME, ""), {"name": wish.name}
    if wish.topic is not None:
        yield (EventTypes.TOPIC, ""), topic_content(wish.topic)


def _made_but_not_invited(room_id: str, whom: str, error: MatrixError) -> MatrixError:
    # Whoever only heard "no" would make another room.
    return MatrixError(
        error.status,
        error.errcode,
        f"The room {room_id} was made, but {whom} could not be invited: {error.message}",
        **error.extra,
    )


def _check_aliases(content: dict[str, Any], alias: str | None) -> None:
    """A new room has no alias but the one that comes with it."""
    for named in aliases_in(content):
        if named != alias:
            raise MatrixError(400, "M_BAD_ALIAS", f"The alias {named} does not point to this room")


def _creation(creator: str, version: RoomVersion, preset: Preset, wish: RoomWish) -> dict[str, Any]:
    """The content of `m.room.create`."""
    content = {**wish.creation_content, "room_version": version.identifier}
    content.pop("creator", None)
    if not version.implicit_creator:
        content["creator"] = creator
    if version.privileged_creators and preset.trusts_invitees and wish.invite:
        others = content.get("additional_creators", [])
        if not isinstance(others, list):
            raise BadJson("additional_creators must be an array of user ids")
        content["additional_creators"] = list(dict.fromkeys([*others, *wish.invite]))
    return content
