"""States as layers of deltas, compared without reading what they share.

A snapshot is the row of deltas that leads to it from the empty state (`synapse.state.packing`). Two
snapshots of one room begin with the same rows, and what differs between them was changed by the
others: in a room of 100,000 members, a handful of slots.

    A:  row 2048 | row 2208 | row 2215
    B:  row 2048 | row 2208 | row 2219      the two last rows name all slots that may differ
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Layer(NamedTuple):
    """A delta (slot_nid → event_nid, 0: empty) of a row; `state_nid` 0: it is in no row yet."""

    state_nid: int
    delta: Mapping[int, int]


Layers = Sequence[Layer]


def at(layers: Layers, slot_nid: int) -> int:
    """Which event fills a slot; 0: none does."""
    for layer in reversed(layers):
        event_nid = layer.delta.get(slot_nid)
        if event_nid is not None:
            return event_nid
    return 0


def differences(states: Sequence[Layers]) -> dict[int, list[int]]:
    """The slots that not all states fill alike, with what fills them in each."""
    shared = _shared(states)
    touched = {slot for layers in states for layer in layers[shared:] for slot in layer.delta}
    found = {slot: [at(layers, slot) for layers in states] for slot in touched}
    return {slot: events for slot, events in found.items() if len(set(events)) > 1}


def _shared(states: Sequence[Layers]) -> int:
    """How many layers are the same, from the first one on."""
    count = 0
    for layers in zip(*states, strict=False):
        nids = {layer.state_nid for layer in layers}
        if len(nids) > 1 or 0 in nids:
            break
        count += 1
    return count
