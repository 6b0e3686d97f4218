"""What a server tells of its room when a user of ours has joined, from its bytes to the database.

Nothing of it is believed without a signature, and nothing that the auth rules don't allow. The
answer may have many megabytes: it is cut into events without being parsed (`msgspec.Raw`), and
everything after that is done event by event, with breaks.
"""

import logging
from collections.abc import Sequence

import msgspec

from synapse.api.constants import EventTypes, Membership
from synapse.api.identifiers import domain_of, is_server_name
from synapse.api.room_versions import RoomVersion
from synapse.events.auth_rules import AuthError
from synapse.events.auth_selection import CREATE_SLOT
from synapse.events.event import Event
from synapse.federation.errors import Unanswered
from synapse.federation.outliers import Outliers
from synapse.federation.pdus import Pdus, Refused, Verified
from synapse.federation.told_bodies import check_form, read_graph, values_of
from synapse.http.client.errors import RequestFailed, Step
from synapse.rooms.arrivals import Arrival
from synapse.rooms.cache import RoomCache
from synapse.rooms.entrances import Entrances
from synapse.storage.stores.events import EventStore
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

_MAX_SERVERS = 20_000
# Of what is refused, so much is said in the log.
_MOST_COMPLAINTS = 10


_NOTHING = msgspec.Raw(b"null")


class Told(msgspec.Struct, frozen=True):
    """An answer to `send_join`, cut into events."""

    state: list[msgspec.Raw]
    auth_chain: list[msgspec.Raw]
    event: msgspec.Raw = _NOTHING
    members_omitted: bool = False
    servers_in_room: list[str] | None = None


_decode_v2 = msgspec.json.Decoder(Told).decode
_decode_v1 = msgspec.json.Decoder(tuple[int, Told]).decode


