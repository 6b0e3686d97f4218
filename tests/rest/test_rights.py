"""Who may do what: each endpoint of rooms and of users' own data, for each kind of stranger.

`test_every_endpoint_has_its_row` sees to it that nothing is served that stands in no table.
"""

from typing import Any

from synapse.app.resources.listeners import client_resources
from synapse.http.routing import Router
from tests.rest.rooms import V3, RoomTestCase, ids, room_path
from tests.rest.test_hostile import BODIES, OPEN_TO_ALL, EveryEndpointTestCase

# Needs no access token: what it answers is for everybody, or for who knows a secret.
OPEN_ADMIN_API = ("/_synapse/admin/v1/register", "/_synapse/admin/v1/server_version")
ALICE, BOB = "@alice:test", "@bob:test"
_MESSAGE = {"body": "x"}
_DELAYED = {"delay_ms": 1000, "content": {}}
_V1 = "/_matrix/client/v1"
_UNSTABLE = "/_matrix/client/unstable"
# Rooms' endpoints that are not below v3.
_PREFIXES = {
    "/relations": _V1,
    "/threads": _V1,
    "/timestamp_to_event": _V1,
    "/hierarchy": _V1,
    "/delayed_event": f"{_UNSTABLE}/org.matrix.msc4140",
    "/thread/": f"{_UNSTABLE}/io.element.msc4306",
}

