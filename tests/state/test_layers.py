"""States as layers: what differs between them is found without reading what they share."""

from hypothesis import given
from hypothesis import strategies as st

from synapse.state.layers import Layer, at, differences
from synapse.state.packing import state_from
from tests.case import TestCase

_DELTAS = st.dictionaries(st.integers(1, 8), st.integers(0, 5), max_size=5)


class LayerTests(TestCase):
    def test_the_newest_layer_that_names_a_slot_counts(self) -> None:
        layers = [Layer(1, {7: 10, 8: 11}), Layer(2, {7: 20}), Layer(0, {8: 0})]
        self.assertEqual([at(layers, slot) for slot in (7, 8, 9)], [20, 0, 0])

    def test_what_is_shared_is_not_looked_at(self) -> None:
        class Untouchable(dict[int, int]):
            def __iter__(self) -> object:  # type: ignore[override]
                raise AssertionError("a shared layer was walked through")

        shared = Layer(5, Untouchable({1: 1, 2: 2}))
        one, other = Layer(6, {2: 3}), Layer(7, {4: 4})
        found = differences([[shared, one], [shared, other]])
        self.assertEqual(found, {2: [3, 2], 4: [0, 4]})

    @given(st.lists(_DELTAS, max_size=3), st.lists(st.lists(_DELTAS, max_size=3), min_size=1))
    def test_differences_are_those_of_the_whole_states(
        self, shared: list[dict[int, int]], rest: list[list[dict[int, int]]]
    ) -> None:
        base = [Layer(number, delta) for number, delta in enumerate(shared, start=1)]
        states = []
        number = len(base)
        for deltas in rest:
            layers = list(base)
            for delta in deltas:
                number += 1
                layers.append(Layer(number, delta))
            states.append(layers)
        whole = [state_from(layer.delta for layer in layers) for layers in states]
        slots = {slot for state in whole for slot in state}
        expected = {
            slot: [state.get(slot, 0) for state in whole]
            for slot in slots
            if len({state.get(slot, 0) for state in whole}) > 1
        }
        self.assertEqual(differences(states), expected)
