"""The outbox: EDUs that a server must not miss reach it once it can be reached, in order."""

from typing import Any
from unittest.mock import patch

from synapse.federation.errors import RemoteError
from synapse.federation.sending import sender
from synapse.storage.stores import outbox
from synapse.storage.stores.boxes import BoxTable
from synapse.storage.stores.outbox import NewLetter
from synapse.storage.transaction import Transaction
from synapse.util import canonicaljson
from tests.federation.test_sending import ALICE, MINUTE_S, ONE, TWO, SendingTestCase, flat
from tests.rest.client.key_owners import DeviceOwner
from tests.rest.rooms import V3

TYPE = "org.example.letter"


class OutboxTests(SendingTestCase):
    async def post(self, *texts: str, server: str = TWO) -> None:
        """Put an EDU for each text into the outbox, in one transaction."""
        store = self.servers[ONE].stores.outbox

        def put(txn: Transaction, items: list[tuple[str, ...]]) -> None:
            first = txn.stream(len(texts))
            letters = [
                NewLetter(server, first + number, edu({"text": text}))
                for number, text in enumerate(texts)
            ]
            store.put(txn, letters)

        await self.servers[ONE].database.write(put, texts)

    def arrived(self) -> list[list[str]]:
        """The texts in the transactions that have arrived, and forget them."""
        found = [
            [e["content"]["text"] for e in transaction.get("edus", ()) if e["edu_type"] == TYPE]
            for _, _, transaction in self.network.transactions
        ]
        self.network.transactions.clear()
        return [texts for texts in found if texts]

    async def waiting(self) -> int:
        ((count,),) = await self.servers[ONE].database.fetch("SELECT count(*) FROM outbox")
        return int(count)

    async def test_they_are_sent_in_order_and_then_forgotten(self) -> None:
        await self.arrange()
        await self.post("a", "b")
        await self.post("c")
        await self.settle()
        self.assertEqual(flat(self.arrived()), ["a", "b", "c"])
        self.assertEqual(await self.waiting(), 0)
        await self.settle(10)  # nothing is kept of the server, either
        self.assertEqual(self.servers[ONE].federation.sending.sender.destinations, [])

    async def test_a_transaction_has_a_hundred_at_most_beside_events_and_other_edus(self) -> None:
        await self.arrange()
        self.network.cut_off(TWO)
        texts = [str(number) for number in range(250)]
        await self.post(*texts)
        await self.say("hello")
        await self.settle()
        self.network.heal()
        await self.settle(1)
        transactions = [*self.network.transactions]
        self.assertEqual(flat(self.arrived()), texts)
        self.assertLessEqual(max(len(sent[2]["edus"]) for sent in transactions), 100)
        self.assertEqual(await self.heard(), ["hello"])

    async def test_they_leave_room_for_changes_of_devices(self) -> None:
        await self.arrange()
        self.network.cut_off(TWO)
        texts = [str(number) for number in range(250)]
        await self.post(*texts)
        for number in range(30):
            device = DeviceOwner(ALICE, f"D{number}")
            login = {
                "type": "m.login.password",
                "identifier": {"type": "m.id.user", "user": "alice"},
                "password": "correct horse",
                "device_id": device.device_id,
            }
            token = (await self.client(ONE, "POST", f"{V3}/login", login))["access_token"]
            body = {"device_keys": device.identity()}
            await self.client(ONE, "POST", f"{V3}/keys/upload", body, token=token)
        await self.settle()
        self.network.heal()
        self.servers[ONE].federation.backoffs.forget(TWO)
        await self.settle(1)
        edus = [sent[2].get("edus", []) for sent in self.network.transactions]
        self.assertLessEqual(max(map(len, edus)), 100)
        changed = [e for some in edus for e in some if e["edu_type"] == "m.device_list_update"]
        self.assertEqual([e["content"]["device_id"] for e in changed], [f"D{n}" for n in range(30)])
        self.assertEqual(flat(self.arrived()), texts)

    async def test_a_transaction_has_no_more_than_two_mebibytes_of_them(self) -> None:
        await self.arrange()
        self.network.cut_off(TWO)
        await self.post(*[str(number) + "." * 500_000 for number in range(6)])
        self.network.heal()
        await self.settle(1)
        arrived = self.arrived()
        self.assertEqual([text[0] for text in flat(arrived)], list("012345"))
        self.assertEqual(max(map(len, arrived)), 4)

    async def test_they_survive_an_outage(self) -> None:
        await self.arrange()
        self.network.cut_off(TWO)
        await self.post("first")
        await self.go_on(7)
        await self.post("second")
        await self.say("an event")
        self.network.heal()
        await self.settle(MINUTE_S)
        self.assertEqual(self.arrived(), [])
        await self.settle(10 * MINUTE_S)
        self.assertEqual(flat(self.arrived()), ["first", "second"])
        self.assertEqual(await self.heard(), ["an event"])
        await self.post("third")
        await self.settle()
        self.assertEqual(self.arrived(), [["third"]])

    async def test_they_survive_a_restart(self) -> None:
        for crash in (False, True):
            self.network.sites.clear()
            await self.arrange()
            self.network.cut_off(TWO)
            await self.post("before")
            await self.settle()
            await self.stop_server(ONE, crash=crash)
            await self.post("while it is down")  # for sending
            self.network.heal()
            await self.start_server(ONE).federation.sending.start()
            await self.settle()
            self.assertEqual(flat(self.arrived()), ["before", "while it is down"])
            self.assertEqual(await self.waiting(), 0)

    async def test_what_a_server_refuses_is_given_up(self) -> None:
        await self.arrange()
        self.network.faults.append(RemoteError(TWO, 413, "M_TOO_LARGE", "Too large"))
        with self.assertLogs("synapse.federation.sending.transaction", "WARNING"):
            await self.post("too much")
            await self.settle()
        await self.post("another")
        await self.settle()
        self.assertEqual(self.arrived(), [["another"]])

    async def test_each_server_has_its_own(self) -> None:
        await self.arrange()
        self.network.cut_off(TWO)
        await self.post("for two")
        await self.post("for nobody", server="nowhere.test")
        await self.go_on(1)
        servers = await self.servers[ONE].stores.outbox.servers()
        self.assertEqual(set(servers), {TWO, "nowhere.test"})
        self.network.heal()
        await self.go_on(1)
        self.assertEqual(flat(self.arrived()), ["for two"])
        self.assertEqual(await self.waiting(), 1)

    async def test_what_waits_for_a_server_is_bounded(self) -> None:
        await self.arrange()
        self.network.cut_off(TWO)
        for most, most_bytes, expected in ((3, 10_000, ["7", "8", "9"]), (9, 130, ["8", "9"])):
            small = BoxTable("outbox", "server_nid", "edu", most, most_bytes)
            with patch.object(outbox, "OUTBOX", small), patch.object(sender, "_TRIM_EVERY", 5):
                for number in range(10):
                    await self.post(str(number))
                await self.settle()
            page = await self.servers[ONE].stores.outbox.page(TWO, 100, 10_000)
            texts = [canonicaljson.decode_lax(letter.edu)["content"]["text"] for letter in page]
            self.assertEqual(texts, expected)


def edu(content: dict[str, Any]) -> bytes:
    return canonicaljson.encode({"edu_type": TYPE, "content": content})
