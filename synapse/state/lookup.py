"""`EventLookup`: the events that a resolution needs, fetched in a few batches."""

from collections.abc import Callable, Iterable, Mapping

from synapse.events.event import Event

# What callers have: a mapping that holds everything, or a function that reads a batch of events.
EventSource = Mapping[str, Event] | Callable[[Iterable[str]], Mapping[str, Event]]


class EventLookup:
    """Keeps what was fetched. Ids that the source doesn't know are looked for only once."""

    def __init__(self, source: EventSource) -> None:
        self._source = source
        self._found: dict[str, Event] = {}
        self._asked: set[str] = set()

    def fetch(self, event_ids: Iterable[str]) -> None:
        """Fetches those that are missing, in one batch. `get` then finds them."""
        missing = {event_id for event_id in event_ids if event_id not in self._asked}
        if not missing:
            return
        self._asked |= missing
        if callable(self._source):
            self._found.update(self._source(missing))
            return
        for event_id in missing:
            if event_id in self._source:
                self._found[event_id] = self._source[event_id]

    def get(self, event_id: str) -> Event | None:
        if event_id not in self._asked:
            self.fetch((event_id,))
        return self._found.get(event_id)

    def __getitem__(self, event_id: str) -> Event:
        event = self.get(event_id)
        if event is None:
            raise KeyError(f"State resolution needs {event_id}, which isn't there")
        return event
