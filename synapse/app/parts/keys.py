"""Keys: ours for others to see, others' for us to check, and what we tell about those."""

from collections.abc import Sequence

from synapse.app.parts.ground import Ground
from synapse.config.keys import KeysConfig
from synapse.crypto.own_documents import OldKey
from synapse.crypto.signing import SigningKey, VerifyKey
from synapse.federation.key_fetching import Notaries, ServersThemselves, TrustedNotary
from synapse.federation.keyring import KeyRing
from synapse.federation.notary import Notary
from synapse.federation.own_keys import OwnKeys
from synapse.federation.signature_checks import SignatureChecks
from synapse.federation.wire import Transport
from synapse.storage.stores.server_keys import ServerKeyStore


class Keys:
    """The key ring, and who needs it first."""

    def __init__(
        self,
        ground: Ground,
        transport: Transport,
        published: Sequence[SigningKey],
        notary_keys: Sequence[SigningKey],
    ) -> None:
        """`notary_keys` sign what is told about others' keys; unless there are any, ours do."""
        config, clock = ground.config, ground.clock
        self.own = OwnKeys(
            ground.server_name,
            published,
            _old_keys(config.keys),
            notary_keys or published[:1],
            clock,
            lifetime_ms=config.keys.key_refresh_interval_ms,
        )
        store = ServerKeyStore(ground.database)
        self.ring = KeyRing(
            store,
            ServersThemselves(transport, clock),
            Notaries(transport, clock, _trusted(config.keys)),
            self.own,
            clock,
        )
        self.signature_checks = SignatureChecks(self.ring, clock)
        self.notary = Notary(self.ring, store, self.own, clock)


def _old_keys(config: KeysConfig) -> list[OldKey]:
    return [
        OldKey(VerifyKey.from_base64(key_id, old.key), old.expired_ts)
        for key_id, old in config.old_signing_keys.items()
    ]


def _trusted(config: KeysConfig) -> list[TrustedNotary]:
    return [
        TrustedNotary(
            server.server_name,
            tuple(VerifyKey.from_base64(*key) for key in server.verify_keys.items()),
        )
        for server in config.trusted_key_servers
    ]
