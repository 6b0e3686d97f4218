"""Handing chunks to the persister: what fails takes its room along."""

from synapse.rooms.cache import RoomCache
from synapse.rooms.chunks import Chunk
from synapse.rooms.persister import Persister


class Commits:
    """Waits for chunks to be committed. A room whose write failed is thrown away."""

    def __init__(self, rooms: RoomCache, persister: Persister) -> None:
        self._rooms = rooms
        self._persister = persister

    async def commit(self, chunk: Chunk) -> None:
        """Returns when the chunk is committed. Raises what `Persister.persist` raises."""
        await self.commit_together([chunk])

    async def commit_together(self, chunks: list[Chunk]) -> None:
        """The same for chunks of several rooms: all are committed, or none."""
        for chunk in chunks:
            chunk.room.writes.begin()
        try:
            if len(chunks) == 1:
                await self._persister.persist(chunks[0])
            else:
                await self._persister.persist_together(chunks)
        except BaseException:
            for chunk in chunks:
                self._rooms.discard(chunk.room)
            raise
        finally:
            for chunk in chunks:
                chunk.room.writes.end()
