"""This server's keys as others see them."""

from collections.abc import Sequence

from synapse.crypto.own_documents import OldKey, own_document, with_notary_signatures
from synapse.crypto.server_keys import KnownKeys, ServerKey
from synapse.crypto.signing import SigningKey
from synapse.util import canonicaljson
from synapse.util.clock import Clock

# With the half after which it is renewed, no document is handed out that ends within the hour.
_SHORTEST_LIFETIME_MS = 2 * 3600 * 1000
_FOR_EVER_MS = 2**53 - 1


class OwnKeys:
    """Publishes our keys. The document is signed once for half of its lifetime."""

    def __init__(
        self,
        server_name: str,
        keys: Sequence[SigningKey],
        old_keys: Sequence[OldKey],
        notary_keys: Sequence[SigningKey],
        clock: Clock,
        *,
        lifetime_ms: int,
    ) -> None:
        """`notary_keys` sign what we say about others; `keys` all else."""
        self.server_name = server_name
        self._keys = keys
        self._old_keys = old_keys
        self._notary_keys = notary_keys
        self._clock = clock
        self._lifetime_ms = max(lifetime_ms, _SHORTEST_LIFETIME_MS)
        self._certificates: tuple[bytes, ...] = ()
        self._document = b""
        self._renewed_at_ms = 0

    def set_certificates(self, fingerprints: Sequence[bytes]) -> None:
        """The listeners' certificates are new. SHA-256 of each."""
        self._certificates = tuple(fingerprints)
        self._document = b""

    def document(self) -> bytes:
        """The JSON that `/_matrix/key/v2/server` answers."""
        now_ms = self._clock.now_ms()
        if not self._document or now_ms >= self._renewed_at_ms:
            self._renewed_at_ms = now_ms + self._lifetime_ms // 2
            document = own_document(
                self.server_name,
                self._keys,
                self._old_keys,
                valid_until_ms=now_ms + self._lifetime_ms,
                certificates=self._certificates,
            )
            self._document = canonicaljson.encode(document)
        return self._document

    def notarise(self, document: bytes) -> bytes:
        """A checked document of any server, with our signature as its notary."""
        parsed = canonicaljson.decode_lax(document)
        return with_notary_signatures(parsed, self.server_name, self._notary_keys)

    def known(self) -> KnownKeys:
        """The same keys in the form in which we know those of others."""
        current = {
            key.key_id: ServerKey(key.verify_key, _FOR_EVER_MS, None, 0) for key in self._keys
        }
        old = {
            old.key.key_id: ServerKey(old.key, _FOR_EVER_MS, old.expired_ms, 0)
            for old in self._old_keys
        }
        return {**old, **current}
