"""Cross-signing: keys of users, and signatures that vouch for devices and users."""

from typing import Any

from tests.rest.base import PASSWORD
from tests.rest.client.key_owners import DeviceOwner, Key, KeyOwner
from tests.rest.client.test_account import password_stage
from tests.rest.client.test_device_keys import ALICE, BOB, KeyTestCase
from tests.rest.rooms import V3

UPLOAD = "/keys/device_signing/upload"
SIGN = "/keys/signatures/upload"


class CrossSigningTestCase(KeyTestCase):
    async def people(self) -> None:
        await super().people()
        self.alices, self.bobs = KeyOwner(ALICE), KeyOwner(BOB)
        await self.upload(self.alice, device_keys=self.a.identity())
        await self.upload(self.bob, device_keys=self.b.identity())

    async def publish(self, token: str, keys: dict[str, Any]) -> None:
        self.assertEqual(await self.post(token, f"{V3}{UPLOAD}", keys), {})

    async def told(self, token: str, user: str = "alice") -> list[Any]:
        """Master, self-signing and user-signing key of a user."""
        answer = await self.query(token, **{user: []})
        kinds = ("master_keys", "self_signing_keys", "user_signing_keys")
        return [answer[kind].get(f"@{user}:test") for kind in kinds]


class KeyUploadTests(CrossSigningTestCase):
    async def test_the_first_keys_need_no_password_nor_do_the_same_again(self) -> None:
        await self.people()
        keys = self.alices.keys()
        for _ in range(2):
            await self.publish(self.alice, keys)
        self.assertEqual(await self.told(self.alice), list(keys.values()))
        self.assertEqual(await self.told(self.bob), [*list(keys.values())[:2], None])

    async def test_other_keys_need_the_password(self) -> None:
        await self.people()
        await self.publish(self.alice, self.alices.keys())
        new = KeyOwner(ALICE, "new").keys()
        asked = await self.fetch("POST", f"{V3}{UPLOAD}", new, token=self.alice)
        self.assertEqual(asked.status, 401)
        self.assertEqual(await self.told(self.alice), list(self.alices.keys().values()))
        auth = password_stage(session=asked.json["session"])
        await self.publish(self.alice, {**new, "auth": auth})
        self.assertEqual(await self.told(self.alice), list(new.values()))

    async def test_one_after_the_other(self) -> None:
        """What is added needs the password; what a master key has signed goes with it."""
        await self.people()
        keys = self.alices.keys()
        await self.publish(self.alice, {"master_key": keys["master_key"]})
        auth = {"auth": password_stage()}
        for name in ("self_signing_key", "user_signing_key"):
            self.assertEqual((await self.fails(UPLOAD, {name: keys[name]}))[0], 401)
            await self.publish(self.alice, {name: keys[name], **auth})
        self.assertEqual(await self.told(self.alice), list(keys.values()))
        new = KeyOwner(ALICE, "new").keys()["master_key"]
        await self.publish(self.alice, {"master_key": new, **auth})
        self.assertEqual(await self.told(self.alice), [new, None, None])

    async def fails(self, path: str, body: Any, token: str | None = None) -> tuple[int, str]:
        answer = await self.fetch("POST", f"{V3}{path}", body, token=token or self.alice)
        return answer.status, answer.json.get("errcode", "")

    async def test_keys_that_can_not_be(self) -> None:
        await self.people()
        keys, other = self.alices.keys(), KeyOwner(BOB).keys()
        master, own = keys["master_key"], keys["self_signing_key"]
        wrongly_signed = {**own, "signatures": {ALICE: {self.alices.master.key_id: "A" * 86}}}
        by_name = {"keys": {"ed25519:name": self.alices.master.public}}
        for body, errcode in (
            ({"self_signing_key": own}, "M_MISSING_PARAM"),
            ({}, "M_MISSING_PARAM"),
            ({"master_key": other["master_key"]}, "M_INVALID_PARAM"),
            ({"master_key": {**master, "usage": ["self_signing"]}}, "M_INVALID_PARAM"),
            ({"master_key": {**master, **by_name}}, "M_INVALID_PARAM"),
            ({"master_key": {**master, "keys": {}}}, "M_INVALID_PARAM"),
            ({"master_key": {**master, "keys": {"ed25519:x": "x"}}}, "M_INVALID_PARAM"),
            ({"master_key": {**master, "more": 1.5}}, "M_INVALID_PARAM"),
            ({**keys, "self_signing_key": wrongly_signed}, "M_INVALID_SIGNATURE"),
            ({**keys, "self_signing_key": {**own, "signatures": {}}}, "M_INVALID_SIGNATURE"),
            ({**keys, "user_signing_key": own}, "M_INVALID_PARAM"),
        ):
            self.assertEqual(await self.fails(UPLOAD, body), (400, errcode), str(body))
        twice = self.alices.by_master(self.alices.self_signing, "user_signing")
        failed = await self.fails(UPLOAD, {**keys, "user_signing_key": twice})
        self.assertEqual(failed, (403, "M_FORBIDDEN"))
        self.assertEqual(await self.told(self.alice), [None, None, None])

    async def test_keys_go_with_their_account(self) -> None:
        await self.people()
        await self.publish(self.alice, self.alices.keys())
        body = {"auth": password_stage()}
        await self.post(self.alice, f"{V3}/account/deactivate", body)
        await self.finish_background()
        self.assertEqual(await self.told(self.bob), [None, None, None])

    async def test_devices_and_keys_have_different_names(self) -> None:
        await self.people()
        named = self.alices.self_signing.public
        await self.login("alice", device_id=named)
        failed = await self.fails(UPLOAD, self.alices.keys())
        self.assertEqual(failed, (403, "M_FORBIDDEN"))
        await self.publish(self.bob, self.bobs.keys())
        answer = await self.login("bob", PASSWORD, device_id=self.bobs.master.public)
        self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_FORBIDDEN"))


