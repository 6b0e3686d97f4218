"""State resolution over the database: where forks of a room meet, what is its state?

All of it runs in a reader's thread on one snapshot of the database. What the forks agree on is not
read: their snapshots begin with the same rows (`synapse.state.layers`), of the rest a resolution
looks up a few slots, and of the auth graph it reads what leads to and from what conflicts
(`synapse.state.deciding`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from synapse.api.room_versions import RoomVersion, StateResolution
from synapse.events.auth_selection import POWER_LEVELS_SLOT, Slot
from synapse.events.event import Event
from synapse.state.auth_graph import AuthGraph
from synapse.state.deciding import deciding
from synapse.state.layers import Layer, Layers, at, differences
from synapse.state.lookup import EventLookup
from synapse.state.packing import state_from
from synapse.state.resolution import resolve_conflicts
from synapse.storage.database import Database
from synapse.storage.stores.events import COLUMNS, JOINS, event_from_row
from synapse.storage.stores.states import read_layers
from synapse.storage.transaction import Reader

# Stands for an event that is not in the database yet, and for its slot if nothing filled it before.
NEWCOMER = -1

_SLOT = """
    SELECT slot_nid FROM slots WHERE type_nid = (SELECT nid FROM names WHERE name = ?)
    AND key_nid = (SELECT nid FROM names WHERE name = ?)
"""

_JSON = f"SELECT {COLUMNS} FROM events e {JOINS} WHERE e.event_nid = ANY(?)"
_IN_ROOM = """
    SELECT event_id, event_nid FROM events WHERE event_id = ANY(?)
    AND room_nid = (SELECT room_nid FROM events WHERE event_nid = ?)
"""
_FLIPPED = """
    SELECT event_nid FROM flips
    WHERE room_nid = (SELECT room_nid FROM events WHERE event_nid = ?)
"""


@dataclass(frozen=True, slots=True)
class KnownState:
    """A state: a snapshot, and how it differs (slot_nid → event_nid, 0: empty)."""

    base_nid: int
    changes: Mapping[int, int]

    def with_changes(self, changes: Mapping[int, int]) -> "KnownState":
        return KnownState(self.base_nid, {**self.changes, **changes}) if changes else self


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An event that a state holds, as `NEWCOMER`, before it is in the database."""

    event: Event
    slot_nid: int
    auth_nids: tuple[int, ...]


