"""A server of ours and a real Synapse that trust each other's certificates, and people on both."""

import atexit
import shutil
import time
import traceback
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any, TypeVar
from unittest import TestCase
from urllib.parse import quote, urlencode

from synapse.config.certificates import new_private_key, self_signed
from tests.interop.gate import Gate
from tests.interop.server import ServerProcess, free_port, temporary_directory
from tests.interop.synapse_package import SynapseProcess

T = TypeVar("T")
V3 = "/_matrix/client/v3"
_PATIENCE_S = 15
_RETRIES = {
    "destination_min_retry_interval": "1s",
    "destination_retry_multiplier": 1,
    "destination_max_retry_interval": "1s",
    "max_short_retries": 0,
    "max_long_retries": 0,
}


class FederatingTestCase(TestCase):
    """`self.ours` and `self.theirs` run, alice is on ours and bob on theirs."""

    maxDiff = None

    def setUp(self) -> None:
        pair = running_pair()
        self.ours, self.theirs = pair.ours, pair.theirs
        self.alice, self.bob = pair.alice, pair.bob
        self.gates = pair.gates

    def newcomers(self) -> list["Person"]:
        """One more person on each server."""
        stamp = time.time_ns()
        return [Person(self.ours, f"a{stamp}"), Person(self.theirs, f"b{stamp}")]


Scenario = Callable[[Any, str, "Person", "Person"], None]


def in_versions(*versions: str) -> Callable[[Scenario], Callable[[Any], None]]:
    """A test for each of these room versions, and for rooms of both servers.

    It is told the version, who makes the room, and who comes to it from the other server.
    """

    def decorate(scenario: Scenario) -> Callable[[Any], None]:
        @wraps(scenario)
        def test(case: FederatingTestCase) -> None:
            failures = ""
            for version in versions:
                for people in ((case.alice, case.bob), (case.bob, case.alice)):
                    try:
                        scenario(case, version, *people)
                    except Exception:
                        place = f"version {version}, a room of {people[0].id}"
                        failures += f"\n{place}:\n{traceback.format_exc()}"
            if failures:
                case.fail(failures)

        # Else its signature were that of the scenario.
        del test.__wrapped__
        return test

    return decorate


class Pair:
    """Both servers, each behind a gate."""

    def __init__(self, directory: str) -> None:
        self.certificate = Path(directory, "certificate.pem")
        self.key = Path(directory, "key.pem")
        self.key.write_text(new_private_key())
        self.certificate.write_text(self_signed("localhost", self.key.read_text()))
        servers = []
        self.gates = []
        for kind in (ServerProcess, SynapseProcess):
            place = Path(directory, kind.__name__)
            place.mkdir()
            port = free_port()
            server = kind(str(place), server_name=f"localhost:{port}")
            self.gates.append(Gate(port, federate(server, self.certificate, self.key)))
            servers.append(server)
        self.ours, self.theirs = servers

    def start(self) -> None:
        for gate in self.gates:
            gate.open()
        for server in (self.theirs, self.ours):
            server.launch()
        for server in (self.ours, self.theirs):
            server.wait_until_ready()
        self.alice = Person(self.ours, "alice")
        self.bob = Person(self.theirs, "bob")

    def stop(self) -> None:
        for server in (self.ours, self.theirs):
            server.kill()
        for gate in self.gates:
            gate.close()


@cache
def running_pair() -> Pair:
    """The only one of this process, as a start takes seconds. It ends with the process."""
    directory = temporary_directory()
    atexit.register(shutil.rmtree, directory)
    pair = Pair(directory)
    atexit.register(pair.stop)
    pair.start()
    return pair


def federate(server: ServerProcess, certificate: Path, key: Path) -> int:
    """Let it talk with others over TLS: the port of its own that it listens on."""
    port = free_port()
    listener = {
        "type": "http",
        "tls": True,
        "port": port,
        "bind_addresses": ["127.0.0.1"],
        "resources": [{"names": ["federation"]}],
    }
    server.configure(
        listeners=[*server.listeners, listener],
        tls_certificate_path=str(certificate),
        tls_private_key_path=str(key),
        federation_custom_ca_list=[str(certificate)],
        ip_range_blacklist=[],
        trusted_key_servers=[],
        allow_public_rooms_over_federation=True,
        room_list_publication_rules=[{"action": "allow"}],
        federation=_RETRIES,
        # Synapse answers whole syncs from memory for two minutes otherwise.
        caches={"sync_response_cache_duration": "0s"},
    )
    return port


