"""Which endpoints a listener serves: those of the resources that its configuration names."""

from synapse.app.wiring import Server
from synapse.config.listeners import ListenerConfig
from synapse.http.health import Health, Metrics
from synapse.http.resource import Resource
from synapse.metrics.exposition import Registry
from synapse.rest.admin.register import AdminRegister
from synapse.rest.admin.server_version import ServerVersion
from synapse.rest.client.account import Deactivate, Password, WhoAmI
from synapse.rest.client.account_data import (
    DeleteGlobalAccountData,
    DeleteRoomAccountData,
    GlobalAccountData,
    RoomAccountData,
)
from synapse.rest.client.aliases import AliasesOfRoom, DirectoryVisibility, RoomAlias
from synapse.rest.client.capabilities import Capabilities
from synapse.rest.client.delayed_events import (
    DelayedEventAction,
    DelayedEventList,
    OneDelayedEvent,
    ScheduleEvent,
)
from synapse.rest.client.devices import DeleteDevices, DeviceList, OneDevice
from synapse.rest.client.filters import OneFilter, UploadFilter
from synapse.rest.client.login import LoginResource, Refresh
from synapse.rest.client.logout import Logout, LogoutAll
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
from synapse.rest.client.mutual_rooms import MutualRoomsResource
from synapse.rest.client.notifications import NotificationsResource
from synapse.rest.client.openid import RequestOpenIdToken
from synapse.rest.client.presence import PresenceStatus
from synapse.rest.client.profiles import Profile, ProfileField
from synapse.rest.client.public_rooms import PublicRoomsResource
from synapse.rest.client.push_rules import (
    AllPushRules,
    GlobalPushRules,
    OnePushRule,
    PushRuleActions,
    PushRuleEnabled,
)
from synapse.rest.client.receipts import ReadMarkersResource, ReceiptResource
from synapse.rest.client.register import Register, RegisterAvailable
from synapse.rest.client.relations import RelationsResource, Threads
from synapse.rest.client.reports import ReportEvent, ReportRoom, ReportUser
from synapse.rest.client.retention import RetentionConfiguration
from synapse.rest.client.room_creation import CreateRoom
from synapse.rest.client.room_reading import Context, OneEvent, RoomMessages, TimestampToEvent
from synapse.rest.client.room_send import RedactEvent, SendEvent
from synapse.rest.client.room_state import (
    JoinedMembers,
    JoinedRooms,
    Members,
    State,
    StateWithKey,
    StateWithoutKey,
)
from synapse.rest.client.room_summaries import RoomSummary, UnstableRoomSummary
from synapse.rest.client.room_upgrades import UpgradeRoom
from synapse.rest.client.search import SearchResource
from synapse.rest.client.sliding_sync import SlidingSyncResource
from synapse.rest.client.snapshots import EventAnywhere, Events, InitialSync, RoomInitialSync
from synapse.rest.client.spaces import Hierarchy
from synapse.rest.client.sync import SyncResource
from synapse.rest.client.tags import OneTag, TagsOfRoom
from synapse.rest.client.third_party import (
    LocationOfAlias,
    NetworkDirectory,
    OneProtocol,
    Protocols,
    UserOfId,
)
from synapse.rest.client.thread_subscriptions import ThreadSubscriptionResource
from synapse.rest.client.typing import TypingResource
from synapse.rest.client.user_directory import UserDirectorySearch
from synapse.rest.client.versions import Versions
from synapse.rest.web import Welcome
from synapse.rest.well_known import WellKnownClient, WellKnownServer, WellKnownSupport


def resources_of(server: Server, listener: ListenerConfig, registry: Registry) -> list[Resource]:
    """All resources of a listener. Whatever it is for, it tells that it is alive."""
    names = listener.names()
    resources: list[Resource] = [Health()]
    if "client" in names:
        resources += client_resources(server)
    if "metrics" in names or listener.type == "metrics":
        resources.append(Metrics(registry))
    return resources


def client_resources(server: Server) -> list[Resource]:
    """The client API, and what is found beside it."""
    return [
        *_account_resources(server),
        *_room_resources(server),
        *_sync_resources(server),
        *_server_resources(server),
    ]


def _account_resources(server: Server) -> list[Resource]:
    auth = server.auth
    return [
        Register(server.registration),
        RegisterAvailable(server.registration),
        AdminRegister(server.shared_secret),
        LoginResource(server.login),
        Refresh(server.sessions),
        Logout(auth, server.sessions),
        LogoutAll(auth, server.sessions),
        WhoAmI(auth),
        Password(auth, server.accounts),
        Deactivate(auth, server.accounts),
        DeviceList(auth, server.devices),
        OneDevice(auth, server.devices),
        DeleteDevices(auth, server.devices),
        GlobalAccountData(auth, server.account_data),
        RoomAccountData(auth, server.account_data),
        DeleteGlobalAccountData(auth, server.account_data),
        DeleteRoomAccountData(auth, server.account_data),
        TagsOfRoom(auth, server.tags),
        OneTag(auth, server.tags),
        RequestOpenIdToken(auth, server.openid, server_name=server.config.server.server_name),
        UploadFilter(auth, server.filters),
        OneFilter(auth, server.filters),
        AllPushRules(auth, server.push_rules),
        GlobalPushRules(auth, server.push_rules),
        OnePushRule(auth, server.push_rules),
        PushRuleEnabled(auth, server.push_rules),
        PushRuleActions(auth, server.push_rules),
    ]


