"""What is told of the keys of users of ours, to clients and to other servers."""

from synapse.handlers.keys.answers import KeyAnswer, Wanted, is_wanted
from synapse.storage.stores.cross_signing import CrossSigningStore
from synapse.storage.stores.device_keys import DeviceKeyStore
from synapse.storage.stores.names import Names


class LocalKeys:
    """Reads them."""

    def __init__(
        self, store: DeviceKeyStore, cross_signing: CrossSigningStore, names: Names
    ) -> None:
        self._store = store
        self._cross_signing = cross_signing
        self._names = names

    async def of(
        self, wanted: Wanted, viewer: str | None = None, *, with_names: bool = True
    ) -> KeyAnswer:
        """The keys of users of ours, with the signatures that the viewer may see; None: with those
        that everybody may. A user who is not in the answer is not known."""
        answer = KeyAnswer()
        nids = await self._names.nids(list(wanted))
        if not nids:
            return answer
        names = {nid: user_id for user_id, nid in nids.items()}
        answer.device_keys = {user_id: {} for user_id in nids}
        for device in await self._store.identities(list(names)):
            user_id = names[device.user_nid]
            if is_wanted(device.device_id, wanted[user_id]):
                display_name = device.display_name if with_names else None
                answer.add_device(user_id, device.device_id, device.json, display_name)
        for user_nid, keys in (await self._cross_signing.of_users(list(names))).items():
            user_id = names[user_nid]
            answer.add_keys(user_id, keys, with_user_signing=user_id == viewer)
        await self.add_signatures(answer, names, viewer)
        return answer

    async def add_signatures(
        self, answer: KeyAnswer, names: dict[int, str], viewer: str | None
    ) -> None:
        """Add what users said later of their own keys, and what the viewer says of any."""
        viewer_nid = None if viewer is None else await self._names.nid(viewer)
        signatures = await self._cross_signing.signatures(list(names), viewer_nid)
        if viewer is not None and viewer_nid is not None:
            names = {**names, viewer_nid: viewer}
        answer.add_signatures(signatures, names)