# method, path below the room, body; then the status for: who was never in the room, who is
# invited, who has left, who is banned, a guest who was never there, a guest inside, a member
# without power
ROOM_RIGHTS: list[tuple[Any, ...]] = [
    ("GET", "/state", None, 403, 403, 200, 200, 403, 200, 200),
    ("GET", "/state/m.room.create", None, 403, 403, 200, 200, 403, 200, 200),
    ("GET", "/state/m.room.member/SELF", None, 403, 403, 200, 200, 403, 200, 200),
    ("GET", "/members", None, 403, 403, 200, 200, 403, 200, 200),
    ("GET", "/joined_members", None, 403, 403, 403, 403, 403, 200, 200),
    ("GET", "/messages?dir=b", None, 403, 403, 200, 200, 403, 200, 200),
    ("GET", "/event/EARLY", None, 404, 404, 200, 200, 404, 200, 200),
    ("GET", "/event/LATE", None, 404, 404, 404, 404, 404, 200, 200),
    ("GET", "/context/EARLY", None, 403, 403, 200, 200, 403, 200, 200),
    ("GET", "/context/LATE", None, 403, 403, 404, 404, 403, 200, 200),
    ("GET", "/timestamp_to_event?ts=0&dir=f", None, 403, 403, 200, 200, 403, 200, 200),
    ("GET", "/initialSync", None, 403, 403, 200, 200, 403, 200, 200),
    ("POST", "/report/EARLY", {}, 404, 404, 404, 404, 403, 403, 200),
    ("GET", "/relations/EARLY", None, 404, 404, 200, 200, 404, 200, 200),
    ("GET", "/relations/LATE", None, 404, 404, 404, 404, 404, 200, 200),
    ("GET", "/relations/LATE/m.thread/m.room.message", None, *[404] * 5, 200, 200),
    ("GET", "/threads", None, 403, 403, 200, 200, 403, 200, 200),
    ("GET", "/aliases", None, 403, 403, 403, 403, 403, 200, 200),
    ("PUT", "/send/m.room.message/t", _MESSAGE, 403, 403, 403, 403, 403, 200, 200),
    ("PUT", "/delayed_event/m.room.message/t", _DELAYED, 403, 403, 403, 403, 403, 200, 200),
    ("PUT", "/state/x/SELF", {}, 403, 403, 403, 403, 403, 200, 200),
    ("PUT", "/state/x/@alice:test", {}, *[403] * 7),
    ("PUT", "/state/m.room.name", {}, *[403] * 7),
    ("PUT", "/state/m.room.create", {}, *[403] * 7),
    ("PUT", "/state/m.room.power_levels", {"users": {}}, *[403] * 7),
    ("PUT", "/state/m.room.member/@alice:test", {"membership": "leave"}, *[403] * 7),
    ("PUT", "/redact/EARLY/t", {}, *[403] * 7),
    ("POST", "/invite", {"user_id": "@dave:test"}, *[403] * 7),
    ("POST", "/kick", {"user_id": ALICE}, *[403] * 7),
    ("POST", "/ban", {"user_id": ALICE}, *[403] * 7),
    ("POST", "/unban", {"user_id": "@mallory:test"}, *[403] * 7),
    ("POST", "/receipt/m.read/EARLY", {}, 403, 403, 403, 403, 403, 200, 200),
    ("POST", "/read_markers", {"m.fully_read": "EARLY"}, 403, 403, 403, 403, 403, 200, 200),
    ("GET", "/thread/EARLY/subscription", None, 404, 404, 404, 404, 403, 403, 404),
    ("PUT", "/thread/EARLY/subscription", {}, 404, 404, 200, 200, 403, 403, 200),
    ("DELETE", "/thread/EARLY/subscription", None, 404, 404, 200, 200, 403, 403, 200),
    ("POST", "/upgrade", {"new_version": "12"}, *[403] * 7),
    ("PUT", "/typing/SELF", {"typing": True}, 403, 403, 403, 403, 403, 200, 200),
    ("PUT", "/typing/@alice:test", {"typing": True}, *[403] * 7),
]
# The same for what a public room shows or offers to those who aren't in it. The last ones change
# who the users are.
OPEN_ROOM_RIGHTS: list[tuple[Any, ...]] = [
    ("GET", "/hierarchy", None, 200, 200, 200, 403, 200, 200, 200),
    ("GET", f"{_V1}/room_summary/ROOM", None, 200, 200, 200, 404, 200, 200, 200),
    ("GET", f"{V3}/events?room_id=ROOM", None, 403, 403, 200, 200, 403, 200, 200),
    ("GET", f"{V3}/events/EARLY", None, 404, 404, 200, 200, 404, 200, 200),
    ("GET", f"{V3}/events/LATE", None, 404, 404, 404, 404, 404, 200, 200),
    ("POST", "/report", {"reason": "r"}, 200, 200, 200, 200, 403, 403, 200),
    ("PUT", f"{V3}/directory/list/room/ROOM", {"visibility": "public"}, *[403] * 7),
    ("PUT", f"{V3}/directory/room/%23x:test", {"room_id": "ROOM"}, *[403] * 6, 200),
    ("DELETE", f"{V3}/directory/room/%23home:test", None, *[403] * 7),
    ("PUT", f"{V3}/directory/list/appservice/irc/ROOM", {"visibility": "public"}, *[403] * 7),
    ("POST", f"{V3}/knock/ROOM", {}, *[403] * 7),
    ("POST", "/forget", {}, 404, 400, 200, 200, 403, 403, 400),
    ("POST", "/join", {}, 200, 200, 200, 403, 200, 200, 200),
    ("POST", "/leave", {}, 200, 200, 200, 403, 200, 200, 200),
    ("POST", f"{V3}/join/ROOM", {}, 200, 200, 200, 403, 200, 200, 200),
]
# Other users' data, and what is for nobody but the user: always 403 for bob.
OTHERS_DATA: list[tuple[str, str, Any]] = [
    ("GET", "/user/@alice:test/account_data/x", None),
    ("PUT", "/user/@alice:test/account_data/x", {}),
    ("GET", "/user/@alice:test/rooms/ROOM/account_data/x", None),
    ("PUT", "/user/@alice:test/rooms/ROOM/account_data/x", {}),
    ("DELETE", f"{_UNSTABLE}/org.matrix.msc3391/user/@alice:test/account_data/x", None),
    ("DELETE", f"{_UNSTABLE}/org.matrix.msc3391/user/@alice:test/rooms/ROOM/account_data/x", None),
    ("GET", "/user/@alice:test/rooms/ROOM/tags", None),
    ("PUT", "/user/@alice:test/rooms/ROOM/tags/x", {}),
    ("DELETE", "/user/@alice:test/rooms/ROOM/tags/x", None),
    ("POST", "/user/@alice:test/openid/request_token", {}),
    ("POST", "/user/@alice:test/filter", {}),
    ("GET", "/user/@alice:test/filter/1", None),
    ("PUT", "/profile/@alice:test/displayname", {"displayname": "x"}),
    ("DELETE", "/profile/@alice:test/displayname", None),
    ("PUT", "/profile/@alice:test/avatar_url", {"avatar_url": "x"}),
    ("PUT", "/profile/@alice:test/org.example", {"org.example": "x"}),
    ("DELETE", "/profile/@alice:test/org.example", None),
    ("GET", "/presence/@alice:test/status", None),
    ("PUT", "/presence/@alice:test/status", {"presence": "online"}),
    ("PUT", "/directory/list/room/ROOM", {"visibility": "public"}),
    ("PUT", "/directory/room/%23x:test", {"room_id": "ROOM"}),
    ("DELETE", "/directory/room/%23home:test", None),
]
# What others have doesn't exist for bob.
OTHERS_SECRETS: list[tuple[str, str, Any]] = [
    ("GET", "/devices/DEVICE", None),
    ("PUT", "/devices/DEVICE", {"display_name": "x"}),
    ("GET", f"{_UNSTABLE}/org.matrix.msc4140/delayed_events/DELAY", None),
    ("POST", f"{_UNSTABLE}/org.matrix.msc4140/delayed_events/DELAY", {"action": "cancel"}),
    ("POST", f"{_UNSTABLE}/org.matrix.msc4140/delayed_events/DELAY/cancel", {}),
]
# Endpoints, or their methods, that tell and change nothing but what is the requester's own: they
# take the id of nothing that others could have.
OWN = {
    *(
        "Logout",
        "LogoutAll",
        "WhoAmI",
        "DeviceList",
        "JoinedRooms",
        "CreateRoom",
        "DelayedEventList",
    ),
    *("AllPushRules", "GlobalPushRules", "OnePushRule", "PushRuleEnabled", "PushRuleActions"),
    *("SyncResource", "SlidingSyncResource", "InitialSync", "NotificationsResource"),
    "ThreadSubscriptionChanges",
    # UI authentication, by the account's own password; the tests of devices try others'.
    *("OneDevice DELETE", "DeleteDevices"),
    *("UploadKeys", "UploadCrossSigningKeys", "ChangedKeys"),
    # Keys are for everybody; who may vouch for whom, and sees it, is in their own tests.
    *("QueryKeys", "ClaimKeys", "UploadSignatures"),
    # Everybody may send to whomever.
    "SendToDevice",
    # What the server tells of itself, and of what everybody may know.
    *("Capabilities", "RetentionConfiguration", "PublicRoomsResource", "ReportUser"),
    "FederationWhitelist",
    *("Protocols", "OneProtocol", "LocationOfAlias", "UserOfId"),
    # Whom and what one finds is what these are about: see their own tests.
    *("SearchResource", "UserDirectorySearch", "MutualRoomsResource", "UnstableMutualRooms"),
}
# "The following API endpoints are allowed to be accessed by guest accounts" (client-server API,
# "Guest Access"), and what such clients can't do without.
GUESTS_MAY = {
    *("State", "Context", "OneEvent", "StateWithKey", "StateWithoutKey", "RoomMessages", "Members"),
    *("RoomInitialSync", "SyncResource", "Events", "JoinRoom", "Leave", "SendEvent", "WhoAmI"),
    *("ProfileField PUT", "ProfileField DELETE", "DeviceList", "OneDevice GET", "OneDevice PUT"),
    "SendToDevice",
    # Beyond the list: how a client signs out, finds a room and shows it.
    *("Logout", "LogoutAll", "Capabilities", "JoinRoomOrAlias", "JoinedRooms", "JoinedMembers"),
    *("UploadFilter", "OneFilter", "AliasesOfRoom", "PublicRoomsResource", "Hierarchy"),
    *("InitialSync", "EventAnywhere", "SlidingSyncResource", "TimestampToEvent"),
    *("RelationsResource", "Threads", "RetentionConfiguration"),
    *("Protocols", "OneProtocol", "LocationOfAlias", "UserOfId"),
    *("UploadKeys", "QueryKeys", "ClaimKeys", "ChangedKeys"),
    # … and takes part in it.
    *("RedactEvent", "TypingResource", "ReceiptResource", "ReadMarkersResource"),
    *("ScheduleEvent", "DelayedEventList", "OneDelayedEvent", "DelayedEventAction"),
}


