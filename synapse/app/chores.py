"""What the server does by itself, now and then."""

from synapse.app.wiring import Server
from synapse.storage.background_updates import BackgroundUpdates, Pace
from synapse.storage.stores.relations import fill_relations
from synapse.util.clock import Timer

_MINUTE_S = 60.0
_HOUR_MS = 3600 * 1000


class Chores:
    """Started with the server, and stopped before it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._timer: Timer | None = None
        self._next_cleaning_ms = 0
        # What migrations have left behind to do.
        updates = {"relations": fill_relations}
        self._updates = BackgroundUpdates(server.database, server.clock, updates, Pace())

    def start(self) -> None:
        """Go on with what the last stop interrupted; then look every minute what there is to do."""
        background = self._server.background
        background.spawn("resume deactivations", self._server.accounts.resume())
        background.spawn("resume profile changes", self._server.profile_changes.resume())
        background.spawn("background updates", self._updates.run())
        self._tick()

    def stop(self) -> None:
        self._updates.enabled = False
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _tick(self) -> None:
        server = self._server
        server.followers.drop_idle()
        now_ms = server.clock.now_ms()
        if now_ms >= self._next_cleaning_ms:
            self._next_cleaning_ms = now_ms + _HOUR_MS
            server.background.spawn("forget redacted content", self._forget_redacted(now_ms))
        self._timer = server.clock.call_later(_MINUTE_S, self._tick)

    async def _forget_redacted(self, now_ms: int) -> None:
        kept_ms = self._server.config.rooms.redaction_retention_period_ms
        await self._server.events.forget_redacted(now_ms - kept_ms)
