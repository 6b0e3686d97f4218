"""What administrators see of other servers, and do about them."""

from typing import Any

from synapse.api.errors import InvalidParam, NotFound
from synapse.api.identifiers import is_server_name
from synapse.federation.backoff import Backoffs
from synapse.federation.sending.sender import Sender
from synapse.storage.stores.destination_lists import DestinationLists, ListedDestination


class Destinations:
    """Answers in the form that Synapse's admin API has."""

    def __init__(self, lists: DestinationLists, backoffs: Backoffs, sender: Sender) -> None:
        self._lists = lists
        self._backoffs = backoffs
        self._sender = sender

    async def page(
        self, part: str, order: str, *, backwards: bool, skip: int, limit: int
    ) -> dict[str, Any]:
        """A page of the servers whose names hold `part`."""
        servers, total = await self._lists.servers(
            part, order, backwards=backwards, skip=skip, limit=limit
        )
        found = [self._shown(server) for server in servers]
        return {"destinations": found, **_rest(skip + len(found), total)}

    async def one(self, server: str) -> dict[str, Any]:
        """One server. Raises `NotFound`."""
        return self._shown(await self._known(server))

    async def rooms(self, server: str, *, backwards: bool, skip: int, limit: int) -> dict[str, Any]:
        """A page of the rooms that we share with a server. Raises `NotFound`."""
        sent = self._sent(await self._known(server))
        rooms, total = await self._lists.rooms(server, backwards=backwards, skip=skip, limit=limit)
        found = [
            {"room_id": room.room_id, "stream_ordering": min(room.last_nid, sent)} for room in rooms
        ]
        return {"rooms": found, **_rest(skip + len(found), total)}

    async def reset(self, server: str) -> None:
        """Try a server again at once. Raises `NotFound`, `InvalidParam` if there is no need to."""
        await self._known(server)
        if self._backoffs.get(server) is None:
            raise InvalidParam(f"{server} is not being left alone")
        self._backoffs.forget(server)

    async def _known(self, server: str) -> ListedDestination:
        found = await self._lists.server(server) if is_server_name(server) else None
        if found is None:
            raise NotFound("Unknown destination")
        return found

    def _shown(self, server: ListedDestination) -> dict[str, Any]:
        # Memory is ahead of the database.
        backoff = self._backoffs.get(server.server)
        return {
            "destination": server.server,
            "retry_last_ts": 0 if backoff is None else backoff.last_failure_ms,
            "retry_interval": 0 if backoff is None else backoff.retry_interval_ms,
            "failure_ts": None if backoff is None else backoff.failing_since_ms,
            "last_successful_stream_ordering": self._sent(server),
        }

    def _sent(self, server: ListedDestination) -> int:
        return self._sender.position if server.position is None else server.position


def _rest(end: int, total: int) -> dict[str, Any]:
    return {"total": total, **({"next_token": str(end)} if end < total else {})}
