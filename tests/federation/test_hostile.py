"""Hostile input for every endpoint of the server-server API: never a 5xx, always an `errcode`."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from synapse.app.resources.answering import answering_resources, openid_resources
from synapse.app.resources.federation import federation_resources
from synapse.federation.authentication import authorization
from synapse.http.resource import Resource
from synapse.util import canonicaljson
from tests.federation.shared_rooms import ALICE, ONE, THIRD, SharedRoomTestCase, key_of
from tests.http.client import Answer
from tests.rest.hostile import BROKEN_BODIES, STRANGE_STRINGS, WRONG_VALUES
from tests.rest.test_hostile import STRANGE_PARTS, STRANGE_VALUES

METHODS = ("GET", "PUT", "POST", "DELETE")
# Need no signature.
OPEN = ("FederationVersion", "OpenIdUserInfo")
QUERIES = (
    "event_id",
    "v",
    "limit",
    "ts",
    "dir",
    "user_id",
    "field",
    "room_alias",
    "since",
    "suggested_only",
    "access_token",
    "include_all_networks",
    "third_party_instance_id",
)
BODIES: dict[str, dict[str, Any]] = {
    "SendTransaction": {"origin": THIRD, "origin_server_ts": 1, "pdus": [], "edus": []},
    "TellMissingEvents": {
        "earliest_events": ["$a"],
        "latest_events": ["$b"],
        "limit": 5,
        "min_depth": 1,
    },
    "TellKeys": {"device_keys": {ALICE: ["D"]}},
    "TellOneTimeKeys": {"one_time_keys": {ALICE: {"D": "signed_curve25519"}}},
    "TellPublicRooms": {
        "limit": 1,
        "since": "f1_1",
        "filter": {"generic_search_term": "x", "room_types": ["m.space"]},
        "include_all_networks": False,
        "third_party_instance_id": "irc",
    },
}


class HostileTests(SharedRoomTestCase):
    """Each test goes through all endpoints, with requests that are signed as they should be."""

    async def arrange(self, version: str = "12", **body: Any) -> None:
        await super().arrange(version, **body)
        config = self.one.config
        rooms = replace(config.rooms, allow_public_rooms_over_federation=True)
        self.one.config = replace(config, rooms=rooms)
        self.values = {
            "event_id": quote(await self.say("hello")),
            "room_id": quote(self.room_id),
            "user_id": quote(ALICE),
            "query_type": "else",
            "txn_id": "t",
        }

    def endpoints(self) -> list[Resource]:
        return [
            *federation_resources(self.one.federation),
            *answering_resources(self.one),
            *openid_resources(self.one),
        ]

    def calls(self) -> Iterator[tuple[str, str, str]]:
        """(resource's name, method, pattern)"""
        for resource in self.endpoints():
            for method in METHODS:
                if hasattr(resource, method.lower()):
                    yield type(resource).__name__, method, resource.PATHS[0]

    def path(self, pattern: str, **values: str) -> str:
        for name, value in {**self.values, **values}.items():
            pattern = pattern.replace("{" + name + "}", value)
        self.assertNotIn("{", pattern)
        return pattern

    async def signed(self, method: str, target: str, body: Any = None) -> Answer:
        content = None if body is None else canonicaljson.encode_lax(body)
        header = authorization(
            key_of(THIRD),
            method=method,
            uri=target,
            origin=THIRD,
            destination=ONE,
            content=content,
        )
        site = self.network.sites[ONE]
        return await site.fetch(method, target, body=content, headers={"Authorization": header})

    def check(self, answer: Answer, what: str) -> None:
        self.assertLess(answer.status, 500, f"{what}: {answer.status} {answer.body[:300]!r}")
        if answer.status >= 400:
            self.assertTrue((answer.json or {}).get("errcode"), f"{what}: {answer}")

    async def test_strange_path_parts(self) -> None:
        await self.arrange()
        for name, method, pattern in self.calls():
            body = BODIES.get(name) if method != "GET" else None
            for parameter in self.values:
                if "{" + parameter + "}" not in pattern:
                    continue
                for part in STRANGE_PARTS:
                    target = self.path(pattern, **{parameter: part})
                    self.check(await self.signed(method, target, body), f"{method} {target[:200]}")

    async def test_strange_queries(self) -> None:
        await self.arrange()
        for _, method, pattern in self.calls():
            if method != "GET":
                continue
            for query in QUERIES:
                for value in (*STRANGE_VALUES, "%00", "a%00b", "%24a%00", "%F0%9F%92%A9" * 99):
                    more = "".join(
                        f"&{name}={good}"
                        for name, good in (("limit", "5"), ("dir", "b"), ("ts", "1"))
                        if name != query
                    )
                    target = f"{self.path(pattern)}?{query}={value}{more}"
                    self.check(await self.signed(method, target), target[:200])

    async def test_strange_bodies(self) -> None:
        await self.arrange()
        for name, method, pattern in self.calls():
            if method == "GET":
                continue
            for label, body in _variations(BODIES[name]):
                answer = await self.signed(method, self.path(pattern), body)
                self.check(answer, f"{name} with {label}")
        await self.one.background.finish()

    async def test_broken_bodies(self) -> None:
        await self.arrange()
        site = self.network.sites[ONE]
        for name, method, pattern in self.calls():
            for label, body in BROKEN_BODIES.items():
                header = authorization(
                    key_of(THIRD),
                    method=method,
                    uri=self.path(pattern),
                    origin=THIRD,
                    destination=ONE,
                    content=body,
                )
                answer = await site.fetch(
                    method, self.path(pattern), body=body, headers={"Authorization": header}
                )
                self.check(answer, f"{name} with {label}")

    async def test_without_a_signature(self) -> None:
        await self.arrange()
        for name, method, pattern in self.calls():
            if name in OPEN:
                continue
            body = BODIES.get(name) if method != "GET" else None
            self.assertNotEqual((await self.signed(method, self.path(pattern), body)).status, 401)
            for header in ("", "X-Matrix", "Bearer x", 'X-Matrix origin=a,key="b",sig="c"'):
                answer = await self.network.sites[ONE].fetch(
                    method, self.path(pattern), body, headers={"Authorization": header}
                )
                self.assertEqual(
                    (answer.status, answer.json["errcode"]), (401, "M_UNAUTHORIZED"), name
                )

    async def test_wrong_methods(self) -> None:
        await self.arrange()
        for resource in self.endpoints():
            for method in METHODS:
                if not hasattr(resource, method.lower()):
                    answer = await self.signed(method, self.path(resource.PATHS[0]), {})
                    self.assertEqual(
                        (answer.status, answer.json["errcode"]), (405, "M_UNRECOGNIZED")
                    )


def _variations(good: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in good.items():
        for wrong in (*WRONG_VALUES, None, -1, 2**63 - 1, 10**30):
            yield f"{key} = {wrong!r}", {**good, key: wrong}
        for text in STRANGE_STRINGS:
            yield f"{key} = {text[:20]!r}", {**good, key: text}
            yield f"{key} = [{text[:20]!r}]", {**good, key: [text]}
            yield f"{key} = {{{text[:20]!r}}}", {**good, key: {text: text}}
        yield f"no {key}", {name: member for name, member in good.items() if name != key}
        if isinstance(value, dict):
            for label, changed in _variations(value):
                yield f"{key}.{label}", {**good, key: changed}
