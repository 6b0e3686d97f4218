from unittest import TestCase

from hypothesis import example, given
from hypothesis import strategies as st

from synapse.state.packing import (
    base_of,
    chain_of,
    merge,
    pack,
    state_from,
    unpack,
)

NIDS = st.integers(1, 300) | st.integers(1, 2**20) | st.integers(1, 2**63 - 1)
EVENTS = st.just(0) | NIDS
DELTAS = st.dictionaries(NIDS, EVENTS, max_size=40)


def rows_below(change: int) -> list[int]:
    """The rows that lead from the base of row `change` to the change before it."""
    return [row for row in chain_of(change - 1) if row > base_of(change)]


class PackingTests(TestCase):
    @given(DELTAS)
    @example({})
    @example({1: 0})
    @example({2**63 - 1: 2**63 - 1})
    @example({1: 1, 2**63 - 1: 2**63 - 1})
    def test_what_is_packed_is_unpacked(self, delta: dict[int, int]) -> None:
        self.assertEqual(delta, unpack(pack(delta)))

    def test_more_entries_than_a_run_holds(self) -> None:
        delta = {slot: slot % 7 and slot for slot in range(1, 140_000)}
        self.assertEqual(delta, unpack(pack(delta)))

    @given(DELTAS)
    def test_equal_deltas_have_equal_bytes(self, delta: dict[int, int]) -> None:
        self.assertEqual(pack(delta), pack(dict(reversed(delta.items()))))

    def test_deltas_are_small(self) -> None:
        self.assertEqual(b"", pack({}))
        self.assertEqual(12, len(pack({500_123: 9_000_123})))
        members = {500_000 + 7 * n: 9_000_000 + 90 * n for n in range(29)}
        self.assertEqual(114, len(pack({**members, 12: 9_000_100, 4000: 9_001_000})))

    @given(st.lists(DELTAS, max_size=5))
    def test_merged_deltas_do_what_they_do_one_after_the_other(
        self, deltas: list[dict[int, int]]
    ) -> None:
        state: dict[int, int] = {}
        for delta in deltas:
            for slot, event in delta.items():
                state.pop(slot, None)
                if event:
                    state[slot] = event
        self.assertEqual(state, state_from(deltas))
        self.assertEqual(state, state_from([merge(deltas)]))


BASES = [
    # change, base
    (1, 0),
    (31, 0),
    (32, 0),
    (33, 32),
    (64, 0),
    (65, 64),
    (1023, 992),
    (1024, 0),
    (1025, 1024),
    (1056, 1024),
    (1057, 1056),
    (2215, 2208),
    (32**3, 0),
    (32**3 + 32, 32**3),
    (3 * 32**3 + 5, 3 * 32**3),
]


class ChainTests(TestCase):
    def test_bases(self) -> None:
        for change, base in BASES:
            self.assertEqual(base, base_of(change), change)

    @given(st.integers(1, 2**40))
    def test_the_base_is_the_last_multiple_of_the_next_power_of_32(self, change: int) -> None:
        k = max(k for k in range(9) if change % 32**k == 0)
        base = base_of(change)
        self.assertLess(base, change)
        self.assertEqual(0, base % 32 ** (k + 1))
        self.assertLess(change - base, 32 ** (k + 1))

    @given(st.integers(0, 32**4 - 1))
    def test_a_chain_has_at_most_four_rows_up_to_a_million_changes(self, change: int) -> None:
        chain = chain_of(change)
        self.assertLessEqual(len(chain), 4)
        self.assertEqual([0, *chain][:-1], [base_of(row) for row in chain])

    @given(st.integers(1, 2**40))
    def test_a_row_is_merged_from_rows_that_join_its_base_to_it(self, change: int) -> None:
        rows = rows_below(change)
        joints = [base_of(change), *rows]
        self.assertEqual(joints[:-1], [base_of(row) for row in rows])
        self.assertEqual(change - 1, joints[-1])

    @given(st.lists(st.dictionaries(st.integers(1, 6), st.integers(0, 9), max_size=2), max_size=80))
    def test_a_chain_reads_as_all_changes_replayed(self, changes: list[dict[int, int]]) -> None:
        self.replay(changes)

    def test_a_long_chain_reads_as_all_changes_replayed(self) -> None:
        self.replay([{1 + n * 7 % 50: n * 11 % 13 and n} for n in range(1, 2200)])

    def replay(self, changes: list[dict[int, int]]) -> None:
        rows: dict[int, bytes] = {}
        state: dict[int, int] = {}
        for number, change in enumerate(changes, start=1):
            state = state_from([state, change])
            rows[number] = pack(merge([*(unpack(rows[row]) for row in rows_below(number)), change]))
            self.assertEqual(state, state_from(unpack(rows[row]) for row in chain_of(number)))
