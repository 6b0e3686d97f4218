"""Uses a server that `tests.sizes.fill` has filled, and prints what that costs.

python -m tests.sizes.drive DIRECTORY
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.interop.server import ServerProcess
from tests.sizes.database import database_config
from tests.sizes.fill import CROWD, SPACE, TOKENS
from tests.sizes.probe import Client, Cost, Probe

V3, V1 = "/_matrix/client/v3", "/_matrix/client/v1"
SLIDING = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?timeout=0"
LAZY = quote('{"room": {"state": {"lazy_load_members": true}}}')
_HEADER = "operation", "ms", "CPU ms", "longest wait ms", "kB", "peak MB", "grown MB"
_TIMES = 3


class Driver:
    """Owner is the user in all rooms; the other is in the crowded one and one or two besides."""

    def __init__(self, directory: Path) -> None:
        self._server = ServerProcess(str(directory), database=database_config(create=False))
        self._owner, self._other, *self._rest = json.loads((directory / TOKENS).read_text())
        self._count = 0

    def drive(self) -> None:
        self._row(*_HEADER)
        self._start()
        try:
            self._crowd = self._find(CROWD)
            self._space = self._find(SPACE)
            self._syncs()
            self._sliding()
            self._writes()
            self._reads()
            self._finds()
        finally:
            self._server.stop()
        self._start()
        self._server.stop()

    def _start(self) -> None:
        started = time.perf_counter()
        pid = self._server.start()
        self._row("start", f"{(time.perf_counter() - started) * 1000:.0f}")
        self._probe = Probe(self._server.url, pid)
        self._client = Client(self._server.url)
        self._row("memory", "", "", "", "", f"{self._probe.memory_mb():.0f}")

    def _find(self, alias: str) -> str:
        cost = self._do("alias", "GET", f"{V3}/directory/room/{quote(alias)}")
        return str(cost.json["room_id"])

    def _syncs(self) -> None:
        first = self._do("first sync, 10,000 rooms", "GET", f"{V3}/sync", token=self._owner)
        rooms = f"{len(first.json['rooms']['join'])} rooms"
        self._do(f"... again, {rooms}", "GET", f"{V3}/sync", token=self._owner)
        lazy = f"{V3}/sync?filter={LAZY}"
        since = self._do("... lazy members", "GET", lazy, token=self._owner).json["next_batch"]
        self._do("first sync, other, lazy", "GET", lazy, token=self._other)
        later = f"{lazy}&since={since}"
        self._repeat("sync without news", "GET", later, token=self._owner)
        self._send(self._crowd)
        cost = self._do("sync with a message", "GET", later, token=self._owner)
        since = cost.json["next_batch"]
        path = f"{V3}/sync?since={since}&full_state=true&filter={LAZY}"
        self._do("sync, full_state", "GET", path, token=self._owner)

    def _sliding(self) -> None:
        state = [["m.room.name", ""], ["m.room.member", "$LAZY"]]
        lists = {"all": {"ranges": [[0, 19]], "timeline_limit": 5, "required_state": state}}
        body = {"lists": lists, "extensions": {"receipts": {"enabled": True}}}
        pos = self._do("sliding sync, first", "POST", SLIDING, body, self._owner).json["pos"]
        path = f"{SLIDING}&pos={pos}"
        pos = self._do("... without news", "POST", path, body, self._owner).json["pos"]
        self._send(self._crowd)
        self._do("... with a message", "POST", f"{SLIDING}&pos={pos}", body, self._owner)

    def _writes(self) -> None:
        room = f"{V3}/rooms/{quote(self._crowd)}"
        for _ in range(_TIMES):
            event_id = self._send(self._crowd, "send")
        receipt = f"{room}/receipt/m.read/{quote(event_id)}"
        self._repeat("receipt", "POST", receipt, {}, self._other)
        typing = {"typing": True, "timeout": 1000}
        self._repeat("typing", "PUT", f"{room}/typing/%40u1%3Atest", typing, self._other)
        for token in self._rest[:_TIMES]:
            self._do("leave", "POST", f"{room}/leave", {}, token)
            self._do("join", "POST", f"{V3}/join/{quote(self._crowd)}", {}, token)
        self._do("redaction", "PUT", f"{room}/redact/{quote(event_id)}/{time.time()}", {})
        levels = f"{room}/state/m.room.power_levels"
        content = self._do("power levels", "GET", levels).json
        content["users"]["@u1:test"] = 50 + int(time.time()) % 50
        self._do("power levels changed", "PUT", levels, content)
        self._do("name changed", "PUT", f"{room}/state/m.room.name", {"name": f"{time.time()}"})
        self._do(
            "displayname",
            "PUT",
            f"{V3}/profile/%40u2%3Atest/displayname",
            {"displayname": f"{time.time()}"},
            self._rest[0],
        )

    def _reads(self) -> None:
        room, token = f"{V3}/rooms/{quote(self._crowd)}", self._other
        self._do("/members", "GET", f"{room}/members", token=token)
        self._do("/members, membership=leave", "GET", f"{room}/members?membership=leave")
        self._do("/joined_members", "GET", f"{room}/joined_members", token=token)
        self._do("/state", "GET", f"{room}/state", token=token)
        page = self._repeat("/messages", "GET", f"{room}/messages?dir=b&limit=100", token=token)
        path = f"{room}/messages?dir=b&limit=100&from={page.json['end']}"
        older = self._do("/messages, older", "GET", path, token=token)
        first = self._do("/messages, oldest", "GET", f"{room}/messages?dir=f&limit=100")
        for name, events in (("new", older.json["chunk"]), ("old", first.json["chunk"])):
            event_id = quote(events[-1]["event_id"])
            self._do(f"/context, {name}", "GET", f"{room}/context/{event_id}", token=token)
            self._do(f"/event, {name}", "GET", f"{room}/event/{event_id}", token=token)
        ts = events[0]["origin_server_ts"] + 1
        self._do(
            "/timestamp_to_event",
            "GET",
            f"{V1}/rooms/{quote(self._crowd)}/timestamp_to_event?ts={ts}&dir=f",
        )
        self._do("/joined_rooms", "GET", f"{V3}/joined_rooms")
        self._do("/notifications", "GET", f"{V3}/notifications")

    def _finds(self) -> None:
        body = self._text
        words = body.split()
        for order in ("recent", "rank"):
            for user, token in (("owner", self._owner), ("other", self._other)):
                for what, term in (("word", words[0]), ("part", words[1][1:])):
                    wish = {"search_term": term, "order_by": order}
                    path, body_ = f"{V3}/search", {"search_categories": {"room_events": wish}}
                    self._do(f"/search {what} {order} {user}", "POST", path, body_, token)
        self._do("/publicRooms", "POST", f"{V3}/publicRooms", {"limit": 50})
        nothing = {"filter": {"generic_search_term": "nothing"}}
        self._do("/publicRooms, searched", "POST", f"{V3}/publicRooms", nothing)
        for term in ("u77", words[2][:2]):
            wish = {"search_term": term}
            self._do("/user_directory/search", "POST", f"{V3}/user_directory/search", wish)
        self._do("/hierarchy", "GET", f"{V1}/rooms/{quote(self._space)}/hierarchy?limit=50")
        self._do("/capabilities", "GET", f"{V3}/capabilities")

    def _send(self, room_id: str, name: str = "a message") -> str:
        path = f"{V3}/rooms/{quote(room_id)}/send/m.room.message/{time.time()}"
        self._text = "rear wonderful things"
        cost = self._do(name, "PUT", path, {"msgtype": "m.text", "body": self._text})
        return str(cost.json["event_id"])

    def _repeat(self, *args: Any, **kwargs: Any) -> Cost:
        for _ in range(_TIMES):
            cost = self._do(*args, **kwargs)
        return cost

    def _do(
        self, name: str, method: str, path: str, body: Any = None, token: str | None = None
    ) -> Cost:
        cost = self._probe.measure(
            lambda: self._client.call(method, path, body, token or self._owner)
        )
        if cost.status != 200:
            name += f" ({cost.status}: {cost.answer[:80]!r})"
        numbers = (cost.wall_ms, cost.cpu_ms, cost.longest_wait_ms, len(cost.answer) / 1000)
        memory = (f"{cost.peak_mb:.0f}", f"{cost.grown_mb:.0f}")
        self._row(name, *(f"{number:.1f}" for number in numbers), *memory)
        return cost

    def _row(self, name: str, *columns: str) -> None:
        sys.stdout.write(f"{name:34}" + "".join(f"{column:>16}" for column in columns) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    Driver(parser.parse_args().directory.resolve()).drive()