class SignatureTests(CrossSigningTestCase):
    async def people(self) -> None:
        await super().people()
        await self.publish(self.alice, self.alices.keys())
        await self.publish(self.bob, self.bobs.keys())

    async def sign(self, user_id: str, target: str, value: Any, token: str | None = None) -> Any:
        """What is wrong with a signature; None: nothing."""
        body = {user_id: {target: value}}
        answer = await self.post(token or self.alice, f"{V3}{SIGN}", body)
        failure = answer["failures"].get(user_id, {}).get(target, {})
        return failure.get("errcode")

    async def signers(self, token: str, name: str = "alice", device: str | None = "A") -> set[str]:
        """The key ids that have signed a device, or a master key, as somebody sees it."""
        answer = await self.query(token, **{name: []})
        user_id = f"@{name}:test"
        where = answer["master_keys"] if device is None else answer["device_keys"][user_id]
        signatures = where[device or user_id].get("signatures", {})
        return {key_id for by in signatures.values() for key_id in by}

    async def test_a_device_of_ones_own(self) -> None:
        await self.people()
        signed = self.alices.self_signing.signed(self.a.identity(), ALICE)
        self.assertIsNone(await self.sign(ALICE, "A", signed))
        # Also what holds nothing but the new signature.
        key_id = self.alices.self_signing.key_id
        only = {ALICE: {key_id: signed["signatures"][ALICE][key_id]}}
        self.assertEqual(await self.sign(ALICE, "A", {**signed, "signatures": only}), None)
        expected = {"ed25519:A", self.alices.self_signing.key_id}
        for token in (self.alice, self.bob):
            self.assertEqual(await self.signers(token), expected)

    async def test_ones_master_key_by_a_device(self) -> None:
        await self.people()
        master = self.alices.keys()["master_key"]
        signed = self.a.key.signed(master, ALICE)
        self.assertIsNone(await self.sign(ALICE, self.alices.master.public, signed))
        self.assertEqual(await self.signers(self.bob, device=None), {"ed25519:A"})

    async def test_somebody_elses_master_key_which_only_the_signer_sees(self) -> None:
        await self.people()
        signed = self.alices.user_signing.signed(self.bobs.keys()["master_key"], ALICE)
        self.assertIsNone(await self.sign(BOB, self.bobs.master.public, signed))
        expected = {self.alices.user_signing.key_id}
        self.assertEqual(await self.signers(self.alice, "bob", None), expected)
        self.assertEqual(await self.signers(self.bob, "bob", None), set())

    async def test_what_nobody_may_sign_or_has_not_signed(self) -> None:
        await self.people()
        mine, master = self.a.identity(), self.bobs.keys()["master_key"]
        stranger, own = Key("stranger"), self.alices
        forged = {**mine, "signatures": {ALICE: {own.self_signing.key_id: "A" * 86}}}
        for user_id, target, value, errcode in (
            (ALICE, "A", own.user_signing.signed(mine, ALICE), "M_INVALID_SIGNATURE"),
            (ALICE, "A", own.master.signed(mine, ALICE), "M_INVALID_SIGNATURE"),
            (ALICE, "A", stranger.signed(mine, ALICE), "M_INVALID_SIGNATURE"),
            (ALICE, "A", forged, "M_INVALID_SIGNATURE"),
            (ALICE, "A", {**mine, "signatures": {ALICE: {"x": 1}}}, "M_INVALID_SIGNATURE"),
            (ALICE, "A", {**mine, "signatures": {}}, "M_INVALID_SIGNATURE"),
            (ALICE, "A", {**mine, "signatures": 1}, "M_INVALID_SIGNATURE"),
            (ALICE, "A", own.self_signing.signed({**mine, "a": 1}, ALICE), "M_INVALID_SIGNATURE"),
            (ALICE, "A", {"a": 1.5}, "M_INVALID_SIGNATURE"),
            (ALICE, "B", own.self_signing.signed(self.b.identity(), ALICE), "M_NOT_FOUND"),
            (BOB, "B", own.user_signing.signed(self.b.identity(), ALICE), "M_NOT_FOUND"),
            (BOB, "x", own.user_signing.signed(master, ALICE), "M_NOT_FOUND"),
            ("@nobody:test", "x", {}, "M_NOT_FOUND"),
            (BOB, self.bobs.master.public, own.self_signing.signed(master, ALICE), None),
        ):
            found = await self.sign(user_id, target, value)
            self.assertEqual(found, errcode or "M_INVALID_SIGNATURE", f"{target} {value}")
        self.assertEqual(await self.signers(self.alice), {"ed25519:A"})
        self.assertEqual(await self.signers(self.alice, "bob", None), set())

    async def test_what_is_wrong_harms_no_other(self) -> None:
        await self.people()
        good = self.alices.self_signing.signed(self.a.identity(), ALICE)
        body = {ALICE: {"A": good, "x": {}}, BOB: {"B": {}}}
        failures = (await self.post(self.alice, f"{V3}{SIGN}", body))["failures"]
        self.assertEqual({u: set(keys) for u, keys in failures.items()}, {ALICE: {"x"}, BOB: {"B"}})
        self.assertIn(self.alices.self_signing.key_id, await self.signers(self.bob))
        wrong: list[Any] = [{"alice": {}}, {ALICE: []}, {ALICE: {"A": 1}}]
        for bad in wrong:
            self.assertEqual(await self.fails(SIGN, bad), (400, "M_BAD_JSON"))

    async def test_signatures_go_with_what_they_are_on(self) -> None:
        await self.people()
        signed = self.alices.self_signing.signed(self.a.identity(), ALICE)
        await self.sign(ALICE, "A", signed)
        await self.sign(
            ALICE,
            self.alices.master.public,
            self.a.key.signed(self.alices.keys()["master_key"], ALICE),
        )
        # The same keys again lose nothing.
        await self.upload(self.alice, device_keys=self.a.identity())
        self.assertIn(self.alices.self_signing.key_id, await self.signers(self.bob))
        self.a = DeviceOwner(ALICE, "A", "other")
        await self.upload(self.alice, device_keys=self.a.identity())
        self.assertEqual(await self.signers(self.bob), {"ed25519:A"})
        auth = {"auth": password_stage()}
        await self.publish(self.alice, {**KeyOwner(ALICE, "new").keys(), **auth})
        rows = await self.database.fetch("SELECT count(*) FROM key_signatures")
        self.assertEqual(rows, [(0,)])