class ForkStore:
    """Resolves the states of forks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def resolve(self, version: RoomVersion, states: Sequence[KnownState]) -> KnownState:
        """The state that follows from the states of forks.

        All their events must be committed, with all that authorised them.
        """
        first = states[0]
        if all(state == first for state in states):
            return first
        return first.with_changes(
            await self._database.scan(partial(_resolve, version, states, first, None))
        )

    async def changes(
        self,
        version: RoomVersion,
        view: KnownState,
        states: Sequence[KnownState],
        newcomer: Newcomer | None,
    ) -> dict[int, int]:
        """How what follows from the states differs from `view` (slot_nid → event_nid, 0: empty)."""
        return await self._database.scan(partial(_resolve, version, states, view, newcomer))


def _resolve(
    version: RoomVersion,
    states: Sequence[KnownState],
    view: KnownState,
    newcomer: Newcomer | None,
    reader: Reader,
) -> dict[int, int]:
    known: dict[int, Layer] = {}
    layers = [_layers(reader, state, known) for state in states]
    differing = differences(layers)
    resolved = list(layers[0])
    if differing:
        resolved.append(Layer(0, _settle(version, layers, differing, _Facts(reader, newcomer))))
    seen = differences([_layers(reader, view, known), resolved])
    return {slot_nid: after for slot_nid, (_, after) in seen.items()}


def _layers(reader: Reader, state: KnownState, known: dict[int, Layer]) -> list[Layer]:
    return [*read_layers(reader, state.base_nid, known), Layer(0, state.changes)]


def _settle(
    version: RoomVersion,
    layers: Sequence[Layers],
    differing: Mapping[int, Sequence[int]],
    facts: "_Facts",
) -> dict[int, int]:
    """What fills the slots in which the states differ."""
    facts.read({nid for nids in differing.values() for nid in nids if nid})
    unconflicted = _Unconflicted(layers[0], differing, facts)
    lookup = EventLookup(facts.events)
    sets = [
        [facts.id_of(nids[place]) for nids in differing.values() if nids[place]]
        for place in range(len(layers))
    ]
    ids = [event_id for some in sets for event_id in some]
    lookup.fetch(ids)
    conflicted = [{lookup[event_id].slot: event_id for event_id in some} for some in sets]
    graph = AuthGraph()
    shared: list[str] = []
    if version.state_resolution is not StateResolution.V1:
        nids = [[facts.nid_of(event_id) for event_id in some] for some in sets]
        shared = [facts.id_of(nid) for nid in deciding(nids, facts, unconflicted)]
        levels = unconflicted.get(POWER_LEVELS_SLOT)
        graph = facts.graph([*ids, *shared, *([levels] if levels else [])])
    resolved = resolve_conflicts(version, unconflicted, conflicted, lookup, graph, shared)
    after = dict.fromkeys(differing, 0)
    for event_id in resolved.values():
        nid = facts.nid_of(event_id)
        after[facts.slot_of(nid)] = nid
    return after


class _Facts:
    """What the database says of events, each read once."""

    def __init__(self, reader: Reader, newcomer: Newcomer | None) -> None:
        self._reader = reader
        self._newcomer = newcomer
        self._ids: dict[int, str] = {}
        self._nids: dict[str, int] = {}
        self._slots: dict[int, int] = {}
        self._auth: dict[int, Sequence[int]] = {}
        if newcomer is not None:
            self._learn(NEWCOMER, newcomer.event.event_id, newcomer.slot_nid, newcomer.auth_nids)

    def read(self, nids: Iterable[int]) -> None:
        missing = [nid for nid in nids if nid not in self._ids]
        if not missing:
            return
        rows = self._reader.fetch(
            "SELECT event_nid, event_id, slot_nid, auth FROM events WHERE event_nid = ANY(?)",
            missing,
        )
        for nid, event_id, slot_nid, auth in rows:
            self._learn(nid, event_id, slot_nid, msgspec.msgpack.decode(auth, type=list[int]))
        self._complete([nid for nid in missing if nid in self._auth and not self._auth[nid]])

    def _complete(self, bare: Sequence[int]) -> None:
        """Find what authorises events of which that is not noted.

        Invitations, and their end, come to a room that isn't known yet; their auth events come when
        somebody enters it.
        """
        rows = self._reader.fetch(_JSON, bare) if bare else []
        events = [event_from_row(row) for row in rows]
        cited = {event.nid: event.auth_event_ids() for event in events}
        ids = {event_id for event_ids in cited.values() for event_id in event_ids}
        if not ids:
            return
        found: dict[str, int] = dict(self._reader.fetch(_IN_ROOM, list(ids), bare[0]))
        for nid, event_ids in cited.items():
            self._auth[nid] = [found[event_id] for event_id in event_ids if event_id in found]

    def _learn(self, nid: int, event_id: str, slot_nid: int, auth: Sequence[int]) -> None:
        self._ids[nid] = event_id
        self._nids[event_id] = nid
        self._slots[nid] = slot_nid
        self._auth[nid] = auth

    def id_of(self, nid: int) -> str:
        return self._ids[nid]

    def nid_of(self, event_id: str) -> int:
        return self._nids[event_id]

    def slot_of(self, nid: int) -> int:
        return self._slots[nid]

    def cited_by(self, nids: Collection[int]) -> Mapping[int, Sequence[int]]:
        self.read(nids)
        return {nid: self._auth[nid] for nid in nids}

    def slot_nid(self, slot: Slot) -> int | None:
        if "\0" in slot[0] or "\0" in slot[1]:  # no name holds one
            return None
        row = self._reader.fetch_one(_SLOT, *slot)
        return None if row is None else row[0]

    def events(self, event_ids: Iterable[str]) -> dict[str, Event]:
        """An `EventSource`."""
        wanted = list(event_ids)
        rows = self._reader.fetch(
            f"SELECT {COLUMNS} FROM events e {JOINS} WHERE e.event_id = ANY(?)", wanted
        )
        found = {event.event_id: event for event in map(event_from_row, rows)}
        if self._newcomer is not None and self._newcomer.event.event_id in wanted:
            found[self._newcomer.event.event_id] = self._newcomer.event
        return found

    def numbered_early(self, nids: Sequence[int]) -> set[int]:
        """The events of a room that may have been numbered before what authorises them: those that
        were on its doorstep (`synapse.rooms.doorstep`), each of which was a flip there."""
        rows = self._reader.fetch(_FLIPPED, nids[0]) if nids else []
        return {nid for (nid,) in rows}

    def graph(self, event_ids: Collection[str]) -> AuthGraph:
        """The auth graph of these events and all below them."""
        missing = {self._nids[event_id] for event_id in event_ids}
        seen: set[int] = set()
        while missing:
            self.read(missing)
            seen |= missing
            missing = {auth for nid in missing for auth in self._auth[nid]} - seen
        return AuthGraph.below(event_ids, self._auth_ids)

    def _auth_ids(self, event_ids: Iterable[str]) -> dict[str, list[str]]:
        return {
            event_id: [self._ids[auth] for auth in self._auth[self._nids[event_id]]]
            for event_id in event_ids
        }


class _Unconflicted(Mapping[Slot, str]):
    """What all states agree on, read as far as it is asked for."""

    def __init__(self, layers: Layers, differing: Collection[int], facts: _Facts) -> None:
        self._layers = layers
        self._differing = differing
        self._facts = facts
        self._found: dict[Slot, str | None] = {}

    def __getitem__(self, slot: Slot) -> str:
        if slot not in self._found:
            self._found[slot] = self._read(slot)
        event_id = self._found[slot]
        if event_id is None:
            raise KeyError(slot)
        return event_id

    def _read(self, slot: Slot) -> str | None:
        slot_nid = self._facts.slot_nid(slot)
        nid = 0 if slot_nid is None else self.filling(slot_nid)
        self._facts.read([nid] if nid else [])
        return self._facts.id_of(nid) if nid else None

    def __iter__(self) -> Iterator[Slot]:
        self._facts.read(self._nids())
        ids = [self._facts.id_of(nid) for nid in self._nids()]
        return (event.slot for event in self._facts.events(ids).values())

    def __len__(self) -> int:
        return len(self._nids())

    def _nids(self) -> list[int]:
        state = state_from(layer.delta for layer in self._layers)
        return [nid for slot, nid in state.items() if slot not in self._differing]

    # What `deciding` asks for.

    def filling(self, slot_nid: int) -> int:
        return 0 if slot_nid in self._differing else at(self._layers, slot_nid)

    def behind(self, nid: int) -> list[int]:
        nids = self._nids()
        early = self._facts.numbered_early(nids)
        return sorted(other for other in nids if other > nid or other in early)
