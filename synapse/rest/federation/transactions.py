"""`PUT /_matrix/federation/v1/send/{txnId}`"""

from typing import Any, ClassVar

from synapse.federation.floods import Floods
from synapse.federation.peers import Peers
from synapse.federation.transactions import Transactions
from synapse.http.request import Request
from synapse.http.resource import MEBIBYTE, Resource


class SendTransaction(Resource):
    """`PUT /_matrix/federation/v1/send/{txnId}`"""

    PATHS = ("/_matrix/federation/v1/send/{txn_id}",)
    # Fifty events and a hundred EDUs, each of up to 64 KiB.
    MAX_BODY_BYTES: ClassVar[int] = 10 * MEBIBYTE

    def __init__(self, peers: Peers, transactions: Transactions, floods: Floods) -> None:
        self._peers = peers
        self._floods = floods
        self._transactions = transactions

    async def put(self, request: Request, txn_id: str) -> dict[str, Any]:
        origin = await self._peers.origin(request)
        pdus = request.json.array("pdus")
        edus = request.json.optional_array("edus") or []
        async with self._floods.turn(origin):
            return await self._transactions.receive(origin, txn_id, pdus, edus)
