"""Makes a user on each of the demo's homeservers, and a room that all three share.

    venv/bin/python demo/shared_room.py

Each user says something, and each server is asked for what it has of the room.
"""

import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

PORTS = {"alice": 8080, "bob": 8081, "carol": 8082}
_PATIENCE_S = 30


def main() -> None:
    stamp = int(time.time())
    tokens = {name: register(name, f"{name}{stamp}") for name in PORTS}
    wish = {"preset": "public_chat", "name": "The demo's room"}
    room = call("alice", "POST", "/createRoom", wish, tokens["alice"])["room_id"]
    for name in ("bob", "carol"):
        path = f"/join/{quote(room)}?via=localhost:{PORTS['alice'] + 400}"
        call(name, "POST", path, {}, tokens[name])
    for name, token in tokens.items():
        path = f"/rooms/{quote(room)}/send/m.room.message/{stamp}"
        call(name, "PUT", path, {"msgtype": "m.text", "body": f"{name} says hello"}, token)
    expected = {f"{name} says hello" for name in PORTS}
    for name, token in tokens.items():
        seen = wait_for(name, room, token, expected)
        print(f"localhost:{PORTS[name] + 400} has of {room}:")
        for sender, body in seen:
            print(f"    {sender}: {body}")


def register(name: str, username: str) -> str:
    """A new account's access token."""
    body = {"username": username, "password": "demo", "auth": {"type": "m.login.dummy"}}
    return str(call(name, "POST", "/register", body)["access_token"])


def wait_for(name: str, room: str, token: str, expected: set[str]) -> list[tuple[str, str]]:
    """What was said in the room, as a server has it once it has all of it."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        path = f"/rooms/{quote(room)}/messages?dir=b&limit=20"
        page = call(name, "GET", path, None, token)["chunk"]
        said = [
            (e["sender"], e["content"]["body"]) for e in reversed(page) if "body" in e["content"]
        ]
        if expected <= {body for _, body in said}:
            return said
        if time.monotonic() > end:
            sys.exit(f"{name}'s server has only {said} after {_PATIENCE_S} seconds")
        time.sleep(0.2)


def call(name: str, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
    """One request of the client API. Exits if it fails."""
    request = urllib.request.Request(
        f"http://localhost:{PORTS[name]}/_matrix/client/v3{path}",
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={} if token is None else {"Authorization": f"Bearer {token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path} of {name}: {error.code} {error.read().decode()}")
    except OSError as error:
        sys.exit(f"{name}'s server doesn't answer ({error}). Is the demo running? demo/start.sh")


if __name__ == "__main__":
    main()
