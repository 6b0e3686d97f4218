"""A running server: opening everything in order, and closing it in the opposite one."""

import logging
import os
import signal
from typing import Any

from twisted.internet.defer import Deferred

from synapse.app import process
from synapse.app.chores import Chores
from synapse.app.federation_metrics import ReceivingMetrics, RequestsToServers, SendingMetrics
from synapse.app.metrics import CacheMetrics, DatabaseMetrics
from synapse.app.parts.outbound import Outbound
from synapse.app.resources.listeners import resources_of
from synapse.app.wiring import Server
from synapse.config.cli import Invocation
from synapse.config.homeserver import HomeserverConfig
from synapse.config.listeners import ListenerConfig
from synapse.crypto.signing import InvalidKey, SigningKey, read_signing_keys
from synapse.handlers.passwords import HashingThreads
from synapse.http.limits import Limits
from synapse.http.listeners import ListenError, Listeners
from synapse.http.routing import Router
from synapse.http.server import HttpSite
from synapse.logging.setup import LogSetup
from synapse.metrics.collectors import TickTimes
from synapse.metrics.exposition import Registry
from synapse.metrics.requests import RequestMetrics
from synapse.storage.database import Database, open_database
from synapse.storage.engines import engine_for
from synapse.storage.errors import DatabaseRefused, Unavailable
from synapse.util import caches
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)


class StartError(Exception):
    """The server can't start; the text is for the administrator."""


class Running:
    """The process's server, its sockets and its signals."""

    def __init__(self, invocation: Invocation, reactor: Any, log_setup: LogSetup) -> None:
        self._config = invocation.config
        self._reactor = reactor
        self._log_setup = log_setup
        self._threads = HashingThreads(reactor)
        self._stopping = False
        self._tls: Any = None

    def open(self) -> None:
        """Everything that can fail. Raises `StartError`."""
        config = self._config
        caches.set_factors(config.caches.factor)
        key, *other_keys = _signing_keys(config)
        self._database = self._open_database()
        clock = Clock(self._reactor)
        self._outbound = Outbound(config, self._reactor, key)
        self.server = Server(
            config,
            self._database,
            clock,
            self._threads,
            key,
            self._outbound,
            other_keys=other_keys,
            notary_keys=_notary_keys(config),
        )
        self._chores = Chores(self.server)
        self._open_listeners()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        reactor = self._reactor
        reactor.addSystemEventTrigger("before", "shutdown", self._shutdown)
        reactor.callWhenRunning(self._started)
        reactor.run()

    def _open_database(self) -> Database:
        try:
            return open_database(
                engine_for(self._config.database),
                self._config.server.server_name,
                self._reactor,
            )
        except (DatabaseRefused, Unavailable) as error:
            raise StartError(str(error)) from None

    def _open_listeners(self) -> None:
        config = self._config
        metrics = RequestMetrics()
        registry = Registry(config.server.server_name)
        registry.register(metrics)
        registry.register(DatabaseMetrics(self._database))
        registry.register(CacheMetrics())
        federation = self.server.federation
        registry.register(SendingMetrics(federation))
        registry.register(ReceivingMetrics(federation, self.server.rooms, self.server.clock))
        registry.register(RequestsToServers(self._outbound))
        ticks = TickTimes()
        if ticks.install(self._reactor):
            registry.register(ticks)
        if any(listener.tls for listener in config.listeners):
            self._tls = _tls(config)
            self._tell_certificates()
        self._listeners = Listeners(self._reactor, self._tls)
        request_ids = iter(range(1, 2**63))
        for listener in config.listeners:
            router = Router(resources_of(self.server, listener, registry))
            site = HttpSite(
                router,
                self._reactor,
                tag=listener.site_tag,
                metrics=metrics,
                request_ids=request_ids,
                limits=Limits(),
                tls=listener.tls,
                x_forwarded=listener.x_forwarded,
                request_id_header=listener.request_id_header,
                compress=_compresses(listener),
            )
            try:
                self._listeners.open(listener, site)
            except ListenError as error:
                raise StartError(str(error)) from None

    def _started(self) -> None:
        signal.signal(signal.SIGHUP, self._on_hangup)
        self._chores.start()
        process.notify("READY=1")
        if self._config.server.daemonize:
            process.fall_silent()

    def _on_hangup(self, signum: int, frame: Any) -> None:
        self._reactor.callFromThread(self._reload)

    def _reload(self) -> None:
        """SIGHUP: the log configuration and the certificates are read again."""
        process.notify("RELOADING=1")
        self._log_setup.reload()
        if self._tls is not None:
            self._tls.reload()
            self._tell_certificates()
        process.notify("READY=1")

    def _tell_certificates(self) -> None:
        self.server.keys.own.set_certificates([self._tls.fingerprint])

    def _shutdown(self) -> "Deferred[None]":
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        """No new requests; those that run finish; then nothing is left to write."""
        logger.info("Stopping")
        process.notify("STOPPING=1")
        self._chores.stop()
        await self._listeners.close()
        self.server.streams.typing.close()
        await self.server.streams.presence.close()
        self.server.keys.ring.close()
        self._outbound.close()
        await self.server.background.finish()
        await self.server.federation.sending.sender.save()
        self._threads.stop()
        await self._database.close()
        logger.info("Stopped")


def _signing_keys(config: HomeserverConfig) -> list[SigningKey]:
    """The keys of the file; the first one signs."""
    if config.keys.signing_key is None:
        return _keys_in_file("signing_key_path", config.keys.signing_key_path)
    try:
        keys = read_signing_keys(config.keys.signing_key)
    except InvalidKey as error:
        raise StartError(f"signing_key: {error}") from None
    if not keys:
        raise StartError("signing_key: there is no key in it")
    return keys


def _notary_keys(config: HomeserverConfig) -> list[SigningKey]:
    path = config.keys.key_server_signing_keys_path
    return [] if path is None else _keys_in_file("key_server_signing_keys_path", path)


def _keys_in_file(option: str, path: str) -> list[SigningKey]:
    try:
        with open(path, encoding="utf-8") as file:
            keys = read_signing_keys(file.read())
    except (OSError, UnicodeDecodeError, InvalidKey) as error:
        raise StartError(f"{option}: {error}") from None
    if not keys:
        raise StartError(f"{option}: there is no key in {os.path.abspath(path)}")
    return keys


def _tls(config: HomeserverConfig) -> Any:
    # OpenSSL takes memory that a server behind a proxy need not pay for.
    from synapse.http.tls import ReloadableTls, TlsError

    certificate, key = config.tls.tls_certificate_path, config.tls.tls_private_key_path
    if certificate is None or key is None:
        raise StartError(
            "A listener has tls: true, which needs tls_certificate_path and tls_private_key_path"
        )
    try:
        return ReloadableTls(certificate, key, config.tls.tls_dh_params_path)
    except TlsError as error:
        raise StartError(str(error)) from None


def _compresses(listener: ListenerConfig) -> bool:
    return any(resource.compress for resource in listener.resources)