def _room_resources(server: Server) -> list[Resource]:
    auth, aliases, memberships = server.auth, server.aliases, server.memberships
    events, state, messages = server.client_events, server.room_state, server.messages
    server_name = server.config.server.server_name
    needs_token = (
        server.config.server.require_auth_for_profile_requests
        or server.config.server.limit_profile_requests_to_users_who_share_rooms
    )
    return [
        CreateRoom(auth, server.room_creation),
        UpgradeRoom(auth, server.room_upgrades),
        JoinRoom(auth, memberships),
        JoinRoomOrAlias(auth, memberships, aliases),
        Knock(auth, memberships, aliases),
        Invite(auth, memberships),
        Leave(auth, memberships),
        Kick(auth, memberships),
        Ban(auth, memberships),
        Unban(auth, memberships),
        Forget(auth, memberships),
        SendEvent(auth, messages, server.delayed_events),
        RedactEvent(auth, messages),
        ScheduleEvent(auth, server.delayed_events),
        DelayedEventList(auth, server.delayed_events),
        OneDelayedEvent(auth, server.delayed_events),
        DelayedEventAction(auth, server.delayed_events),
        State(auth, state, events),
        StateWithKey(auth, state, server.state_events, server.delayed_events, events),
        StateWithoutKey(auth, state, server.state_events, server.delayed_events, events),
        Members(auth, state, events),
        JoinedMembers(auth, state),
        JoinedRooms(auth, state),
        RoomMessages(auth, server.timelines, events),
        OneEvent(auth, server.timelines, events),
        Context(auth, server.timelines, events),
        TimestampToEvent(auth, server.event_by_time),
        ReportEvent(auth, server.reports),
        ReportRoom(auth, server.reports),
        ReportUser(auth, server.reports),
        RelationsResource(auth, server.relations, events),
        Threads(auth, server.relations, events),
        RoomAlias(auth, aliases, server_name=server_name),
        AliasesOfRoom(auth, aliases),
        DirectoryVisibility(auth, aliases),
        PublicRoomsResource(
            auth,
            server.public_rooms,
            server_name=server_name,
            needs_token=not server.config.rooms.allow_public_rooms_without_auth,
        ),
        SearchResource(auth, server.search, events),
        UserDirectorySearch(auth, server.user_directory),
        Hierarchy(auth, server.space_hierarchy),
        RoomSummary(auth, server.room_previews),
        UnstableRoomSummary(auth, server.room_previews),
        MutualRoomsResource(auth, server.mutual_rooms),
        Protocols(auth),
        OneProtocol(auth),
        LocationOfAlias(auth),
        UserOfId(auth),
        NetworkDirectory(auth),
        Profile(auth, server.profile_changes, needs_token=needs_token),
        ProfileField(auth, server.profile_changes, needs_token=needs_token),
    ]


def _sync_resources(server: Server) -> list[Resource]:
    auth = server.auth
    max_timeline_limit = server.config.server.filter_timeline_limit
    return [
        SyncResource(
            auth,
            server.filters,
            server.sync,
            server.presence,
            max_timeline_limit=max_timeline_limit,
        ),
        SlidingSyncResource(
            auth, server.sliding_sync, server.presence, max_timeline_limit=max_timeline_limit
        ),
        PresenceStatus(auth, server.presence),
        InitialSync(auth, server.snapshots, server.client_events),
        RoomInitialSync(auth, server.snapshots, server.client_events),
        Events(auth, server.event_stream, server.client_events),
        EventAnywhere(auth, server.timelines, server.client_events),
        TypingResource(auth, server.typing_notices),
        ReceiptResource(auth, server.receipts),
        ReadMarkersResource(auth, server.receipts),
        ThreadSubscriptionResource(auth, server.thread_subscriptions),
        NotificationsResource(auth, server.notifications, server.client_events),
    ]


def _server_resources(server: Server) -> list[Resource]:
    config = server.config
    max_event_delay_ms = config.rooms.max_event_delay_duration_ms
    return [
        RetentionConfiguration(server.auth, config.retention),
        Versions(delays_events=max_event_delay_ms is not None),
        Capabilities(
            server.auth,
            server.accounts,
            config.registration,
            config.rooms.default_room_version,
            forgets_rooms_on_leave=server.config.rooms.forget_rooms_on_leave,
            max_event_delay_ms=max_event_delay_ms,
        ),
        ServerVersion(),
        WellKnownClient(config.server),
        WellKnownServer(config.server),
        WellKnownSupport(config.server),
        Welcome(config.server),
    ]
