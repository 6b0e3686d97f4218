"""What users keep for their clients."""

from synapse.app.parts.settings import Settings
from synapse.handlers.auth import Auth
from synapse.http.resource import Resource
from synapse.rest.client.account_data import (
    DeleteGlobalAccountData,
    DeleteRoomAccountData,
    GlobalAccountData,
    RoomAccountData,
)
from synapse.rest.client.filters import OneFilter, UploadFilter
from synapse.rest.client.push_rules import (
    AllPushRules,
    GlobalPushRules,
    OnePushRule,
    PushRuleActions,
    PushRuleEnabled,
)
from synapse.rest.client.tags import OneTag, TagsOfRoom
from synapse.rest.client.thread_subscriptions import (
    ThreadSubscriptionChanges,
    ThreadSubscriptionResource,
)


def setting_resources(auth: Auth, settings: Settings) -> list[Resource]:
    return [
        GlobalAccountData(auth, settings.account_data),
        RoomAccountData(auth, settings.account_data),
        DeleteGlobalAccountData(auth, settings.account_data),
        DeleteRoomAccountData(auth, settings.account_data),
        TagsOfRoom(auth, settings.tags),
        OneTag(auth, settings.tags),
        UploadFilter(auth, settings.filters),
        OneFilter(auth, settings.filters),
        AllPushRules(auth, settings.push_rules),
        GlobalPushRules(auth, settings.push_rules),
        OnePushRule(auth, settings.push_rules),
        PushRuleEnabled(auth, settings.push_rules),
        PushRuleActions(auth, settings.push_rules),
        ThreadSubscriptionResource(auth, settings.thread_subscriptions),
        ThreadSubscriptionChanges(auth, settings.thread_subscriptions),
    ]
