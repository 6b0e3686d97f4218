"""Accounts: registration, login, passwords, devices, profiles."""

from synapse.app.parts.access import Access
from synapse.app.parts.users import Users
from synapse.config.homeserver import HomeserverConfig
from synapse.http.resource import Resource
from synapse.rest.admin.register import AdminRegister
from synapse.rest.client.account import Deactivate, Password, WhoAmI
from synapse.rest.client.devices import DeleteDevices, DeviceList, OneDevice
from synapse.rest.client.login import LoginResource, Refresh
from synapse.rest.client.logout import Logout, LogoutAll
from synapse.rest.client.openid import RequestOpenIdToken
from synapse.rest.client.profiles import Profile, ProfileField
from synapse.rest.client.register import Register, RegisterAvailable


def user_resources(config: HomeserverConfig, access: Access, users: Users) -> list[Resource]:
    auth, sessions = access.auth, access.sessions
    profile_needs_token = (
        config.server.require_auth_for_profile_requests
        or config.server.limit_profile_requests_to_users_who_share_rooms
    )
    return [
        Register(users.registration),
        RegisterAvailable(users.registration),
        AdminRegister(users.shared_secret),
        LoginResource(users.login),
        Refresh(sessions),
        Logout(auth, sessions),
        LogoutAll(auth, sessions),
        WhoAmI(auth),
        Password(auth, users.accounts),
        Deactivate(auth, users.accounts),
        DeviceList(auth, users.devices),
        OneDevice(auth, users.devices),
        DeleteDevices(auth, users.devices),
        RequestOpenIdToken(auth, users.openid, server_name=config.server.server_name),
        Profile(auth, users.profiles, needs_token=profile_needs_token),
        ProfileField(auth, users.profiles, needs_token=profile_needs_token),
    ]