def endpoint(room_id: str, rest: str) -> str:
    if rest.startswith("/_matrix"):
        return rest
    prefix = next((p for start, p in _PREFIXES.items() if rest.startswith(start)), V3)
    return room_path(room_id, rest).replace(V3, prefix)


class RightsTests(RoomTestCase):
    async def arrange(self) -> None:
        """A room of alice's and, in the order of the table's columns, the others' tokens."""
        self.reconfigure(rooms={"max_event_delay_duration_ms": 60_000})
        self.alice = await self.register("alice")
        self.member = await self.register("member")
        state = [{"type": "m.room.guest_access", "content": {"guest_access": "can_join"}}]
        self.room_id = await self.create_public(
            self.alice,
            initial_state=state,
            room_alias_name="home",
            power_level_content_override={"events": {"x": 0}},
        )
        names = ("never", "invited", "left", "banned")
        self.users = [(f"@{name}:test", await self.register(name)) for name in names]
        for _, token in self.users[2:]:
            await self.join(token, self.room_id)
        await self.change_membership(self.alice, self.room_id, "ban", "@mallory:test")
        await self.join(self.member, self.room_id)
        self.early = await self.send(self.alice, self.room_id)
        await self.change_membership(self.alice, self.room_id, "invite", "@invited:test")
        await self.leave(self.users[2][1], self.room_id)
        await self.change_membership(self.alice, self.room_id, "ban", "@banned:test")
        self.late = await self.send(self.alice, self.room_id)
        self.users += [await self.guest(), await self.guest()]
        self.users.append(("@member:test", self.member))
        await self.join(self.users[5][1], self.room_id)

    def filled(self, value: Any, user_id: str) -> Any:
        if isinstance(value, dict):
            return {key: self.filled(item, user_id) for key, item in value.items()}
        if not isinstance(value, str):
            return value
        for name, text in (
            ("EARLY", self.early),
            ("LATE", self.late),
            ("SELF", user_id),
            ("ROOM", self.room_id),
        ):
            value = value.replace(name, text)
        return value

    async def test_rooms(self) -> None:
        await self.arrange()
        for method, rest, body, *statuses in (*ROOM_RIGHTS, *OPEN_ROOM_RIGHTS):
            for (user_id, token), status in zip(self.users, statuses, strict=True):
                path = endpoint(self.room_id, self.filled(rest, user_id))
                answer = await self.fetch(method, path, self.filled(body, user_id), token=token)
                what = f"{method} {rest} by {user_id}: {answer}"
                self.assertEqual(answer.status, status, what)
                if status == 403:
                    wanted = ("M_FORBIDDEN", "M_GUEST_ACCESS_FORBIDDEN")
                    self.assertIn(answer.json["errcode"], wanted, what)

    async def test_unknown_rooms_look_like_rooms_of_others(self) -> None:
        await self.arrange()
        user_id, token = self.users[0]
        for method, rest, body, *_ in ROOM_RIGHTS:
            answers = []
            for room_id in (self.room_id, "!unknown:test"):
                path = endpoint(room_id, self.filled(rest, user_id))
                answer = await self.fetch(method, path, self.filled(body, user_id), token=token)
                answers.append((answer.status, answer.json["errcode"]))
            self.assertEqual(answers[0], answers[1], f"{method} {rest}")

    async def test_data_of_others(self) -> None:
        await self.arrange()
        token = await self.register("bob")
        for method, path, body in OTHERS_DATA:
            path = self.filled(path if path.startswith("/_matrix") else V3 + path, BOB)
            answer = await self.fetch(method, path, self.filled(body, BOB), token=token)
            self.assertEqual(
                (answer.status, answer.json["errcode"]), (403, "M_FORBIDDEN"), f"{method} {path}"
            )

    async def test_the_admin_api_is_for_administrators(self) -> None:
        token = await self.register("bob")
        paths = [
            (method, path)
            for resource in client_resources(self.server)
            for path in resource.PATHS
            for method in ("GET", "PUT", "POST", "DELETE")
            if hasattr(resource, method.lower()) and path.startswith("/_synapse/admin/")
        ]
        for method, path in paths:
            if path not in OPEN_ADMIN_API:
                answer = await self.fetch(method, path, {}, token=token)
                self.assertEqual(
                    (answer.status, answer.json["errcode"]),
                    (403, "M_FORBIDDEN"),
                    f"{method} {path}",
                )

    async def test_secrets_of_others(self) -> None:
        await self.arrange()
        token = await self.register("bob")
        device_id = (await self.whoami(self.alice)).json["device_id"]
        path = endpoint(self.room_id, "/delayed_event/m.room.message/d")
        delay_id = (await self.ok("PUT", path, _DELAYED, token=self.alice))["delay_id"]
        for method, path, body in OTHERS_SECRETS:
            path = path if path.startswith("/_matrix") else V3 + path
            path = path.replace("DEVICE", device_id).replace("DELAY", delay_id)
            await self.refused(404, "M_NOT_FOUND", method, path, body, token=token)
            self.assertNotEqual(
                (await self.fetch(method, path, body, token=self.alice)).status, 404, path
            )

    async def test_before_joining(self) -> None:
        """What was said before a user came, where history is for those who were there."""
        await self.arrange()
        await self.set_state(
            self.alice, self.room_id, "m.room.history_visibility", {"history_visibility": "joined"}
        )
        early = await self.send(self.alice, self.room_id, "secret")
        thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": early}}
        secrets = [early, await self.send(self.alice, self.room_id, "secret", **thread)]
        _, token = self.users[0]
        await self.join(token, self.room_id)
        for rest in (
            f"/event/{early}",
            f"/context/{early}",
            f"/relations/{early}",
            f"{V3}/events/{early}",
        ):
            await self.refused(404, "M_NOT_FOUND", "GET", endpoint(self.room_id, rest), token=token)
        path = room_path(self.room_id, f"/report/{early}")
        await self.refused(404, "M_NOT_FOUND", "POST", path, {}, token=token)
        messages = await self.messages(token, self.room_id, limit=100)
        self.assertFalse(set(secrets) & set(ids(messages["chunk"])))
        for rest in (
            "/threads",
            "/initialSync?limit=50",
            f"{V3}/events?room_id={self.room_id}&from=s1_0",
            f"{V3}/initialSync?limit=50",
            f"{V3}/sync",
        ):
            answer = await self.fetch("GET", endpoint(self.room_id, rest), token=token)
            self.assertEqual(answer.status, 200, rest)
            self.assertNotIn(b"secret", answer.body, rest)
        body = {"search_categories": {"room_events": {"search_term": "secret"}}}
        found = await self.ok("POST", f"{V3}/search", body, token=token)
        self.assertEqual(found["search_categories"]["room_events"]["results"], [])


