"""Rooms from outside: making them, their names, coming and going."""

from synapse.app.parts.entering import Entering
from synapse.config.homeserver import HomeserverConfig
from synapse.handlers.auth import Auth
from synapse.http.resource import Resource
from synapse.rest.client.aliases import AliasesOfRoom, DirectoryVisibility, RoomAlias
from synapse.rest.client.membership import (
    Ban,
    Forget,
    Invite,
    JoinRoom,
    JoinRoomOrAlias,
    Kick,
    Knock,
    Leave,
    Unban,
)
from synapse.rest.client.room_creation import CreateRoom
from synapse.rest.client.room_upgrades import UpgradeRoom


def room_resources(config: HomeserverConfig, auth: Auth, entering: Entering) -> list[Resource]:
    aliases, memberships = entering.aliases, entering.memberships
    return [
        CreateRoom(auth, entering.creation),
        UpgradeRoom(auth, entering.upgrades),
        JoinRoom(auth, memberships),
        JoinRoomOrAlias(auth, memberships, aliases),
        Knock(auth, memberships, aliases),
        Invite(auth, memberships, entering.third_party_invites),
        Leave(auth, memberships),
        Kick(auth, memberships),
        Ban(auth, memberships),
        Unban(auth, memberships),
        Forget(auth, memberships),
        RoomAlias(auth, aliases),
        AliasesOfRoom(auth, aliases),
        DirectoryVisibility(auth, aliases),
    ]
