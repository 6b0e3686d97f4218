"""Devices and keys of users of a real Synapse and of ours, as the others see them."""

from typing import Any

from tests.interop.federating import FederatingTestCase, Person, wait_for, wait_to_see
from tests.rest.client.key_owners import DeviceOwner, KeyOwner

_CURVE = "signed_curve25519"


class Keyed:
    """Somebody whose devices have keys."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.device = DeviceOwner(person.id, person.ask("GET", "/account/whoami")["device_id"])
        person.ask(
            "POST",
            "/keys/upload",
            {
                "device_keys": self.device.identity(),
                "one_time_keys": self.device.one_time_keys("1"),
                "fallback_keys": self.device.one_time_keys("f", fallback=True),
            },
        )

    def add_device(self, device_id: str) -> str:
        """The access token of one more device with keys."""
        person = self.person
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": person.id},
            "password": "secret",
            "device_id": device_id,
        }
        token = str(person.ask("POST", "/login", body)["access_token"])
        identity = DeviceOwner(person.id, device_id).identity()
        self._ask_as(token, "/keys/upload", {"device_keys": identity})
        return token

    def log_out(self, token: str) -> None:
        self._ask_as(token, "/logout", {})

    def _ask_as(self, token: str, path: str, body: Any) -> None:
        path = f"/_matrix/client/v3{path}"
        status, answer = self.person.server.call("POST", path, body, token)
        assert status == 200, answer


def query(watcher: Person, person: Person) -> Any:
    return watcher.ask("POST", "/keys/query", {"device_keys": {person.id: []}})


def devices(watcher: Person, person: Person) -> set[str]:
    return set(query(watcher, person)["device_keys"].get(person.id, {}))


class DeviceTests(FederatingTestCase):
    room: str

    def both_ways(self) -> list[tuple[Person, Person, Keyed]]:
        """Who watches whom, in a room that they share."""
        one, other = self.newcomers()
        self.room = one.create("10")
        other.join(self.room, one)
        wait_to_see(lambda: one.membership(self.room, other), "join")
        return [(other, one, Keyed(one)), (one, other, Keyed(other))]

    def told(self, watcher: Person, person: Person, since: str) -> str:
        """Returns when the watcher's client knows that somebody's devices have changed."""

        def found(answer: Any) -> str:
            changed = answer.get("device_lists", {}).get("changed", ())
            return str(answer["next_batch"]) if person.id in changed else ""

        return watcher.until_synced(found, since)

    def test_changes_are_seen(self) -> None:
        for watcher, person, keyed in self.both_ways():
            first = keyed.device.device_id
            wait_to_see(lambda: devices(watcher, person), {first})  # noqa: B023
            told = query(watcher, person)["device_keys"][person.id][first]
            told.pop("unsigned", None)
            self.assertEqual(told, keyed.device.identity())
            since = watcher.sync()["next_batch"]
            token = keyed.add_device("SECOND")
            since = self.told(watcher, person, since)
            wait_to_see(lambda: devices(watcher, person), {first, "SECOND"})  # noqa: B023
            keys = KeyOwner(person.id).keys()
            person.ask("POST", "/keys/device_signing/upload", keys)
            since = self.told(watcher, person, since)
            wait_to_see(
                lambda: query(watcher, person)["master_keys"],  # noqa: B023
                {person.id: keys["master_key"]},
            )
            wait_to_see(
                lambda: query(watcher, person)["self_signing_keys"],  # noqa: B023
                {person.id: keys["self_signing_key"]},
            )
            since = watcher.sync()["next_batch"]
            keyed.log_out(token)
            self.told(watcher, person, since)
            wait_to_see(lambda: devices(watcher, person), {first})  # noqa: B023

    def test_users_vouch_for_devices_and_for_each_other(self) -> None:
        for watcher, person, keyed in self.both_ways():
            owned, watchers = KeyOwner(person.id), KeyOwner(watcher.id)
            person.ask("POST", "/keys/device_signing/upload", owned.keys())
            if watcher.server is self.ours:  # the other one has published theirs before
                watcher.ask("POST", "/keys/device_signing/upload", watchers.keys())
            signed = owned.self_signing.signed(keyed.device.identity(), person.id)
            body = {person.id: {keyed.device.device_id: signed}}
            self.assertEqual(person.ask("POST", "/keys/signatures/upload", body)["failures"], {})

            def signers(watcher: Person = watcher, keyed: Keyed = keyed) -> set[str]:
                user_id, device_id = keyed.person.id, keyed.device.device_id
                told = query(watcher, keyed.person)["device_keys"][user_id][device_id]
                return set(told["signatures"][user_id])

            wait_to_see(signers, {keyed.device.key.key_id, owned.self_signing.key_id})

    def test_one_time_keys_are_claimed(self) -> None:
        for watcher, person, keyed in self.both_ways():
            body = {"one_time_keys": {person.id: {keyed.device.device_id: _CURVE}}}
            for expected in (
                keyed.device.one_time_keys("1"),
                keyed.device.one_time_keys("f", fallback=True),
            ):
                answer = watcher.ask("POST", "/keys/claim", body)["one_time_keys"]
                self.assertEqual(answer, {person.id: {keyed.device.device_id: expected}})
            answer = person.sync()
            self.assertEqual(answer["device_unused_fallback_key_types"], [])
            self.assertEqual(answer["device_one_time_keys_count"].get(_CURVE, 0), 0)

    def test_what_changes_while_a_server_is_away_is_seen_later(self) -> None:
        for watcher, person, keyed in self.both_ways():
            first = keyed.device.device_id
            wait_to_see(lambda: devices(watcher, person), {first})  # noqa: B023
            since = watcher.sync()["next_batch"]
            watcher.server.stop()
            keyed.add_device("MEANWHILE")
            keyed.add_device("ANOTHER")
            watcher.server.start()
            watcher.say(self.room, "back again")
            expected = {first, "MEANWHILE", "ANOTHER"}
            wait_for(lambda: devices(watcher, person) == expected)  # noqa: B023
            self.told(watcher, person, since)