class EveryEndpointTests(EveryEndpointTestCase):
    async def test_every_endpoint_has_its_row(self) -> None:
        await self.arrange()
        router = Router(client_resources(self.server))
        listed = set(OWN)
        for method, rest, *_ in (*ROOM_RIGHTS, *OPEN_ROOM_RIGHTS):
            path = endpoint("!r:test", rest).partition("?")[0]
            listed.add(f"{router.find(path)[0].name} {method}")
        for method, path, _ in (*OTHERS_DATA, *OTHERS_SECRETS):
            path = path if path.startswith("/_matrix") else V3 + path
            listed.add(f"{router.find(path)[0].name} {method}")
        missing = [
            f"{name} {method}"
            for name, method, path in self.calls()
            # Administrators' endpoints have one rule, and a test of their own.
            if not path.startswith("/_synapse/admin/")
            and not {name, f"{name} {method}"} & (listed | OPEN_TO_ALL)
        ]
        self.assertEqual(missing, [])

    async def test_what_guests_may(self) -> None:
        await self.arrange()
        content = {"guest_access": "can_join"}
        await self.set_state(self.token, self.room_id, "m.room.guest_access", content)
        self.values["user_id"], token = await self.guest()
        await self.join(token, self.room_id)
        wrong = []
        for name, method, pattern in self.calls():
            is_admin_api = pattern.startswith("/_synapse/admin/")
            if is_admin_api or {name, f"{name} {method}"} & OPEN_TO_ALL:
                continue
            body = BODIES.get(name, {}) if method in ("PUT", "POST") else None
            answer = await self.fetch(method, self.path(pattern), body, token=token)
            is_refused = b"M_GUEST_ACCESS_FORBIDDEN" in answer.body
            if is_refused is bool({name, f"{name} {method}"} & GUESTS_MAY):
                wrong.append(f"{name} {method}")
        self.assertEqual(wrong, [])

    async def test_guests_change_nothing_of_their_profile_but_the_name(self) -> None:
        user_id, token = await self.guest()
        for name in ("avatar_url", "org.example"):
            path = f"{V3}/profile/{user_id}/{name}"
            for method in ("PUT", "DELETE"):
                body = {name: "x"} if method == "PUT" else None
                await self.refused(403, "M_GUEST_ACCESS_FORBIDDEN", method, path, body, token=token)
