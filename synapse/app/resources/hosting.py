"""Routes of the server-server API about memberships."""

from synapse.app.parts.hosting import Hosting
from synapse.federation.peers import Peers
from synapse.http.resource import Resource
from synapse.rest.federation.invites import ExchangeThirdPartyInvite, InviteV1, InviteV2, OnBind
from synapse.rest.federation.membership import (
    MakeJoin,
    MakeKnock,
    MakeLeave,
    SendJoinV1,
    SendJoinV2,
    SendKnock,
    SendLeaveV1,
    SendLeaveV2,
)


def hosting_resources(peers: Peers, hosting: Hosting) -> list[Resource]:
    templates, admissions = hosting.templates, hosting.admissions
    return [
        MakeJoin(peers, templates),
        MakeKnock(peers, templates),
        MakeLeave(peers, templates),
        SendJoinV1(peers, admissions, hosting.join_answers, hosting.heavy_questions),
        SendJoinV2(peers, admissions, hosting.join_answers, hosting.heavy_questions),
        SendKnock(peers, admissions, hosting.shown_state),
        SendLeaveV1(peers, admissions),
        SendLeaveV2(peers, admissions),
        InviteV1(peers, hosting.invites),
        InviteV2(peers, hosting.invites),
        ExchangeThirdPartyInvite(peers, hosting.third_party),
        OnBind(hosting.third_party, hosting.onbind_limit),
    ]
