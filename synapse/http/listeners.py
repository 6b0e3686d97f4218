"""Opens the sockets of the configuration, and closes them without cutting anybody off."""

import errno
import logging
from typing import Any

from twisted.internet.error import CannotListenError

from synapse.config.listeners import ListenerConfig
from synapse.http.server import HttpSite

logger = logging.getLogger(__name__)

_BACKLOG = 512
# A host without IPv6 (many containers) has no ::1.
_NO_SUCH_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class ListenError(Exception):
    """A socket can't be opened; the text says which and why."""


class Listeners:
    """The open sockets of the process, and the sites behind them."""

    def __init__(self, reactor: Any, tls: Any = None) -> None:
        """`tls` is a `synapse.http.tls.ReloadableTls`, if any listener speaks TLS."""
        self._reactor = reactor
        self._tls = tls
        self._ports: list[Any] = []
        self._sites: list[HttpSite] = []

    def open(self, config: ListenerConfig, site: HttpSite) -> list[int]:
        """Serve `site` where `config` says; returns the TCP ports. Raises `ListenError`."""
        self._sites.append(site)
        if config.path is not None:
            self._open_unix(config.path, config.mode, site)
            return []
        assert config.port is not None, "the configuration has checked it"
        factory: Any = site
        if config.tls:
            factory = self._with_tls(site)
        opened = self._open_tcp(config.port, config.bind_addresses, factory)
        # Scripts wait for this line.
        for number in sorted(set(opened)):
            logger.info(
                "Synapse now listening on TCP port %d%s", number, " (TLS)" if config.tls else ""
            )
        return opened

    async def close(self) -> None:
        """Accept nobody any more, then wait for the requests that are running."""
        ports, self._ports = self._ports, []
        for port in ports:
            try:
                await port.stopListening()
            except OSError as error:
                # Somebody removed the Unix socket's file: no reason to stop stopping.
                logger.warning("While closing %s: %s", port, error)
        for site in self._sites:
            await site.stop()

    def _open_tcp(self, port: int, addresses: tuple[str, ...], factory: Any) -> list[int]:
        opened: list[int] = []
        failed: list[CannotListenError] = []
        # First ::, which takes IPv4 as well unless the system says otherwise.
        for address in sorted(addresses, key=lambda address: address != "::"):
            try:
                listening = self._reactor.listenTCP(port, factory, _BACKLOG, address)
            except CannotListenError as error:
                number = getattr(error.socketError, "errno", None)
                if address == "0.0.0.0" and "::" in addresses and opened:
                    logger.debug("Port %d on :: takes IPv4 too", port)
                elif ":" in address and number in _NO_SUCH_FAMILY:
                    logger.warning("Can't listen on [%s]:%d: no IPv6 here", address, port)
                    failed.append(error)
                else:
                    raise _listen_error(error) from None
            else:
                self._ports.append(listening)
                opened.append(listening.getHost().port)
        if not opened:
            raise _listen_error(failed[0])
        return opened

    def _open_unix(self, path: str, mode: int, site: HttpSite) -> None:
        try:
            # The lock file beside the socket tells a stale socket from one that is in use.
            port = self._reactor.listenUNIX(path, site, _BACKLOG, mode=mode, wantPID=True)
        except CannotListenError as error:
            raise ListenError(f"Can't listen on {path}: {error.socketError}") from None
        self._ports.append(port)
        logger.info("Synapse now listening on Unix socket %s", path)

    def _with_tls(self, site: HttpSite) -> Any:
        # Imported here: OpenSSL takes memory that a server behind a proxy need not pay for.
        from twisted.protocols.tls import TLSMemoryBIOFactory

        if self._tls is None:
            raise ListenError("A listener has tls: true, but there is no tls_certificate_path")
        factory: Any = site
        return TLSMemoryBIOFactory(self._tls, False, factory)


def _listen_error(error: CannotListenError) -> ListenError:
    return ListenError(
        f"Can't listen on port {error.port} of {error.interface or 'all addresses'}: "
        f"{error.socketError}"
    )
