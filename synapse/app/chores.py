"""What the server does by itself, now and then."""

from typing import Any

from synapse.app.wiring import Server
from synapse.storage.background_updates import BackgroundUpdates, Pace
from synapse.storage.stores.directory_feed import index_users
from synapse.storage.stores.relations import fill_relations
from synapse.storage.stream_readers import StreamReader
from synapse.util.clock import Timer

_MINUTE_S = 60.0
_HOUR_MS = 3600 * 1000
# How long another server may repeat a transaction.
_ANSWERS_KEPT_MS = 24 * _HOUR_MS
# The same for messages to devices: a server that lost our answer may have been away before it tries
# again.
_MESSAGE_IDS_KEPT_MS = 14 * 24 * _HOUR_MS


class Chores:
    """Started with the server, and stopped before it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._timer: Timer | None = None
        self._next_cleaning_ms = 0
        self._readers: list[StreamReader[Any]] = [server.discovery.directory_reader]
        if server.config.search.enable_search:
            self._readers.append(server.discovery.search_reader)
        # What migrations have left behind to do.
        updates = {"relations": fill_relations, "user_directory": index_users}
        self.updates = BackgroundUpdates(server.database, server.clock, updates, Pace())

    def start(self) -> None:
        """Go on with what the last stop interrupted; then look every minute what there is to do."""
        background = self._server.background
        background.spawn("resume deactivations", self._server.users.accounts.resume())
        background.spawn("resume profile changes", self._server.users.profiles.resume())
        background.spawn("resume presence", self._server.streams.presence.resume())
        background.spawn("resume delayed events", self._server.sending.delayed_sending.resume())
        background.spawn("resume sending to other servers", self._server.federation.sending.start())
        background.spawn(
            "resume lists of devices", self._server.federation.remote_devices.lists.resume()
        )
        background.spawn("resume the inbox", self._server.federation.inbox.resume())
        background.spawn("resume learning members", self._server.federation.completions.resume())
        background.spawn("background updates", self.updates.run())
        for reader in self._readers:
            reader.start()
        self._tick()

    def stop(self) -> None:
        self.updates.enabled = False
        for reader in self._readers:
            reader.stop()
        self._server.federation.inbox.stop()
        self._server.federation.completions.stop()
        self._server.federation.sending.stop()
        self._server.federation.remote_devices.lists.stop()
        self._server.sending.delayed_sending.stop()
        self._server.rooms.purging.stop()
        self._server.rooms.fork_merging.stop()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _tick(self) -> None:
        server = self._server
        server.streams.followers.drop_idle()
        server.background.spawn("delete expired messages", server.rooms.purging.run_due())
        server.background.spawn("count what waits", server.federation.inbox.count())
        server.background.spawn(
            "tell of refused invites", server.federation.untold_leaves.run_due()
        )
        now_ms = server.clock.now_ms()
        if now_ms >= self._next_cleaning_ms:
            self._next_cleaning_ms = now_ms + _HOUR_MS
            server.background.spawn("forget redacted content", self._forget_redacted(now_ms))
            server.background.spawn(
                "forget delayed events", server.sending.delayed_sending.forget_finalised()
            )
            server.background.spawn(
                "forget answers to transactions",
                server.federation.transactions.forget_answers(now_ms - _ANSWERS_KEPT_MS),
            )
            server.background.spawn(
                "forget ids of messages to devices",
                server.streams.device_message_store.forget_ids(now_ms - _MESSAGE_IDS_KEPT_MS),
            )
            server.background.spawn(
                "forget OpenID tokens", server.stores.openid.forget_expired(now_ms)
            )
        self._timer = server.clock.call_later(_MINUTE_S, self._tick)

    async def _forget_redacted(self, now_ms: int) -> None:
        kept_ms = self._server.config.rooms.redaction_retention_period_ms
        await self._server.stores.events.forget_redacted(now_ms - kept_ms)
