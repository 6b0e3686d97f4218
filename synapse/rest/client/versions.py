"""Which versions of the specification the server speaks."""

from typing import Final

from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json

# Clients gate features on these: a version stands here when what it added works.
SPEC_VERSIONS: Final = ("r0.6.1", "v1.1")
# Features ahead of the specification, by their proposals' names.
UNSTABLE_FEATURES: Final[dict[str, bool]] = {
    # What versions of the specification added that stand above only in part.
    "org.matrix.msc2285.stable": True,  # private receipts
    "org.matrix.msc3030.stable": True,  # the event nearest to a time
    "org.matrix.msc3266": True,  # summaries of rooms
    "org.matrix.msc3440.stable": True,  # threads
    "org.matrix.msc3715.stable": True,  # relations in both directions
    "org.matrix.msc3771": True,  # receipts in threads
    "org.matrix.msc3773": True,  # unread counts of threads
    "org.matrix.msc3827.stable": True,  # room types in the directory
    "org.matrix.msc3856.stable": True,  # the list of threads
    "org.matrix.msc3952_intentional_mentions": True,
    "org.matrix.msc3981": True,  # relations of relations
    "org.matrix.e2e_cross_signing": True,
    "com.beeper.msc4169": True,  # redactions with /send
    # What is no part of it.
    "uk.tcpip.msc4133": True,  # profiles with fields of one's own
    "uk.tcpip.msc4133.stable": True,  # … at the stable paths, too
    "org.matrix.msc3026.busy_presence": True,
    "org.matrix.msc3391": True,
    "org.matrix.msc3912": True,
    "org.matrix.msc4155": True,
    "org.matrix.msc4222": True,
    "org.matrix.msc4306": True,
    "org.matrix.msc4380": True,
    "org.matrix.msc4380.stable": True,
    "org.matrix.simplified_msc3575": True,
    "uk.half-shot.msc2666.query_mutual_rooms": True,
}
DELAYED_EVENTS: Final = "org.matrix.msc4140"


class Versions(Resource):
    """`GET /_matrix/client/versions`"""

    PATHS = ("/_matrix/client/versions",)

    def __init__(self, *, delays_events: bool) -> None:
        self._unstable_features = {**UNSTABLE_FEATURES, DELAYED_EVENTS: delays_events}

    async def get(self, request: Request) -> Json:
        return {"versions": list(SPEC_VERSIONS), "unstable_features": dict(self._unstable_features)}
