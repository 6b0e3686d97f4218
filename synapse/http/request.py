"""`Request`: what a resource sees of an HTTP request. Most of it is worked out when asked."""

from collections.abc import Callable

from synapse.api.errors import BadJson
from synapse.http.json_body import JsonObject, JsonValue, parse_json
from synapse.http.query import Query


class Request:
    """One request, with its whole body."""

    __slots__ = (
        "_disconnect_callbacks",
        "_headers",
        "_json",
        "_query",
        "_query_text",
        "body",
        "cancelled_by_disconnect",
        "client_ip",
        "id",
        "method",
        "path",
        "requester_label",
        "secure",
        "server_stops",
        "target",
        "version",
    )

    def __init__(
        self,
        method: str,
        target: str,
        headers: dict[bytes, bytes],
        *,
        id: str = "",
        client_ip: str = "",
        body: bytes = b"",
        version: str = "1.1",
        secure: bool = False,
    ) -> None:
        """`headers` have lower-case names; `target` is the path and query as they were sent."""
        self.method = method
        self.target = target
        self.path, _, self._query_text = target.partition("?")
        self.id = id
        self.client_ip = client_ip
        self.body = body
        self.version = version
        # The client's connection is encrypted, also if only as far as the proxy.
        self.secure = secure
        # Set by authentication, for the access log.
        self.requester_label = ""
        self.cancelled_by_disconnect = False
        # Why a long poll was cancelled, if not because the client went away.
        self.server_stops = False
        self._headers = headers
        self._query: Query | None = None
        self._json: JsonValue = None
        self._disconnect_callbacks: list[Callable[[], None]] | None = None

    def header(self, name: str) -> str | None:
        """The header's value; several of one name are joined with commas."""
        value = self._headers.get(name.lower().encode("latin-1", "replace"))
        # What isn't UTF-8 must neither crash nor compare equal to anything that is.
        return None if value is None else value.decode("utf-8", "replace")

    @property
    def user_agent(self) -> str:
        return self.header("user-agent") or ""

    @property
    def query(self) -> Query:
        if self._query is None:
            self._query = Query(self._query_text)
        return self._query

    @property
    def json_value(self) -> JsonValue:
        """The body as any JSON value. Raises 400 `M_NOT_JSON`."""
        if self._json is None:
            self._json = parse_json(self.body)
        return self._json

    @property
    def json(self) -> JsonObject:
        """The body as a JSON object. Raises 400 `M_NOT_JSON` or `M_BAD_JSON`."""
        value = self.json_value
        if type(value) is not dict:
            raise BadJson("The body must be a JSON object")
        return JsonObject(value)

    @property
    def json_or_empty(self) -> JsonObject:
        """The same, where the specification lets clients leave the body out."""
        return self.json if self.body else JsonObject({})

    def cancel_on_disconnect(self) -> None:
        """Cancel what the handler waits for when the client goes away: for long polls.

        Without this, a handler runs to its end whether or not somebody waits for the answer.
        The same happens when the server stops, so that it need not wait for the poll's timeout.
        """
        self.cancelled_by_disconnect = True

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Call `callback` once if the client goes away before it has its answer."""
        if self._disconnect_callbacks is None:
            self._disconnect_callbacks = []
        self._disconnect_callbacks.append(callback)

    def disconnected(self) -> None:
        """The client has gone."""
        callbacks, self._disconnect_callbacks = self._disconnect_callbacks or (), None
        for callback in callbacks:
            callback()
