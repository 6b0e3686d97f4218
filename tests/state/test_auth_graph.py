from unittest import TestCase

from hypothesis import given, settings
from hypothesis import strategies as st

from synapse.state.auth_graph import AuthGraph

# Each event cites some of the events before it.
GRAPHS = st.lists(st.sets(st.integers(1, 12), max_size=3), min_size=1, max_size=30)


def graph_from(citations: list[set[int]]) -> tuple[AuthGraph, dict[str, set[str]]]:
    """The graph, and of each event all that lies below it."""
    graph = AuthGraph()
    chains: dict[str, set[str]] = {}
    for number, back in enumerate(citations):
        cited = {str(number - steps) for steps in back if steps <= number}
        graph.add(str(number), sorted(cited))
        chains[str(number)] = cited.union(*(chains[event] for event in cited))
    return graph, chains


def with_ends(events: set[str], chains: dict[str, set[str]]) -> set[str]:
    return events.union(*(chains[event] for event in events))


class AuthGraphTests(TestCase):
    @given(GRAPHS)
    def test_chains(self, citations: list[set[int]]) -> None:
        graph, chains = graph_from(citations)
        for event, chain in chains.items():
            self.assertEqual(chain, graph.chain([event]))

    @settings(max_examples=200)
    @given(GRAPHS, st.data())
    def test_the_difference_is_what_not_all_sets_lead_to(
        self, citations: list[set[int]], data: st.DataObject
    ) -> None:
        graph, chains = graph_from(citations)
        events = st.sets(st.sampled_from(sorted(chains)), max_size=5)
        sets = data.draw(st.lists(events, min_size=1, max_size=4))
        common = data.draw(events)
        full = [with_ends(events | common, chains) for events in sets]
        self.assertEqual(
            full[0].union(*full) - full[0].intersection(*full), graph.difference(sets, common)
        )

    @settings(max_examples=200)
    @given(GRAPHS, st.data())
    def test_between_are_the_events_on_paths(
        self, citations: list[set[int]], data: st.DataObject
    ) -> None:
        graph, chains = graph_from(citations)
        ends = data.draw(st.sets(st.sampled_from(sorted(chains)), max_size=5))
        expected: set[str] = set()
        for start in ends:
            for end in ends & chains[start]:
                expected |= {start, end}
                expected |= {event for event in chains[start] if end in chains[event]}
        self.assertEqual(expected, graph.between(ends))

    @given(GRAPHS)
    def test_a_graph_read_from_the_top_has_the_same_chains(self, citations: list[set[int]]) -> None:
        _, chains = graph_from(citations)
        cited = {
            event: [str(int(event) - steps) for steps in back if steps <= int(event)]
            for event, back in zip(chains, citations, strict=True)
        }
        top = max(chains, key=int)
        graph = AuthGraph.below([top], lambda ids: {event: cited[event] for event in ids})
        self.assertEqual(chains[top], graph.chain([top]))
        self.assertEqual(len(chains[top]) + 1, len(graph))

    def test_a_chain_of_ten_thousand_events_needs_no_recursion(self) -> None:
        cited = {str(n): [str(n - 1)] for n in range(1, 10_000)} | {"0": []}
        graph = AuthGraph.below(["9999"], lambda ids: {event: cited[event] for event in ids})
        self.assertEqual(9_999, len(graph.chain(["9999"])))
        self.assertEqual({"9999"}, graph.difference([{"9999"}, {"9998"}], []))

    def test_what_is_not_known_is_left_out(self) -> None:
        known = {"b": ["a", "gone"], "a": []}
        graph = AuthGraph.below(["b"], lambda ids: {e: known[e] for e in ids if e in known})
        self.assertEqual(["a"], graph.auth_events("b"))
        self.assertNotIn("gone", graph)

    def test_an_event_must_come_after_its_auth_events(self) -> None:
        with self.assertRaises(KeyError):
            AuthGraph().add("b", ["a"])

    def test_an_event_that_leads_to_itself_is_refused(self) -> None:
        circle = {"a": ["b"], "b": ["c"], "c": ["a"]}
        with self.assertRaisesRegex(ValueError, "its own auth event"):
            AuthGraph.below(["a"], lambda ids: {event: circle[event] for event in ids})