def read_told(body: bytes) -> Told:
    """The answer of `send_join`, version 1 or 2. Raises `RequestFailed` and `Unanswered`."""
    is_old = body.lstrip()[:1] == b"["
    check_form(body, in_a_list=is_old)
    try:
        return _decode_v1(body)[1] if is_old else _decode_v2(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestFailed(Step.HTTP, f"an answer that can't be used: {error}") from None


def read_state(body: bytes) -> Told:
    """The answer of `/state`. Raises `Unanswered`."""
    graph = read_graph(body)
    return Told(graph["pdus"], graph["auth_chain"])


class ToldRooms:
    """Takes in what other servers tell of their rooms."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        pdus: Pdus,
        outliers: Outliers,
        entrances: Entrances,
        clock: Clock,
        *,
        server_name: str,
    ) -> None:
        self._rooms = rooms
        self._events = events
        self._pdus = pdus
        self._outliers = outliers
        self._entrances = entrances
        self._clock = clock
        self._server_name = server_name

    async def join_of(self, server: str, join: Event, told: Told) -> Verified:
        """Our join, with the signatures that the other server may have added. Raises `Unanswered`
        if it made something else of it."""
        if bytes(told.event) == b"null":
            return Verified(join, frozenset([self._server_name]))
        values = await values_of([told.event], Breaks(self._clock))
        (one,) = await self._pdus.verify(join.version, join.room_id, values)
        if isinstance(one, Refused):
            raise Unanswered(f"{server} returns our join spoilt: {one.reason}")
        if one.event.event_id != join.event_id or one.event.content != join.content:
            raise Unanswered(f"{server} returns another event than our join")
        return one

    async def enter(self, server: str, join: Verified, told: Told) -> None:
        """Keep the state, and put our join on top of it.

        Raises `Unanswered` if one doesn't fit onto the other, and `HeadMoved` if somebody came into
        the room before.
        """
        state = await self._keep(server, join.event, told)
        cited = join.event.auth_event_ids()
        known = await self._events.get_many(cited)
        missing = [event_id for event_id in cited if event_id not in known]
        if missing:
            raise Unanswered(f"{server} doesn't tell what authorises our join: {missing}")
        arrival = Arrival(join.event, [known[event_id] for event_id in cited], join.signed_by)
        servers = None
        if told.members_omitted:
            servers = _servers_in(server, self._server_name, told)
            state = _with_cited(server, state, arrival.auth_events)
        try:
            await self._entrances.enter(arrival, state, partial_servers=servers)
        except AuthError as error:
            raise Unanswered(f"{server} tells a state that forbids our join: {error}") from None

    async def members_before(self, server: str, join: Event, told: Told) -> list[Event]:
        """The members in what is told of the state before our join, kept. Raises `Unanswered`."""
        state = await self._keep(server, join, told)
        members = [event for event in state if event.type == EventTypes.MEMBER]
        async for some in Breaks(self._clock).portions(members):
            for event in some:
                if domain_of(event.slot[1]) == server and event.membership == Membership.JOIN:
                    return members
        raise Unanswered(f"{server} tells a state in which it has no member")

    async def _keep(self, server: str, join: Event, told: Told) -> list[Event]:
        # An auth chain holds much of the state, spelt alike.
        state = dict.fromkeys(map(bytes, told.state))
        chain = dict.fromkeys(raw for raw in map(bytes, told.auth_chain) if raw not in state)
        values = await values_of([*state, *chain], Breaks(self._clock))
        verdicts = await self._pdus.verify(join.version, join.room_id, values)
        breaks = Breaks(self._clock)
        _complain(server, verdicts)
        await breaks.take()
        verified = [one for one in verdicts if isinstance(one, Verified)]
        await breaks.take()
        state_ids = [
            one.event.event_id for one in verdicts[: len(state)] if isinstance(one, Verified)
        ]
        await breaks.take()
        _check_version(server, join.version, verified, state_ids)
        room_nid = await self._entrances.open(join.room_id, join.version)
        room = await self._rooms.get(join.room_id)
        if room.version is not join.version:
            raise Unanswered(f"{server} tells another version than we know of the room")
        kept = await self._outliers.keep(room_nid, verified)
        filled: dict[tuple[str, str], Event] = {}
        for event_id in state_ids:
            await breaks.take()
            event = kept.get(event_id)
            if event is None or event.rejected:
                continue
            if filled.setdefault(event.slot, event) is not event:
                raise Unanswered(f"{server} tells two events for {event.slot}")
        if CREATE_SLOT not in filled:
            raise Unanswered(f"{server} tells a state without m.room.create")
        if not told.members_omitted and not any(map(self._is_joined_elsewhere, filled.values())):
            # Alone in the room, we would let our users in without asking anybody ever after.
            raise Unanswered(f"{server} tells a state in which nobody is in the room")
        return list(filled.values())

    def _is_joined_elsewhere(self, event: Event) -> bool:
        return (
            event.type == EventTypes.MEMBER
            and event.membership == Membership.JOIN
            and domain_of(event.state_key or "") != self._server_name
        )


def _servers_in(server: str, own_name: str, told: Told) -> list[str]:
    """The other servers that are in the room, the one that was asked first."""
    if told.servers_in_room is None:
        raise Unanswered(f"{server} omits the members, and doesn't tell whose they are")
    if len(told.servers_in_room) > _MAX_SERVERS:
        raise Unanswered(f"{server} tells more than {_MAX_SERVERS} servers")
    servers = dict.fromkeys([server, *filter(is_server_name, told.servers_in_room)])
    servers.pop(own_name, None)
    return list(servers)


def _with_cited(server: str, state: Sequence[Event], auth_events: Sequence[Event]) -> list[Event]:
    """A state without members, and those members by which our join is allowed.

    All else that our join cites stands in the state on which it was made.
    """
    filled = {event.slot: event for event in state}
    for auth in auth_events:
        if auth.type == EventTypes.MEMBER:
            filled.setdefault(auth.slot, auth)
        elif filled.get(auth.slot) is None or filled[auth.slot].event_id != auth.event_id:
            raise Unanswered(f"{server} tells a state without what allows our join: {auth.slot}")
    return list(filled.values())


def _check_version(
    server: str, version: RoomVersion, verified: Sequence[Verified], state_ids: Sequence[str]
) -> None:
    """The template named a version; the room's beginning says which it is."""
    in_state = set(state_ids)
    for one in verified:
        event = one.event
        if event.type == EventTypes.CREATE and event.event_id in in_state:
            told = event.content.get("room_version", "1")
            if told != version.identifier:
                raise Unanswered(f"{server} tells a room of version {str(told)[:100]!r}")


def _complain(server: str, verdicts: Sequence[Verified | Refused]) -> None:
    refused = [one for one in verdicts if isinstance(one, Refused)]
    for one in refused[:_MOST_COMPLAINTS]:
        logger.info("%s tells %s, which is refused: %s", server, one.event_id, one.reason)
    if len(refused) > _MOST_COMPLAINTS:
        logger.info("%s tells %d events that are refused", server, len(refused))
