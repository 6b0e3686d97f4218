"""`AuthGraph`: which events a room's events cite as `auth_events`.

Events are numbered so that each has a higher number than those it cites. Walking from high numbers
to low ones then sees an event only after all that lead to it, which makes each question below one
walk that stops as soon as the answer can't change, usually long before the room's beginning.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from heapq import heapify, heappop, heappush


class AuthGraph:
    """The auth graph of one room, or the part of it below some events."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._ids: list[str] = []
        self._auth: list[tuple[int, ...]] = []

    @classmethod
    def below(
        cls, event_ids: Iterable[str], auth_of: Callable[[Iterable[str]], dict[str, list[str]]]
    ) -> "AuthGraph":
        """The events and all they lead to; `auth_of` gives the auth events of a batch of events.

        What `auth_of` doesn't know is left out.
        """
        auth: dict[str, list[str]] = {}
        missing = set(event_ids)
        while missing:
            found = auth_of(missing)
            auth.update(found)
            missing = {cited for ids in found.values() for cited in ids if cited not in auth}
        graph = cls()
        for event_id in auth:
            graph._add_with_chain(event_id, auth)
        return graph

    def _add_with_chain(self, event_id: str, auth: dict[str, list[str]]) -> None:
        # A stack instead of recursion: auth chains are thousands of events deep.
        stack = [event_id]
        opened: set[str] = set()
        while stack:
            current = stack[-1]
            missing = [a for a in auth[current] if a in auth and a not in self._numbers]
            if missing and current not in opened:
                opened.add(current)
                stack += missing
                continue
            if missing:
                raise ValueError(f"{current} is its own auth event, through others")
            stack.pop()
            if current not in self._numbers:
                self.add(current, [a for a in auth[current] if a in auth])

    def add(self, event_id: str, auth_event_ids: Iterable[str]) -> None:
        """Adds an event whose auth events are there already (else a `KeyError`)."""
        if event_id not in self._numbers:
            auth = tuple([self._numbers[cited] for cited in auth_event_ids])
            self._numbers[event_id] = len(self._ids)
            self._ids.append(event_id)
            self._auth.append(auth)

    def __contains__(self, event_id: object) -> bool:
        return event_id in self._numbers

    def __len__(self) -> int:
        return len(self._ids)

    def auth_events(self, event_id: str) -> list[str]:
        return [self._ids[cited] for cited in self._auth[self._numbers[event_id]]]

    def chain(self, event_ids: Iterable[str]) -> set[str]:
        """All that the events cite, and what those cite, and so on."""
        return {self._ids[number] for number in self._below(map(self._number, event_ids), 0)}

    def difference(self, sets: Sequence[Iterable[str]], common: Iterable[str]) -> set[str]:
        """The auth difference of some sets of events, each of which holds `common` too.

        An event is in it if it is in, or below, some of the sets but not all. A label on each
        event has a bit for each set that leads to it, and flows down the graph; once only events
        with all bits are left to visit, all below them have all bits as well.
        """
        everywhere = (1 << len(sets)) - 1
        labels = dict.fromkeys(map(self._number, common), everywhere)
        for place, events in enumerate(sets):
            for number in map(self._number, events):
                labels[number] = labels.get(number, 0) | 1 << place
        heap = [-number for number in labels]
        heapify(heap)
        partial = sum(label != everywhere for label in labels.values())
        difference: set[str] = set()
        while partial:
            number = -heappop(heap)
            label = labels[number]
            if label != everywhere:
                partial -= 1
                difference.add(self._ids[number])
            for cited in self._auth[number]:
                before = labels.get(cited, 0)
                after = labels[cited] = before | label
                if before == 0:
                    heappush(heap, -cited)
                    partial += after != everywhere
                elif before != everywhere:
                    partial -= after == everywhere
        return difference

    def between(self, event_ids: Collection[str]) -> set[str]:
        """All events on the paths that lead from one of the events to another, with their ends."""
        ends = {self._number(event_id) for event_id in event_ids}
        if not ends:
            return set()
        below = self._below(ends, min(ends))
        # From low to high: whether an event leads to an end is known of all that it cites.
        leading = set(ends)
        for number in sorted(below):
            if number not in leading and not leading.isdisjoint(self._auth[number]):
                leading.add(number)
        paths = (leading & below) | {end for end in ends if not leading.isdisjoint(self._auth[end])}
        return {self._ids[number] for number in paths}

    def _below(self, numbers: Iterable[int], lowest: int) -> set[int]:
        """All that the events lead to, as far as it isn't numbered below `lowest`."""
        below: set[int] = set()
        stack = list(numbers)
        while stack:
            for cited in self._auth[stack.pop()]:
                if cited >= lowest and cited not in below:
                    below.add(cited)
                    stack.append(cited)
        return below

    def _number(self, event_id: str) -> int:
        return self._numbers[event_id]
