"""Server name → where to connect to, in the order in which to try."""

from synapse.http.discovery.addresses import (
    ServerAddress,
    addresses_of,
    direct_address,
    parse_server_name,
)
from synapse.http.discovery.srv import SrvTargets
from synapse.http.discovery.well_known import WellKnown


class Discovery:
    """Resolves server names as the specification says."""

    def __init__(self, well_known: WellKnown, srv: SrvTargets) -> None:
        self._well_known = well_known
        self._srv = srv

    async def addresses(self, server_name: str) -> tuple[ServerAddress, ...]:
        """At least one. `server_name` is one by its grammar. Raises `RequestFailed` (DNS)."""
        name = parse_server_name(server_name)
        direct = direct_address(name)
        if direct is not None:
            return (direct,)
        delegate = await self._well_known.delegate_of(name.host)
        if delegate is not None:
            name = parse_server_name(delegate)
            direct = direct_address(name)
            if direct is not None:
                return (direct,)
        return addresses_of(name, await self._srv.targets(name.host))
