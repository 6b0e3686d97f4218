"""The server as a whole: its name, its public addresses, its process."""

from dataclasses import dataclass
from typing import Any

from synapse.config.composed import JsonObject, ListOf
from synapse.config.kinds import (
    BOOLEAN,
    TEXT,
    Choice,
    FilePath,
    Integer,
    Pattern,
    ServerName,
    Url,
)
from synapse.config.options import Section, option, required
from synapse.config.place import Place

_EMAIL_ADDRESS = Pattern(r"[^@\s]+@[^@\s]+", "an e-mail address", '"admin@example.com"')
_USER_ID = Pattern(r"@[^\s:]+:\S+", "a Matrix user id", '"@admin:example.com"')


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportContact:
    """Somebody to ask about this server."""

    role: str = option(
        Choice(("m.role.admin", "m.role.security", "m.role.moderator", "m.role.dpo")),
        "m.role.admin",
        "What the contact is for.",
    )
    matrix_id: str | None = option(_USER_ID, None, "The contact's Matrix user id.")
    email_address: str | None = option(_EMAIL_ADDRESS, None, "The contact's e-mail address.")


class _Contact(Section[SupportContact]):
    def parse(self, value: object, place: Place) -> SupportContact:
        contact = super().parse(value, place)
        if contact.matrix_id is None and contact.email_address is None:
            raise place.error(
                "has neither matrix_id nor email_address; "
                'for example: email_address: "admin@example.com"'
            )
        return contact


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportConfig:
    """What `/.well-known/matrix/support` says; with neither value there is no such page."""

    contacts: tuple[SupportContact, ...] = option(
        ListOf(_Contact(SupportContact)),
        (),
        "People to ask, each with a matrix_id or an email_address.",
    )
    support_page: str | None = option(Url(), None, "A web page with help.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """The server"""

    server_name: str = required(
        ServerName(),
        "The server's name: the part of every user id and room alias after the colon. It can't be "
        "changed once the server has started for the first time. It may carry a port.",
        example='"matrix.example.com"',
    )
    public_baseurl: str = option(
        Url(slash=True),
        "",
        "The URL at which clients reach this server, told to them by /.well-known/matrix/client. "
        "Unless given it is https://<server_name>/.",
        example='"https://matrix.example.com/"',
    )
    web_client_location: str | None = option(
        Url(),
        None,
        "Where / redirects to, such as a web client. Unless given, / is a page that says that "
        "the server runs.",
        example='"https://app.example.com/"',
    )
    serve_server_wellknown: bool = option(
        BOOLEAN,
        False,
        "Answer /.well-known/matrix/server with <server_name>:443, so that other servers connect "
        "to port 443. Has no effect if server_name has a port or is an address: then nobody looks "
        "for that file.",
    )
    extra_well_known_client_content: dict[str, Any] = option(
        JsonObject("{m.example: {url: https://example.com}}"),
        {},
        "More members for the answer of /.well-known/matrix/client.",
    )
    default_identity_server: str | None = option(
        Url(),
        None,
        "The identity server that /.well-known/matrix/client recommends.",
        example='"https://identity.example.com"',
    )
    well_known_support: SupportConfig = option(
        Section(SupportConfig),
        SupportConfig(),
        "Whom to ask about this server: /.well-known/matrix/support. Without contacts, "
        "admin_contact is used if it is a mailto: link.",
    )
    admin_contact: str | None = option(
        TEXT,
        None,
        "How to reach the administrator, as a URI.",
        example='"mailto:admin@example.com"',
    )
    pid_file: str | None = option(
        FilePath('"/var/run/matrix-synapse.pid"'),
        None,
        "Where the server writes its process id, for synctl. Needed to run as a daemon.",
    )
    daemonize: bool = option(BOOLEAN, False, "Go into the background at start.")
    print_pidfile: bool = option(BOOLEAN, False, "Print pid_file before going into the background.")
    soft_file_limit: int = option(
        Integer(),
        0,
        "How many files and connections may be open at once; 0 means as many as the system "
        "allows (its hard limit).",
    )
    filter_timeline_limit: int = option(
        Integer(-1),
        100,
        "The most events per room that a filter may ask /sync for; -1 means no bound.",
    )
    require_auth_for_profile_requests: bool = option(
        BOOLEAN, False, "Show profiles only to those who are logged in."
    )
    limit_profile_requests_to_users_who_share_rooms: bool = option(
        BOOLEAN,
        False,
        "Show profiles only to those who share a room with the user, and so only to those who are "
        "logged in.",
    )

    @property
    def support_contacts(self) -> tuple[SupportContact, ...]:
        """Whom /.well-known/matrix/support names."""
        contacts = self.well_known_support.contacts
        scheme, _, address = (self.admin_contact or "").partition(":")
        if not contacts and scheme == "mailto" and address:
            return (SupportContact(email_address=address),)
        return contacts

    def __post_init__(self) -> None:
        if not self.public_baseurl:
            object.__setattr__(self, "public_baseurl", f"https://{self.server_name}/")
