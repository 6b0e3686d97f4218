"""Connections: what each client has been told, in memory only.

What an answer tells counts as told only when the client comes back with its `pos`: until then the
connection keeps what stood before beside what changes, so that an answer that was lost is made
again. After a restart, or when there are too many connections, the client begins anew
(`M_UNKNOWN_POS`).
"""

from dataclasses import dataclass, field
from secrets import token_hex

from synapse.api.errors import MatrixError
from synapse.handlers.auth import Requester
from synapse.handlers.sliding_sync.required_state import RequiredState
from synapse.streams.tokens import SyncToken
from synapse.util.caches import Cache

_DEVICES_KEPT = 10_000
_CONNECTIONS_OF_DEVICE = 10
# Of whom a client has been told in one room; whoever is forgotten is told again.
MEMBERS_KEPT = 500


class UnknownPos(MatrixError):
    """400 `M_UNKNOWN_POS`: the client has to begin a new connection."""

    def __init__(self) -> None:
        super().__init__(400, "M_UNKNOWN_POS", "Unknown position: begin a new connection")


@dataclass(frozen=True, slots=True)
class SentRoom:
    """What a client has been told of a room."""

    upto: int  # all that matters up to this position
    member_nid: int  # the user's own member event
    timeline_limit: int
    required: RequiredState
    is_dm: bool
    is_inside: bool  # told as a room that the user is in
    members: frozenset[str] = frozenset()  # whose member events it has, if it loads them lazily


@dataclass(slots=True)
class Told:
    """What a client knows at one `pos`."""

    token: SyncToken | None = None  # None: nothing yet
    rooms: dict[int, SentRoom] = field(default_factory=dict)
    shown: frozenset[int] = frozenset()  # the rooms in its windows and subscriptions


@dataclass(frozen=True, slots=True)
class News:
    """What an answer adds to what a client knows."""

    token: SyncToken
    rooms: dict[int, SentRoom]
    shown: frozenset[int]


class Connection:
    """One sequence of requests. `told` is what the client surely knows."""

    def __init__(self) -> None:
        self.told = Told()
        self._name = token_hex(6)
        self._number = 0
        self._pos: str | None = None
        self._pending: tuple[str, News] | None = None

    def arrived(self, pos: str) -> None:
        """The client has read up to this `pos`. Raises `UnknownPos`."""
        if self._pending is not None and pos == self._pending[0]:
            self._pos, news = self._pending
            self._pending = None
            self.told.rooms.update(news.rooms)
            self.told = Told(news.token, self.told.rooms, news.shown)
        elif pos != self._pos:
            raise UnknownPos()

    def answer(self, news: News) -> str:
        """The `pos` of an answer that tells this; it is a token of timelines as well."""
        self._number += 1
        pos = f"{news.token}_{self._name}_{self._number}"
        self._pending = (pos, news)
        return pos


class Connections:
    """The connections of all devices, within bounds."""

    def __init__(self) -> None:
        self._devices: Cache[tuple[int, int], dict[str, Connection]] = Cache(
            _DEVICES_KEPT, "sliding_sync_devices"
        )

    def resume(self, requester: Requester, conn_id: str, pos: str | None) -> Connection:
        """The connection that goes on at `pos`, or a new one. Raises `UnknownPos`."""
        key = (requester.user_nid, requester.device_nid)
        connections = self._devices.get(key)
        if pos is not None:
            connection = None if connections is None else connections.get(conn_id)
            if connections is None or connection is None:
                raise UnknownPos()
            connection.arrived(pos)
        else:
            connection = Connection()
            if connections is None:
                connections = {}
                self._devices[key] = connections
        # The one that was used last stands last.
        connections.pop(conn_id, None)
        connections[conn_id] = connection
        if len(connections) > _CONNECTIONS_OF_DEVICE:
            del connections[next(iter(connections))]
        return connection
