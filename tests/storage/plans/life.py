"""A day in the life of a server: whatever makes it ask its database something."""

from dataclasses import replace
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from synapse.api.identifiers import localpart_of
from synapse.app.chores import Chores
from synapse.config.server_notices import ServerNoticesConfig
from synapse.rooms.room import Room
from synapse.storage.stores import directory
from synapse.storage.stores.delayed_events import DelayedEventStore
from synapse.storage.stores.destination_lists import DestinationLists
from synapse.storage.stores.event_graph import EventGraph
from synapse.storage.stores.inbox import InboxStore
from synapse.storage.stores.members import Membership
from synapse.storage.stores.outbox import NewLetter
from synapse.storage.stores.related_redactions import RelatedRedaction, RelatedRedactionStore
from synapse.storage.stores.room_servers import RoomServerStore
from synapse.storage.stores.staging import NewlyStaged, StagingStore
from synapse.storage.stores.unread import UnreadStore
from synapse.storage.stores.unread_counting import RoomCounts
from synapse.storage.stores.untold_leaves import UntoldLeave
from synapse.storage.transaction import Transaction
from synapse.util.clock import Clock
from tests.crypto.key_documents import document_of, key_of
from tests.federation.joining import accept_join
from tests.rest.base import PASSWORD
from tests.rest.rooms import V3
from tests.rooms.elsewhere import Elsewhere
from tests.storage.plans.federated_life import FederatedLifeTestCase
from tests.storage.plans.room_life import ALICE, BOB, CAROL, HOUR_MS

UNSTABLE = "/_matrix/client/unstable"


