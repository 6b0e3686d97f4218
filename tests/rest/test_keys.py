"""`/_matrix/key/v2`: our keys, and other servers' keys as we know them."""

from typing import Any

from synapse.config.keys import OldSigningKey
from synapse.crypto.server_keys import read_document
from synapse.crypto.signing import sign_json, verify_json
from tests.crypto.key_documents import DAY_MS, document_of, key_of
from tests.http.client import Answer
from tests.rest.base import KEY, RestTestCase
from tests.storage.fresh import SERVER_NAME

SERVER = "/_matrix/key/v2/server"
QUERY = "/_matrix/key/v2/query"
HOST = "remote.example"


class PublishedKeysTests(RestTestCase):
    async def document(self, path: str = SERVER) -> Any:
        answer = await self.fetch("GET", path)
        self.assertEqual(answer.status, 200)
        return answer.json

    async def test_it_proves_to_be_ours(self) -> None:
        now_ms = self.clock.now_ms()
        document = await self.document()
        read = read_document(document, SERVER_NAME, fetched_ms=now_ms, is_direct=True)
        self.assertEqual({i: key.key for i, key in read.keys.items()}, {KEY.key_id: KEY.verify_key})
        self.assertEqual(read.valid_until_ms, now_ms + DAY_MS)
        self.assertEqual(document["tls_fingerprints"], [])

    async def test_old_forms_of_the_path(self) -> None:
        for path in (f"{SERVER}/", f"{SERVER}/ed25519:a_test", f"{SERVER}/ed25519:unknown"):
            self.assertEqual(await self.document(path), await self.document())

    async def test_it_is_renewed_after_half_of_its_time(self) -> None:
        first = await self.document()
        self.advance(DAY_MS // 2000 - 1)
        self.assertEqual(await self.document(), first)
        self.advance(1)
        later = await self.document()
        self.assertEqual(later["valid_until_ts"], first["valid_until_ts"] + DAY_MS // 2)
        verify_json(later, SERVER_NAME, KEY.verify_key)

    async def test_it_is_valid_for_an_hour_whatever_the_configuration_says(self) -> None:
        self.reconfigure(keys={"key_refresh_interval_ms": 1000})
        await self.document()
        self.advance(3599)
        document = await self.document()
        self.assertGreater(document["valid_until_ts"], self.clock.now_ms() + 3600 * 1000)

    async def test_old_keys(self) -> None:
        old = OldSigningKey(key=key_of(SERVER_NAME, "old").verify_key.base64, expired_ts=5)
        self.reconfigure(keys={"old_signing_keys": {"ed25519:old": old}})
        document = await self.document()
        self.assertEqual(
            document["old_verify_keys"], {"ed25519:old": {"key": old.key, "expired_ts": 5}}
        )

    async def test_certificates(self) -> None:
        await self.document()
        self.server.keys.own.set_certificates([b"\0" * 32])
        document = await self.document()
        self.assertEqual(document["tls_fingerprints"], [{"sha256": "A" * 43}])
        verify_json(document, SERVER_NAME, KEY.verify_key)


class KeyQueryTests(RestTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.until_ms = self.clock.now_ms() + DAY_MS
        self.document = document_of(HOST, until_ms=self.until_ms)
        self.network.answers[HOST] = self.document

    async def query(self, server: str = HOST, **query: Any) -> list[Any]:
        parameters = "&".join(f"{name}={value}" for name, value in query.items())
        answer = await self.fetch("GET", f"{QUERY}/{server}?{parameters}")
        self.assertEqual(answer.status, 200, answer)
        documents: list[Any] = answer.json["server_keys"]
        return documents

    async def post(self, asked: Any) -> Answer:
        return await self.fetch("POST", QUERY, {"server_keys": asked})

    async def test_a_servers_document_with_our_signature(self) -> None:
        (document,) = await self.query()
        self.assertEqual(document, sign_json(self.document, SERVER_NAME, KEY))

    async def test_what_is_known_is_told_without_asking(self) -> None:
        first = await self.query()
        self.network.asked()
        self.assertEqual(await self.query(), first)
        answer = await self.post({HOST: {}})
        self.assertEqual(answer.json["server_keys"], first)
        self.assertEqual(self.network.asked(), [])

    async def test_old_form_with_a_key(self) -> None:
        answer = await self.fetch("GET", f"{QUERY}/{HOST}/ed25519:a")
        self.assertEqual(answer.json["server_keys"], await self.query())

    async def test_the_server_is_asked_again_in_the_second_half(self) -> None:
        await self.query()
        self.network.asked()
        self.advance(DAY_MS // 2000 - 1)
        await self.query()
        self.assertEqual(self.network.asked(), [])
        self.advance(1)
        await self.query()
        self.assertEqual(self.network.asked(), [HOST])

    async def test_the_server_is_asked_if_it_must_be_valid_longer(self) -> None:
        await self.query()
        self.advance(60)
        self.network.asked()
        await self.query(minimum_valid_until_ts=self.until_ms)
        self.assertEqual(self.network.asked(), [])
        await self.query(minimum_valid_until_ts=self.until_ms + 1)
        self.assertEqual(self.network.asked(), [HOST])

    async def test_a_dead_servers_last_word_is_told_for_ever(self) -> None:
        first = await self.query()
        del self.network.answers[HOST]
        self.advance(100 * DAY_MS // 1000)
        self.assertEqual(await self.query(), first)

    async def test_older_documents_with_keys_that_newer_ones_do_not_mention(self) -> None:
        old = await self.query()
        self.advance(3600)
        self.network.answers[HOST] = document_of(
            HOST, key_of(HOST, "b"), until_ms=self.until_ms + DAY_MS
        )
        new = (await self.post({HOST: {"ed25519:b": {}}})).json["server_keys"]
        self.assertEqual(set(new[0]["verify_keys"]), {"ed25519:b"})
        asked = {"ed25519:a": {"minimum_valid_until_ts": 1}, "ed25519:b": {}}
        answer = await self.post({HOST: asked})
        self.assertEqual(answer.json["server_keys"], old + new)

    async def test_many_servers(self) -> None:
        servers = [f"s{n}.example" for n in range(60)]
        for server in servers:
            self.network.answers[server] = document_of(server, until_ms=self.until_ms)
        answer = await self.post({server: {} for server in [*servers, "dead.example", ""]})
        found = [document["server_name"] for document in answer.json["server_keys"]]
        self.assertEqual(found, servers)

    async def test_nobody_answers(self) -> None:
        self.assertEqual(await self.query("dead.example"), [])
        self.assertEqual((await self.post({})).json, {"server_keys": []})

    async def test_no_other_notary_is_asked(self) -> None:
        await self.query("dead.example")
        self.assertEqual(self.network.asked(), ["dead.example"])

    async def test_our_own_document(self) -> None:
        (document,) = await self.query(SERVER_NAME)
        verify_json(document, SERVER_NAME, KEY.verify_key)
        self.assertEqual(self.network.asked(), [])

    async def test_what_is_wrong(self) -> None:
        bad: list[Any] = [7, [], {HOST: 7}, {HOST: {"ed25519:a": 7}}, None]
        for asked in bad:
            answer = await self.post(asked)
            self.assertEqual(answer.status, 400, asked)
        wrong = {HOST: {"ed25519:a": {"minimum_valid_until_ts": "1"}}}
        self.assertEqual((await self.post(wrong)).json["errcode"], "M_BAD_JSON")
        for path in (f"{QUERY}/a%2Fb", f"{QUERY}/{HOST}?minimum_valid_until_ts=x"):
            answer = await self.fetch("GET", path)
            self.assertEqual((answer.status, answer.json["errcode"]), (400, "M_INVALID_PARAM"))

    async def test_nobody_makes_us_ask_endlessly(self) -> None:
        for batch in range(3):
            await self.post({f"s{batch}x{n}.example": {} for n in range(150)})
        self.assertEqual(len(self.network.asked()), 200)
        # Who has spent the budget is still told what is known.
        self.network.answers["s0x0.example"] = document_of("s0x0.example")
        self.assertEqual(await self.query(), [])
        self.advance(2)
        self.assertEqual(len(await self.query()), 1)
