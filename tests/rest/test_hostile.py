"""Hostile input for every endpoint: never a 5xx, always JSON with an `errcode`."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from synapse.config.server_notices import ServerNoticesConfig
from synapse.http.resource import Resource
from tests.http.client import Answer
from tests.rest.hostile import BROKEN_BODIES, STRANGE_STRINGS, WRONG_VALUES
from tests.rest.rooms import RoomTestCase

METHODS = ("GET", "PUT", "POST", "DELETE")
# What ends the session that the test needs.
_FINAL = ("Logout", "LogoutAll", "Deactivate")
# Pages and the like, which answer without JSON.
_NOT_JSON = ("Welcome",)

STRANGE_PARTS = (
    "%00",
    "a%00b",
    "%2F",
    "a%2Fb",
    "x" * 10_000,
    "%F0%9F%92%A9" * 80,
    "",
    "%ff",
    "%ed%a0%80",
    "@:",
    "!",
    "$",
    "%23%3Atest",
    "%20",
    ".",
    "..",
    "%25%30%30",
    "%E2%80%AE",
)
STRANGE_VALUES = (
    "",
    "%00",
    "%ff",
    "x" * 2_000,
    "-1",
    "1e3",
    "9" * 30,
    "%F0%9F%92%A9",
    "true",
    "null",
    "[]",
    "{}",
    "%7B%22a",
    "%7B%22room%22%3A%5B%5D%7D",
    "%7B%22types%22%3A%5B%22%5Cu0000%22%5D%7D",
    "s",
    "s1_1",
    "s-1_0",
    "s999999999999999999_0",
    "t99999999999999999",
    "t-99999999999999999",
)
QUERIES = (
    "access_token",
    "since",
    "filter",
    "timeout",
    "full_state",
    "set_presence",
    "dir",
    "from",
    "to",
    "limit",
    "at",
    "membership",
    "not_membership",
    "kind",
    "username",
    "format",
    "max_depth",
    "suggested_only",
    "only",
    "via",
    "user_id",
    "userid",
    "alias",
    "ts",
    "org.matrix.msc4140.delay",
    "minimum_valid_until_ts",
)
# Of requests with a body.
BODY_QUERIES = (
    "access_token",
    "pos",
    "timeout",
    "set_presence",
    "before",
    "after",
    "kind",
    "server",
    "server_name",
    "via",
    "next_batch",
    "org.matrix.msc4140.delay",
)
# A body that each endpoint would take, so that each property can be put wrong.
BODIES: dict[str, dict[str, Any]] = {
    "Register": {"username": "u", "password": "p", "device_id": "D", "auth": {"type": "x"}},
    "AdminRegister": {"nonce": "n", "username": "u", "password": "p", "admin": True, "mac": "m"},
    "LoginResource": {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": "alice"},
        "password": "p",
        "device_id": "D",
        "initial_device_display_name": "n",
    },
    "Refresh": {"refresh_token": "r"},
    "Password": {"new_password": "p", "logout_devices": True, "auth": {"type": "x"}},
    "OneDevice": {"display_name": "n"},
    "DeleteDevices": {"devices": ["D"], "auth": {"type": "x"}},
    "UploadKeys": {
        "device_keys": {
            "user_id": "@alice:test",
            "device_id": "D",
            "algorithms": ["a"],
            "keys": {"ed25519:D": "k"},
            "signatures": {"@alice:test": {"ed25519:D": "s"}},
        },
        "one_time_keys": {"a:1": {"key": "k"}},
        "fallback_keys": {"a:1": {"key": "k", "fallback": True}},
    },
    "QueryKeys": {"device_keys": {"@alice:test": ["D"]}, "timeout": 1},
    "ClaimKeys": {"one_time_keys": {"@alice:test": {"D": "a"}}, "timeout": 1},
    "UploadCrossSigningKeys": {
        "master_key": {
            "user_id": "@alice:test",
            "usage": ["master"],
            "keys": {"ed25519:k": "k"},
            "signatures": {"@alice:test": {"ed25519:D": "s"}},
        },
        "auth": {"type": "x"},
    },
    "UploadSignatures": {"@alice:test": {"D": {"signatures": {"@alice:test": {"k": "s"}}}}},
    "UploadFilter": {
        "event_fields": ["type"],
        "event_format": "client",
        "account_data": {"limit": 1, "types": ["a"]},
        "room": {
            "rooms": ["!a:b"],
            "include_leave": True,
            "timeline": {"limit": 1, "types": ["a"], "lazy_load_members": True},
        },
    },
    "OnePushRule": {
        "actions": ["notify", {"set_tweak": "sound", "value": "default"}],
        "conditions": [
            {
                "kind": "event_match",
                "key": "type",
                "pattern": "m.*",
                "value": 1,
                "is": "2",
            }
        ],
        "pattern": "p",
    },
    "PushRuleEnabled": {"enabled": True},
    "PushRuleActions": {"actions": ["notify", {"set_tweak": "highlight"}]},
    "CreateRoom": {
        "visibility": "private",
        "preset": "private_chat",
        "room_version": "12",
        "room_alias_name": "name",
        "name": "n",
        "topic": "t",
        "invite": ["@bob:test"],
        "creation_content": {"type": "x", "additional_creators": ["@bob:test"]},
        "initial_state": [{"type": "a", "state_key": "", "content": {}}],
        "is_direct": True,
        "power_level_content_override": {
            "ban": 50,
            "users": {"@bob:test": 1},
            "events": {"m.room.name": 1},
        },
    },
    "UpgradeRoom": {"new_version": "12", "additional_creators": ["@bob:test"]},
    "JoinRoom": {"reason": "r", "third_party_signed": {"token": "t"}},
    "JoinRoomOrAlias": {"reason": "r"},
    "Knock": {"reason": "r"},
    "Invite": {"user_id": "@bob:test", "reason": "r"},
    "Leave": {"reason": "r"},
    "Kick": {
        "user_id": "@bob:test",
        "reason": "r",
        "org.matrix.msc4293.redact_events": True,
    },
    "Ban": {
        "user_id": "@carol:test",
        "reason": "r",
        "org.matrix.msc4293.redact_events": True,
    },
    "Unban": {"user_id": "@carol:test", "reason": "r"},
    "SendEvent": {
        "body": "b",
        "redacts": "$x",
        "m.relates_to": {"rel_type": "m.annotation", "event_id": "$x", "key": "k"},
    },
    "RedactEvent": {"reason": "r", "redacts": "$x", "with_rel_types": ["m.replace"]},
    "StateWithKey": {"membership": "join", "alias": "#a:test", "alt_aliases": ["#a:test"]},
    "StateWithoutKey": {"name": "n", "users": {"@a:b": 1}, "alias": "#a:test"},
    "RoomAlias": {"room_id": "!room:test"},
    "DirectoryVisibility": {"visibility": "public"},
    "SearchResource": {
        "search_categories": {
            "room_events": {
                "search_term": "hello",
                "keys": ["content.body"],
                "filter": {"limit": 1, "rooms": ["!a:b"], "senders": ["@a:b"]},
                "order_by": "recent",
                "event_context": {"before_limit": 1, "after_limit": 1, "include_profile": True},
                "include_state": True,
                "groupings": {"group_by": [{"key": "room_id"}]},
            }
        }
    },
    "UserDirectorySearch": {"search_term": "@bob:test", "limit": 5},
    "ProfileField": {"displayname": "n", "avatar_url": "mxc://a/b"},
    "PresenceStatus": {"presence": "online", "status_msg": "here"},
    "OneTag": {"order": 0.5},
    "ThreadSubscriptionResource": {"automatic": "$x"},
    "TypingResource": {"typing": True, "timeout": 1000},
    "ReceiptResource": {"thread_id": "main"},
    "ScheduleEvent": {"delay_ms": 1000, "state_key": "k", "content": {"name": "n"}},
    "OneDelayedEvent": {"action": "send"},
    "ReportEvent": {"reason": "r", "score": -100},
    "ReportRoom": {"reason": "r"},
    "ReportUser": {"reason": "r"},
    "KeysOfServers": {
        "server_keys": {"remote.example": {"ed25519:a": {"minimum_valid_until_ts": 1}}}
    },
    "SendServerNotice": {
        "user_id": "@alice:test",
        "content": {"body": "b"},
        "type": "m.room.message",
        "state_key": "k",
    },
    "SendServerNoticeOnce": {"user_id": "@alice:test", "content": {"body": "b"}},
    "SendToDevice": {"messages": {"@bob:test": {"D": {"a": "b"}}, "@x:elsewhere": {"*": {}}}},
    "ReadMarkersResource": {"m.fully_read": "$x", "m.read": "$x", "m.read.private": "$x"},
}


# What answers without a token.
OPEN_TO_ALL = {
    "Register",
    "RegisterAvailable",
    "AdminRegister",
    "LoginResource",
    "Refresh",
    "RoomAlias GET",
    "RoomSummary",
    "UnstableRoomSummary",
    "DirectoryVisibility GET",
    "Profile",
    "ProfileField GET",
    "Password",  # with an e-mail address, and UI auth in any case
    "Deactivate",
    "Versions",
    "ServerVersion",
    "WellKnownClient",
    "WellKnownServer",
    "WellKnownSupport",
    "PublishedKeys",
    "KeysOfServer",
    "KeysOfServers",
}


class EveryEndpointTestCase(RoomTestCase):
    """For tests that go through all endpoints."""

    async def arrange(self) -> None:
        notices = ServerNoticesConfig(system_mxid_localpart="notices")
        federation = replace(self.config.federation, federation_whitelist_endpoint_enabled=True)
        self.start(replace(self.config, server_notices=notices, federation=federation))
        # One who may try everything.
        self.token = await self.admin("alice")
        self.room_id = await self.create_public(self.token, room_alias_name="home")
        self.event_id = await self.send(self.token, self.room_id)
        self.values = {
            "room_id": self.room_id,
            "room_id_or_alias": self.room_id,
            "event_id": self.event_id,
            "user_id": "@alice:test",
            "room_alias": "%23home:test",
            "event_type": "m.room.topic",
            "state_key": "k",
            "txn_id": "t",
            "receipt_type": "m.read",
            "key_name": "displayname",
            "type": "org.example",
            "device_id": "D",
            "filter_id": "0",
            "protocol": "irc",
            "network_id": "irc",
            "delay_id": "d",
            "destination": "remote.example",
            "action": "restart",
            "kind": "override",
            "rule_id": "mine",
            "tag": "u.work",
            "rel_type": "m.thread",
            "server_name": "remote.example",
            "key_id": "ed25519:a",
        }

    def endpoints(self) -> Iterator[tuple[Resource, str]]:
        """Each resource with one of its paths."""
        for resource in self.resources():
            if type(resource).__name__ not in _NOT_JSON:
                yield resource, next((p for p in resource.PATHS if "/v3/" in p), resource.PATHS[0])

    def calls(self) -> Iterator[tuple[str, str, str]]:
        """(resource's name, method, pattern) of all that is served, without what ends sessions."""
        for resource, path in self.endpoints():
            name = type(resource).__name__
            for method in METHODS:
                if hasattr(resource, method.lower()) and name not in _FINAL:
                    yield name, method, path

    def path(self, pattern: str, **values: str) -> str:
        merged = {**self.values, **values}
        for name, value in merged.items():
            pattern = pattern.replace("{" + name + "}", value)
        self.assertNotIn("{", pattern)
        return pattern


class HostileTests(EveryEndpointTestCase):
    """Each test goes through all endpoints."""

    def check(self, answer: Answer, what: str) -> None:
        self.assertLess(answer.status, 500, f"{what}: {answer.status} {answer.body[:300]!r}")
        if answer.status >= 400:
            self.assertIsNotNone(answer.json, f"{what}: {answer}")
            is_ui_auth = answer.status == 401 and "flows" in answer.json
            self.assertTrue(is_ui_auth or answer.json.get("errcode"), f"{what}: {answer}")

    async def test_broken_bodies(self) -> None:
        await self.arrange()
        for name, method, pattern in self.calls():
            for label, body in BROKEN_BODIES.items():
                path = self.path(pattern)
                answer = await self.fetch(method, path, body=body, token=self.token)
                self.check(answer, f"{method} {path} with {label}")
                if name in BODIES and method in ("PUT", "POST") and label != "nothing":
                    self.assertIn(answer.status, (400, 413), f"{method} {path} with {label}")

    async def test_wrong_types_and_strange_strings(self) -> None:
        await self.arrange()
        for name, method, pattern in self.calls():
            if method not in ("PUT", "POST") or name not in BODIES:
                continue
            for label, body in _variations(BODIES[name]):
                answer = await self.fetch(method, self.path(pattern), body, token=self.token)
                self.check(answer, f"{method} {pattern} with {label}")
        await self.finish_background()

    async def test_strange_path_parts(self) -> None:
        await self.arrange()
        for name, method, pattern in self.calls():
            body = BODIES.get(name, {}) if method in ("PUT", "POST") else None
            for parameter in self.values:
                if "{" + parameter + "}" not in pattern:
                    continue
                for part in STRANGE_PARTS:
                    path = self.path(pattern, **{parameter: part})
                    answer = await self.fetch(method, path, body, token=self.token)
                    self.check(answer, f"{method} {path[:200]}")

    async def test_strange_query_values(self) -> None:
        await self.arrange()
        for name, method, pattern in self.calls():
            body = BODIES.get(name, {}) if method in ("PUT", "POST") else None
            for query in QUERIES if body is None else BODY_QUERIES:
                for value in STRANGE_VALUES:
                    more = "&dir=b" if query != "dir" else ""
                    path = f"{self.path(pattern)}?{query}={value}{more}"
                    if (
                        name in ("SyncResource", "Events")
                        and query == "timeout"
                        and value.isdigit()
                    ):
                        continue  # a client may wait
                    answer = await self.fetch(method, path, body, token=self.token)
                    if query == "server" and answer.status == 502:
                        self.assertEqual(answer.json["errcode"], "M_UNKNOWN")
                        continue  # there is no such server
                    self.check(answer, f"{method} {path[:200]}")

    async def test_wrong_tokens(self) -> None:
        await self.arrange()
        for _, method, pattern in self.calls():
            for header in (b"\xff\xfe", b"a\0b", b"x" * 5_000, b"", b"Bearer"):
                body = b"{}"
                head = (
                    f"{method} {self.path(pattern)} HTTP/1.1\r\nHost: test\r\n"
                    f"Content-Length: {len(body)}\r\nAuthorization: Bearer "
                ).encode()
                connection = self.site.connect()
                connection.send(head + header + b"\r\n\r\n" + body)
                self.check(await connection.answered(), f"{method} {pattern} {header[:20]!r}")

    async def test_wrong_methods(self) -> None:
        await self.arrange()
        for resource, pattern in self.endpoints():
            for method in METHODS:
                if not hasattr(resource, method.lower()):
                    answer = await self.fetch(method, self.path(pattern), {}, token=self.token)
                    self.assertEqual(
                        (answer.status, answer.json["errcode"]), (405, "M_UNRECOGNIZED")
                    )

    async def test_without_a_token(self) -> None:
        await self.arrange()
        for name, method, pattern in self.calls():
            if name in OPEN_TO_ALL or f"{name} {method}" in OPEN_TO_ALL:
                continue
            answer = await self.fetch(method, self.path(pattern), BODIES.get(name, {}))
            self.assertEqual(
                (answer.status, answer.json["errcode"]),
                (401, "M_MISSING_TOKEN"),
                f"{method} {pattern}",
            )

    async def test_state_of_every_type_with_strange_content(self) -> None:
        await self.arrange()
        strange: list[Any] = [
            *WRONG_VALUES,
            None,
            "a\0b",
            {"a\0b": "\0"},
            ["\0"],
            10**15,
            "x" * 999,
        ]
        for type, key, properties in _SPECIAL_STATE:
            path = f"/_matrix/client/v3/rooms/{self.room_id}/state/{type}/{quote(key)}"
            for name in properties:
                for value in strange:
                    content = {**properties, name: value}
                    answer = await self.fetch("PUT", path, content, token=self.token)
                    self.check(answer, f"PUT {path} {content}")


_SPECIAL_STATE: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "m.room.member",
        "@alice:test",
        {"membership": "join", "displayname": "a", "join_authorised_via_users_server": "@a:test"},
    ),
    (
        "m.room.member",
        "@carol:test",
        {
            "membership": "invite",
            "third_party_invite": {"signed": {"token": "t", "mxid": "@carol:test"}},
        },
    ),
    (
        "m.room.member",
        "@carol:test",
        {
            "membership": "invite",
            "third_party_invite": {
                "display_name": "c",
                "signed": {"token": "a\0b", "mxid": "@carol:test", "signatures": {}},
            },
        },
    ),
    ("m.room.join_rules", "", {"join_rule": "restricted", "allow": []}),
    ("m.room.history_visibility", "", {"history_visibility": "shared"}),
    ("m.room.guest_access", "", {"guest_access": "can_join"}),
    ("m.room.canonical_alias", "", {"alias": "#home:test", "alt_aliases": []}),
    ("m.room.name", "", {"name": "n"}),
    ("m.room.third_party_invite", "token", {"display_name": "n", "public_key": "k"}),
    ("m.room.tombstone", "", {"body": "b", "replacement_room": "!a:b"}),
    ("m.room.server_acl", "", {"allow": ["*"], "deny": [], "allow_ip_literals": False}),
    ("m.room.encryption", "", {"algorithm": "m.megolm.v1.aes-sha2"}),
    ("m.space.child", "!a:test", {"via": ["test"], "order": "a", "suggested": True}),
    (
        "m.room.power_levels",
        "",
        {
            "users": {"@bob:test": 1},
            "events": {"a": 1},
            "ban": 50,
            "users_default": 0,
            "notifications": {"room": 50},
        },
    ),
)


def _variations(good: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in good.items():
        yield f"no {key}", {k: v for k, v in good.items() if k != key}
        for wrong in (*WRONG_VALUES, None):
            yield f"{key} = {wrong!r}", {**good, key: wrong}
        if isinstance(value, str):
            for text in STRANGE_STRINGS:
                yield f"{key} = {text[:20]!r}", {**good, key: text}
        elif isinstance(value, dict):
            for label, inner in _variations(value):
                yield f"{key}.{label}", {**good, key: inner}
            yield f"{key} with a NUL", {**good, key: {**value, "a\0b": 1}}
        elif isinstance(value, list):
            for item in (*STRANGE_STRINGS, *WRONG_VALUES):
                yield f"{key} = [{str(item)[:20]!r}]", {**good, key: [item]}
            if value and isinstance(value[0], dict):
                for label, inner in _variations(value[0]):
                    yield f"{key}[0].{label}", {**good, key: [inner]}
