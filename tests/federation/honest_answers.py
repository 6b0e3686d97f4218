"""What an honest server answers about a room that it knows."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

import orjson

from synapse.events.event import Event
from tests.rooms.elsewhere import Elsewhere


def honest_answer(elsewhere: Elsewhere, path: str, options: dict[str, Any]) -> dict[str, Any]:
    """The answer to one of the questions that `RemoteGraph` asks."""
    events = elsewhere.events
    if "get_missing_events" in path:
        return {"events": _pdus(_missing(events, options["json"]))}
    if "/event/" in path:
        event_id = unquote(path.rpartition("/")[2])
        return {"pdus": _pdus([events[event_id]] if event_id in events else [])}
    chain = [event for event in events.values() if event.state_key is not None]
    if "/event_auth/" in path:
        return {"auth_chain": _pdus(chain)}
    asked = events.get(options["query"]["event_id"])
    before = elsewhere.resolved(asked.prev_event_ids()) if asked is not None else {}
    state = [events[event_id] for event_id in before.values()]
    if "/state_ids/" in path:
        ids = {"pdu_ids": state, "auth_chain_ids": chain}
        return {key: [event.event_id for event in some] for key, some in ids.items()}
    return {"pdus": _pdus(state), "auth_chain": _pdus(chain)}


def _missing(events: dict[str, Event], body: dict[str, Any]) -> Iterable[Event]:
    told: dict[str, Event] = {}
    ahead = list(body["latest_events"])
    while ahead and len(told) < body["limit"]:
        latest = events.get(ahead.pop(0))
        for event_id in latest.prev_event_ids() if latest is not None else ():
            if event_id in events and event_id not in {*body["earliest_events"], *told}:
                told[event_id] = events[event_id]
                ahead.append(event_id)
    return told.values()


def _pdus(events: Iterable[Event]) -> list[dict[str, Any]]:
    return [orjson.loads(event.json) for event in events]