class LifeTestCase(FederatedLifeTestCase):
    """`await self.live()`"""

    async def live(self) -> None:
        self.reconfigure(
            retention={"enabled": True},
            rooms={"max_event_delay_duration_ms": 24 * HOUR_MS},
            server={"limit_profile_requests_to_users_who_share_rooms": True},
            ui_auth={"session_timeout_ms": 1000},
            presence={"include_offline_users_on_sync": True},
        )
        notices = ServerNoticesConfig(system_mxid_localpart="notices")
        self.start(replace(self.config, server_notices=notices))
        self.alice, self.bob = await self.register("alice"), await self.register("bob")
        self.carol = await self.register("carol")
        await self._make_rooms()
        await self._sync_all()
        await self._talk()
        await self._relate()
        await self._slide()
        await self._keep_private_data()
        await self._sync_all()
        await self._read_timelines()
        await self._read_state()
        await self._change_memberships()
        await self._encrypt()
        await self._federate()
        await self._let_servers_in()
        await self._use_directories()
        await self._send_to_devices()
        await self._delay_events()
        await self._send_notices()
        await self._restart()
        await self._tell_other_servers()
        await self._manage_accounts()
        await self._tell_keys()
        await self._do_chores()

    async def _keep_private_data(self) -> None:
        alice, mine = self.alice, f"{V3}/user/{ALICE}"
        in_room = f"{mine}/rooms/{quote(self.room_id)}"
        data = (f"{mine}/account_data/org.example", f"{in_room}/account_data/org.example")
        for path in data:
            await self.put(alice, path, {"a": 1})
            await self.get(alice, path)
        await self.put(alice, f"{in_room}/tags/u.work", {"order": 0.5})
        await self.put(alice, f"{mine}/account_data/m.ignored_user_list", {"ignored_users": {}})
        await self.get(alice, f"{in_room}/tags")
        await self.ok("DELETE", f"{in_room}/tags/u.work", token=alice)
        for path in data:
            path = path.replace(V3, f"{UNSTABLE}/org.matrix.msc3391")
            await self.ok("DELETE", path, token=alice)
        uploaded = await self.post(alice, f"{mine}/filter", {"room": {"timeline": {"limit": 5}}})
        await self.get(alice, f"{mine}/filter/{uploaded['filter_id']}")
        await self.sync(alice, filter=uploaded["filter_id"])
        rule = f"{V3}/pushrules/global/content/mine"
        await self.put(alice, rule, {"pattern": "alice", "actions": ["notify"]})
        await self.get(alice, f"{V3}/pushrules/")
        await self.put(alice, f"{V3}/profile/{ALICE}/displayname", {"displayname": "Alice A."})
        await self.put(alice, f"{V3}/profile/{ALICE}/org.example", {"org.example": 1})
        await self.ok("DELETE", f"{V3}/profile/{ALICE}/org.example", token=alice)
        await self.finish_background()
        await self.get(self.bob, f"{V3}/profile/{ALICE}")
        path = f"{UNSTABLE}/io.element.msc4306/rooms/{self.room_id}/thread/{self.event_id}"
        await self.put(alice, f"{path}/subscription", {"automatic": self.reply})
        await self.get(alice, f"{path}/subscription")
        relation = {"rel_type": "m.thread", "event_id": self.event_id}
        in_thread: Any = {"m.relates_to": relation}
        for token in (self.bob, alice):
            await self.send(token, self.room_id, **in_thread)
            await self.sync(self.bob)
            await self.sync(alice)
        await self.get(alice, f"{V3}/notifications", limit=1)
        await self.ok("DELETE", f"{path}/subscription", token=alice)
        await self.get(alice, f"{UNSTABLE}/io.element.msc4308/thread_subscriptions", dir="b")

    async def _send_to_devices(self) -> None:
        path = f"{V3}/sendToDevice/org.example.hello"
        for number in range(101):
            messages: Any = {BOB: {"*": {}}, "@dave:remote.example": {"D": {}}}
            await self.put(self.alice, f"{path}/{number}", {"messages": messages})
        token = (await self.sync(self.bob))["next_batch"]
        await self.sync(self.bob, since=token)
        await InboxStore(self.database).trim(1)

    async def _use_directories(self) -> None:
        alias = f"{V3}/directory/room/%23other:test"
        await self.put(self.alice, alias, {"room_id": self.room_id})
        await self.get(self.bob, alias)
        await self.ok("DELETE", alias, token=self.alice)
        listed = f"{V3}/directory/list/room/{self.restricted}"
        await self.put(self.alice, listed, {"visibility": "public"})
        page = await self.get(self.bob, f"{V3}/publicRooms", limit=1)
        page = await self.get(self.bob, f"{V3}/publicRooms", limit=1, since=page["next_batch"])
        await self.get(self.bob, f"{V3}/publicRooms", limit=1, since=page["prev_batch"])
        filtered = {"filter": {"generic_search_term": "home"}}
        await self.post(self.bob, f"{V3}/publicRooms", filtered)
        await self.set_state(self.alice, self.space, "m.room.join_rules", {"join_rule": "invite"})
        await self.server.discovery.directory_reader.catch_up()
        await self._search_users()
        # As if more words began so than are looked at.
        with patch.object(directory, "_IS_COMMON", "SELECT 1 WHERE ? <= ? AND 0 < ?"):
            await self._search_users()
        await self._search_messages()

    async def _search_messages(self) -> None:
        for said in ("hello once", "goodbye"):
            gone = await self.send(self.bob, self.room_id, said)
            await self.server.discovery.search_reader.catch_up()
        await self.redact(self.bob, self.room_id, gone)
        await self.server.discovery.search_reader.catch_up()
        criteria = {
            "search_term": "hel ello",
            "event_context": {"before_limit": 1, "after_limit": 1, "include_profile": True},
            "include_state": True,
        }
        by_sender: dict[str, Any] = {"filter": {"senders": [BOB], "rooms": [self.room_id]}}
        for more in ({}, {"order_by": "recent"}, by_sender):
            body = {"search_categories": {"room_events": {**criteria, **more}}}
            await self.post(self.bob, f"{V3}/search", body)

    async def _search_users(self) -> None:
        for term in ("alice", "al", "@bob:test", "carol test"):
            await self.post(self.bob, f"{V3}/user_directory/search", {"search_term": term})

    async def _delay_events(self) -> None:
        base = f"{UNSTABLE}/org.matrix.msc4140"
        delays = []
        for n in range(4):
            path = f"{base}/rooms/{self.room_id}/delayed_event/m.room.message/delayed{n}"
            body = {"delay_ms": 60_000, "content": {"body": f"{n}", "msgtype": "m.text"}}
            delays.append((await self.put(self.bob, path, body))["delay_id"])
        for delay_id, action in zip(delays, ("restart", "cancel", "send"), strict=False):
            await self.post(self.bob, f"{base}/delayed_events/{delay_id}", {"action": action})
        await self.get(self.bob, f"{base}/delayed_events")
        await self.get(self.bob, f"{base}/delayed_events/{delays[0]}")
        await self.wait_for(self._all_sent(base))

    async def _all_sent(self, base: str) -> None:
        while (await self.get(self.bob, f"{base}/delayed_events"))["delayed_events"]:
            await Clock(reactor).sleep(0.001)

    async def _send_notices(self) -> None:
        root = await self.admin()
        for body in ("one", "two"):
            notice = {"user_id": BOB, "content": {"msgtype": "m.text", "body": body}}
            await self.put(root, f"/_synapse/admin/v1/send_server_notice/{body}", notice)
        for room_id in (await self.sync(self.bob))["rooms"]["invite"]:
            await self.fetch("POST", f"{V3}/rooms/{quote(room_id)}/leave", {}, token=self.bob)

    async def _restart(self) -> None:
        """What was in memory is read again."""
        self.server.sending.delayed_sending.stop()
        await self.server.streams.presence.close()
        self.start(self.config)
        await self._ask_stores()
        self.event_id = await self.send(self.alice, self.room_id, "hello again")
        await self._sync_all()
        await self._slide()
        await self._read_timelines()
        await self._read_state()
        await self.redact(self.alice, self.room_id, self.event_id)
        await self.sync(self.bob, since=self.since[self.bob], timeout=0)
        await self.get(self.bob, f"{V3}/presence/{ALICE}/status")

    async def _ask_stores(self) -> None:
        """What only other configurations, larger rooms or rare accidents ask for."""
        server, store = self.server, self.server.stores.members
        alice = (await server.stores.names.nids([ALICE, BOB]))[ALICE]
        bob = (await server.stores.names.nids([BOB]))[BOB]
        mine = [row.room_nid for row in await store.rooms_of(alice)]
        await store.of_rooms(mine, [Membership.JOIN])
        await store.count_shared_rooms(alice, bob)
        await store.some_of_ours(mine[0], 100)
        await store.joined_among(mine[0], [alice, bob])
        await UnreadStore(self.database).read_all(alice, mine[0], RoomCounts())
        await server.stores.events.after(mine[0], 0, 10)
        await server.stores.events.pos_at(mine[0], self.database.position)
        await server.stores.presence.share_rooms(alice, [bob])
        await server.stores.presence.of_all_who_share_rooms(alice, 10_000)
        await server.stores.states.current_of(mine, [("m.room.name", ""), ("m.room.topic", "")])
        await server.stores.search_index.encrypted_rooms(mine, 1)
        await server.stores.slots.slots(range(1, 20))
        await server.stores.names.texts(range(1, 20))
        await server.streams.thread_subscription_store.changes(alice, 0, 2**60, 100)
        await server.stores.tokens.revoke(bob, 1)
        await server.stores.openid.user_of(b"", 0)
        await DelayedEventStore(self.database).release("none")
        untold = UntoldLeave(1, 1, "$invite", "$leave", ["remote.example"], 1, 0)
        await server.stores.untold_leaves.save(untold)
        await server.stores.untold_leaves.due(1, 10)
        await server.stores.untold_leaves.done(untold)
        redactions = RelatedRedactionStore(self.database)
        await redactions.add(RelatedRedaction("$one", 1, frozenset(["*"]), {}))
        await redactions.of(["$one", "$other"])
        await self._ask_as_other_servers_do(mine[0])

    async def _ask_as_other_servers_do(self, room_nid: int) -> None:
        server, graph = self.server, EventGraph(self.database)
        servers = RoomServerStore(self.database)
        await servers.others(room_nid)
        await servers.is_in(room_nid, "remote")
        await servers.users(room_nid, "test", [Membership.LEAVE, Membership.BAN])
        newest = await server.stores.events.before(room_nid, 2**60, 50)
        nids = [event.nid for event in newest if event.is_state]
        await graph.ids(await graph.auth_chain(nids))
        async for _ in graph.bodies(nids):
            pass
        await server.rooms.history.gap(room_nid, 2**60)
        await server.rooms.history.gap_above(room_nid, -(2**60))
        await server.rooms.history.other_gaps(room_nid, 2**60)

    async def _manage_accounts(self) -> None:
        response = (await self.login("carol", refresh_token=True, device_id="PHONE")).json
        fresh = {"refresh_token": response["refresh_token"]}
        again = await self.ok("POST", f"{V3}/refresh", fresh, token=None)
        await self.whoami(again["access_token"])
        fresh = {"refresh_token": again["refresh_token"]}
        await self.ok("POST", f"{V3}/refresh", fresh, token=None)
        await self.get(self.carol, f"{V3}/devices")
        await self.get(self.carol, f"{V3}/devices/PHONE")
        await self.put(self.carol, f"{V3}/devices/PHONE", {"display_name": "telephone"})
        identifier = {"type": "m.id.user", "user": "carol"}
        auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        devices = {"devices": ["PHONE"], "auth": auth}
        await self.post(self.carol, f"{V3}/delete_devices", devices)
        path = f"{V3}/user/{CAROL}/openid/request_token"
        await self.post(self.carol, path, {})
        body = {"new_password": "another", "logout_devices": True, "auth": auth}
        await self.post(self.carol, f"{V3}/account/password", body)
        await self.get(self.bob, f"{V3}/capabilities")
        await self.ok("GET", f"{V3}/register/available?username=dave", token=None)
        for path in ("/logout", "/logout/all"):
            token = (await self.login("alice")).json["access_token"]
            await self.post(token, f"{V3}{path}", {})
        auth["password"] = "another"
        await self.post(self.carol, f"{V3}/account/deactivate", {"auth": auth, "erase": True})
        await self.finish_background()
        guest, token = await self.guest()
        await self.register(localpart_of(guest), guest_access_token=token)

    async def _tell_keys(self) -> None:
        """Of a server that changes its key all the time."""
        server, now_ms = "remote.example", self.clock.now_ms()
        for n in range(12):
            until_ms = now_ms + n * HOUR_MS
            document = document_of(server, key_of(server, f"k{n}"), until_ms=until_ms)
            self.network.answers[server] = document
            self.advance(3600)
            path = f"/_matrix/key/v2/query/{server}?minimum_valid_until_ts={until_ms + HOUR_MS}"
            await self.wait_for(self.fetch("GET", path))

    async def _tell_other_servers(self) -> None:
        """They can't be reached, and come back; and what a crash would ask."""
        server, sending = self.server, self.server.federation.sending
        await sending.start()
        room_id = await self.create_public(self.alice)
        dave, key = "@dave:remote.example", key_of("remote.example", "k0")
        join = await accept_join(server, key, room_id, dave)
        await self.send(self.alice, room_id, "hello")
        await self.put(self.alice, f"{V3}/presence/{ALICE}/status", {"presence": "online"})
        for _ in range(50):
            self.advance(10)
            await Clock(reactor).sleep(0.002)
        await self.wait_for(sending.sender.save())
        server.federation.backoffs.forget("remote.example")
        store = server.stores.destinations
        await store.page(0, 100)
        room = await server.rooms.cache.get(room_id)
        await store.stays("remote.example", [room.nid])
        await store.outgoing(0, self.database.position, 100)
        await store.servers_of([room.nid])
        lists = DestinationLists(self.database)
        await lists.servers("remote", "destination", backwards=False, skip=0, limit=10)
        await lists.server("remote.example")
        await lists.rooms("remote.example", backwards=False, skip=0, limit=10)
        await self._post("remote.example")
        sending.stop()
        await self._hear_from_other_servers(room, dave, join.event_id)

    async def _post(self, server: str) -> None:
        """What the server must not miss."""
        outbox = self.server.stores.outbox

        def put(txn: Transaction, items: list[str]) -> None:
            outbox.put(txn, [NewLetter(server, txn.stream(), b"{}") for server in items])

        await self.database.write(put, server)
        await outbox.servers()
        await outbox.page(server, 10, 1_000)
        await outbox.trim(server)
        await outbox.sent(server, 1)

    async def _hear_from_other_servers(self, room: Room, user_id: str, event_id: str) -> None:
        """An event beside the newest one, and events that wait for what they stand on."""
        server, store = self.server, StagingStore(self.database)
        events = await server.stores.events.after(room.nid, -(2**60), 100)
        elsewhere = Elsewhere.of(room.version, events)
        event = elsewhere.say(user_id, "at the same time", after=[event_id])
        await server.rooms.receiver.receive(room.room_id, [elsewhere.arrival(event)])
        origin = "remote.example"
        await store.stage([NewlyStaged(room.nid, "$event", origin, b"{}", 0)])
        (staged,) = await store.next(room.nid, 10)
        await store.count(room.nid, 10)
        await store.waiting(10)
        await store.tried(staged.stage_nid)
        await store.done([staged.stage_nid])
        await store.answered(origin, "transaction", 0, b"{}")
        await store.answer(origin, "transaction")

    async def _do_chores(self) -> None:
        """A day later: what the server does when it starts, and every hour."""
        self.advance(8 * 24 * 3600)
        await self.database.write(_want_update, "user_directory")
        self.start(self.config)
        chores = Chores(self.server)
        chores.start()
        self.advance(2)  # the readers of the stream begin later
        await self.wait_for(self.finish_background())
        chores.stop()

    async def wait_for(self, work: Any) -> None:
        """Let time go by until something is done."""
        running = Deferred.fromCoroutine(work)
        while not running.called:
            self.advance(1)
            await Clock(reactor).sleep(0.001)  # for the database's threads
        await running


def _want_update(txn: Transaction, names: list[str]) -> None:
    txn.execute_many(
        "INSERT INTO background_updates (name) VALUES (?)", [(name,) for name in names]
    )
