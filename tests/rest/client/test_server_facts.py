"""What the server says about itself: versions, capabilities, well-known files, its front page."""

from dataclasses import replace

from synapse import __version__
from synapse.config.server import SupportConfig, SupportContact
from synapse.http.routing import Router
from synapse.rest.well_known import WellKnownServer
from tests.http.client import FakeSite
from tests.rest.base import RestTestCase


class ServerFactsTests(RestTestCase):
    async def test_versions(self) -> None:
        answer = await self.fetch("GET", "/_matrix/client/versions")
        self.assertIn("v1.1", answer.json["versions"])
        self.assertEqual(answer.headers["access-control-allow-origin"], "*")

    async def test_server_version(self) -> None:
        answer = await self.fetch("GET", "/_synapse/admin/v1/server_version")
        self.assertEqual(answer.json, {"server_version": __version__})

    async def test_capabilities(self) -> None:
        self.reconfigure(
            registration={"enable_set_displayname": False}, rooms={"forget_rooms_on_leave": True}
        )
        path = "/_matrix/client/v3/capabilities"
        self.assertEqual((await self.fetch("GET", path)).status, 401)
        answer = await self.fetch("GET", path, token=await self.register("alice"))
        capabilities = answer.json["capabilities"]
        self.assertEqual(capabilities["m.room_versions"]["default"], "12")
        self.assertEqual(capabilities["m.room_versions"]["available"]["1"], "stable")
        self.assertEqual(capabilities["m.change_password"], {"enabled": True})
        self.assertEqual(capabilities["m.set_displayname"], {"enabled": False})
        self.assertEqual(capabilities["m.forget_forced_upon_leave"], {"enabled": True})
        self.assertEqual(
            capabilities["m.profile_fields"], {"enabled": True, "disallowed": ["displayname"]}
        )

    async def test_well_known_client(self) -> None:
        self.reconfigure(
            server={
                "public_baseurl": "https://matrix.test/",
                "default_identity_server": "https://id.test",
                "extra_well_known_client_content": {
                    "org.example": [1],
                    "m.homeserver": {"org.example.more": 2},
                },
            }
        )
        answer = await self.fetch("GET", "/.well-known/matrix/client")
        self.assertEqual(
            answer.json,
            {
                "m.homeserver": {"base_url": "https://matrix.test/", "org.example.more": 2},
                "m.identity_server": {"base_url": "https://id.test"},
                "org.example": [1],
            },
        )
        self.assertEqual(answer.headers["access-control-allow-origin"], "*")

    async def test_well_known_files_that_are_not_configured(self) -> None:
        for name in ("server", "support"):
            answer = await self.fetch("GET", f"/.well-known/matrix/{name}")
            self.assertEqual((answer.status, answer.json["errcode"]), (404, "M_NOT_FOUND"))

    async def test_well_known_server(self) -> None:
        self.reconfigure(server={"serve_server_wellknown": True})
        answer = await self.fetch("GET", "/.well-known/matrix/server")
        self.assertEqual(answer.json, {"m.server": "test:443"})

    async def test_names_that_say_all_there_is_to_say_are_not_delegated(self) -> None:
        for name in ("test:8449", "192.0.2.1", "[2001:db8::1]", "[2001:db8::1]:8449"):
            config = replace(self.config.server, server_name=name, serve_server_wellknown=True)
            site = FakeSite(Router([WellKnownServer(config)]))
            answer = await site.fetch("GET", "/.well-known/matrix/server")
            self.assertEqual((answer.status, answer.json["errcode"]), (404, "M_NOT_FOUND"))

    async def test_the_federation_whitelist(self) -> None:
        path = "/_synapse/client/v1/config/federation_whitelist"
        token = await self.register("alice")
        answer = await self.fetch("GET", path, token=token)
        self.assertEqual((answer.status, answer.json["errcode"]), (404, "M_NOT_FOUND"))
        for whitelist, told in (
            (None, {"whitelist_enabled": False, "whitelist": []}),
            ((), {"whitelist_enabled": True, "whitelist": []}),
            (("b.test", "a.test"), {"whitelist_enabled": True, "whitelist": ["a.test", "b.test"]}),
        ):
            self.reconfigure(
                federation={
                    "federation_whitelist_endpoint_enabled": True,
                    "federation_domain_whitelist": whitelist,
                }
            )
            answer = await self.fetch("GET", path, token=token)
            self.assertEqual((answer.status, answer.json), (200, told))
        answer = await self.fetch("GET", path)
        self.assertEqual((answer.status, answer.json["errcode"]), (401, "M_MISSING_TOKEN"))

    async def test_well_known_support(self) -> None:
        contact = SupportContact(role="m.role.security", matrix_id="@admin:test")
        support = SupportConfig(contacts=(contact,), support_page="https://test/help")
        self.reconfigure(server={"well_known_support": support})
        answer = await self.fetch("GET", "/.well-known/matrix/support")
        self.assertEqual(
            answer.json,
            {
                "contacts": [{"role": "m.role.security", "matrix_id": "@admin:test"}],
                "support_page": "https://test/help",
            },
        )

    async def test_support_falls_back_to_the_admin_contact(self) -> None:
        self.reconfigure(server={"admin_contact": "mailto:admin@test"})
        answer = await self.fetch("GET", "/.well-known/matrix/support")
        contact = {"role": "m.role.admin", "email_address": "admin@test"}
        self.assertEqual(answer.json, {"contacts": [contact]})

    async def test_front_page(self) -> None:
        answer = await self.fetch("GET", "/")
        self.assertEqual(answer.status, 200)
        self.assertIn(b"The server is running", answer.body)
        self.assertTrue(answer.headers["content-type"].startswith("text/html"))

    async def test_front_page_leads_to_the_web_client(self) -> None:
        self.reconfigure(server={"web_client_location": "https://app.test/"})
        answer = await self.fetch("GET", "/")
        self.assertEqual((answer.status, answer.headers["location"]), (302, "https://app.test/"))