class Person:
    """A user of one of the servers."""

    def __init__(self, server: ServerProcess, name: str) -> None:
        self.server = server
        self.token = server.register(name)
        self.id = f"@{name}:{server.server_name}"
        self._sent = 0

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """What a request below `/_matrix/client/v3` is answered, which must be 200."""
        status, answer = self.answer(method, path, body, **query)
        assert status == 200, f"{self.id}: {method} {path}: {status} {answer}"
        return answer

    def refused(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, str]:
        """Status and `errcode` of a request that fails."""
        status, answer = self.answer(method, path, body, **query)
        assert status >= 400, f"{self.id}: {method} {path}: {status} {answer}"
        return status, answer["errcode"]

    def answer(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        full = path if path.startswith("/_matrix/") else V3 + path
        if query:
            full += "?" + urlencode(query)
        return self.server.call(method, full, body, self.token)

    def create(self, version: str, **wish: Any) -> str:
        """A new room's id; everybody may join unless the wish says otherwise."""
        body = {"preset": "public_chat", "room_version": version, **wish}
        return str(self.ask("POST", "/createRoom", body)["room_id"])

    def join(self, room_id: str, via: "Person | None" = None) -> None:
        query = {} if via is None else {"via": via.server.server_name}
        self.ask("POST", f"/join/{quote(room_id, safe='')}", {}, **query)

    def move(self, action: str, room_id: str, other: "Person | None" = None) -> None:
        """Leave; or invite, kick, ban, unban another."""
        self.ask("POST", room_path(room_id, action), {} if other is None else {"user_id": other.id})

    def send(self, room_id: str, event_type: str, content: dict[str, Any]) -> str:
        self._sent += 1
        path = room_path(room_id, "send", event_type, f"{time.time_ns()}.{self._sent}")
        return str(self.ask("PUT", path, content)["event_id"])

    def say(self, room_id: str, body: str, **more: Any) -> str:
        """A message's event id."""
        return self.send(room_id, "m.room.message", {"msgtype": "m.text", "body": body, **more})

    def set(self, room_id: str, event_type: str, content: Any, state_key: str = "") -> str:
        path = room_path(room_id, "state", event_type, state_key)
        return str(self.ask("PUT", path, content)["event_id"])

    def state(self, room_id: str, event_type: str, state_key: str = "") -> Any:
        """The content, or None."""
        status, answer = self.answer("GET", room_path(room_id, "state", event_type, state_key))
        return answer if status == 200 else None

    def whole_state(self, room_id: str) -> dict[tuple[str, str], str]:
        """The ids of the state's events."""
        events = self.ask("GET", room_path(room_id, "state"))
        return {(event["type"], event["state_key"]): event["event_id"] for event in events}

    def membership(self, room_id: str, person: "Person") -> str | None:
        content = self.state(room_id, "m.room.member", person.id)
        return None if content is None else str(content["membership"])

    def event(self, room_id: str, event_id: str) -> Any:
        """An event, or None."""
        status, answer = self.answer("GET", room_path(room_id, "event", event_id))
        return answer if status == 200 else None

    def heard(self, room_id: str) -> list[str]:
        """The bodies of the newest messages, from the oldest to the newest."""
        page = self.ask("GET", room_path(room_id, "messages"), dir="b", limit=100)
        return [e["content"]["body"] for e in reversed(page["chunk"]) if "body" in e["content"]]

    def sync(self, since: str | None = None, timeout_ms: int = 0) -> Any:
        query = {} if since is None else {"since": since}
        return self.ask("GET", "/sync", timeout=timeout_ms, **query)

    def until_synced(self, found: Callable[[Any], T], since: str | None = None) -> T:
        """What is found at last in an answer of `/sync`, waiting for news."""
        end = time.monotonic() + _PATIENCE_S
        while True:
            answer = self.sync(since, 5_000)
            result = found(answer)
            if result:
                return result
            if time.monotonic() > end:
                raise AssertionError(f"{self.id} doesn't see it; the last answer: {answer}")
            since = answer["next_batch"]


def room_path(room_id: str, *parts: str) -> str:
    """A path of the client API below a room."""
    return "/rooms/" + "/".join(quote(part, safe="") for part in (room_id, *parts))


def wait_for(found: Callable[[], T], what: str = "") -> T:
    """The first true value that a look brings."""
    end = time.monotonic() + _PATIENCE_S
    while not (value := found()):
        if time.monotonic() > end:
            raise AssertionError(f"In vain: {what} {value!r}")
        time.sleep(0.05)
    return value


def wait_to_see(look: Callable[[], object], expected: object) -> None:
    """Look until it is what is expected."""
    end = time.monotonic() + _PATIENCE_S
    while (value := look()) != expected:
        if time.monotonic() > end:
            raise AssertionError(f"{value!r} instead of {expected!r}")
        time.sleep(0.05)
