"""Messages between devices here and at a real Synapse."""

import time
from typing import Any

from tests.interop.federating import FederatingTestCase, Person, wait_to_see


class MessageTests(FederatingTestCase):
    def test_they_arrive_on_both_sides(self) -> None:
        for sender, receiver in ((self.alice, self.bob), (self.bob, self.alice)):
            inbox = Inbox(receiver)
            tell(sender, receiver, "one", inbox.device_id)
            wait_to_see(inbox.texts, ["one"])
            event = inbox.events[0]
            self.assertEqual((event["sender"], event["type"]), (sender.id, "org.example.hello"))
            tell(sender, receiver, "all", "*")
            wait_to_see(inbox.texts, ["one", "all"])
            self.assertEqual(Inbox(receiver).texts(), [])

    def test_an_outage_loses_and_doubles_none(self) -> None:
        for sender, receiver in ((self.alice, self.bob), (self.bob, self.alice)):
            inbox = Inbox(receiver)
            receiver.server.stop()
            expected = [str(number) for number in range(130)]
            for text in expected[:100]:
                tell(sender, receiver, text, inbox.device_id)
            sender.server.stop()
            sender.server.start()
            for text in expected[100:]:
                tell(sender, receiver, text, inbox.device_id)
            receiver.server.start()
            # So that each side knows that the other one is back.
            tell(receiver, sender, "back", "*")
            wait_to_see(inbox.texts, expected)


class Inbox:
    """A client that keeps what its device is sent."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self.device_id = person.ask("GET", "/account/whoami")["device_id"]
        self._since = ""
        self.events: list[Any] = []
        self.texts()
        self.events.clear()  # what was there before

    def texts(self) -> list[str]:
        """What has come so far."""
        query = {"since": self._since} if self._since else {}
        answer = self._person.ask("GET", "/sync", **query)
        self._since = answer["next_batch"]
        self.events += answer.get("to_device", {"events": []})["events"]
        return [event["content"]["text"] for event in self.events]


def tell(sender: Person, receiver: Person, text: str, device_id: str) -> None:
    path = f"/sendToDevice/org.example.hello/{time.time_ns()}"
    sender.ask("PUT", path, {"messages": {receiver.id: {device_id: {"text": text}}}})
