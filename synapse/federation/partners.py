"""Which servers we talk with."""

from collections.abc import Collection

from synapse.api.identifiers import is_server_name


class Partners:
    """Judges servers by their names, in both directions."""

    def __init__(
        self,
        own_name: str,
        *,
        allowed: Collection[str] | None = None,
        denied: Collection[str] = (),
    ) -> None:
        """`allowed`: only these, if given. The names are taken as a whole, with their ports."""
        self._own_name = own_name
        self._allowed = None if allowed is None else {name.lower() for name in allowed}
        self._denied = {name.lower() for name in denied}

    def refusal(self, name: str) -> str | None:
        """Why we don't talk with a server; `None` if we do."""
        if not is_server_name(name):
            return f"{name[:255]!r} is not a server's name"
        if name == self._own_name:
            return f"{name} is this server"
        if name.lower() in self._denied:
            return f"{name} is in federation_domain_blacklist"
        if self._allowed is not None and name.lower() not in self._allowed:
            return f"{name} is not in federation_domain_whitelist"
        return None
