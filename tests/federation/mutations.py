"""Events and answers that a hostile server makes of real ones."""

import random
from base64 import b64encode
from copy import deepcopy
from hashlib import sha256
from typing import Any

from synapse.api.room_versions import RoomVersion
from synapse.crypto.signing import SigningKey
from synapse.events import hashing
from synapse.util import canonicaljson


def deep(levels: int) -> Any:
    value: Any = "bottom"
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


class Mutations:
    """Changes values at random; the same ones for the same seed."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def of(self, value: Any) -> Any:
        """A copy in which one to three things are different."""
        changed = deepcopy(value)
        for _ in range(self.chance.randint(1, 3)):
            changed = self._change(changed)
        return changed

    def _change(self, value: Any) -> Any:
        chance = self.chance
        if isinstance(value, dict) and value and chance.random() < 0.9:
            key = chance.choice(list(value))
            pick = chance.random()
            if pick < 0.15:
                del value[key]
            elif pick < 0.25:
                value[self._string(value)] = self.strange(value)
            else:
                value[key] = self._change(value[key])
            return value
        if isinstance(value, list) and value and chance.random() < 0.7:
            place = chance.randrange(len(value))
            pick = chance.random()
            if pick < 0.2:
                del value[place]
            elif pick < 0.3:
                value.append(deepcopy(value[place]))
            else:
                value[place] = self._change(value[place])
            return value
        return self.strange(value)

    def strange(self, value: Any) -> Any:
        """Something else than this value."""
        chance = self.chance
        return chance.choice(
            [
                None,
                True,
                0,
                -1,
                2**53 - 1,
                2**53,
                2**63,
                1.5,
                1e30,
                [],
                {},
                [value],
                {"a": value},
                str(value)[:100],
                self._string(value),
                deep(chance.choice((10, 40))),
                [f"$unknown{number}" for number in range(10_000)],
                [["$unknown", {"sha256": "x"}]],
            ]
        )

    def _string(self, value: Any) -> str:
        return self.chance.choice(
            [
                "",
                "\0",
                "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
                "@alice:ours.test",
                "@nobody:third.test",
                "!other:ours.test",
                "$event",
                "\N{PILE OF POO}" * 80,
                "x" * 70_000,
                "m.room.create",
                "m.room.member",
                "m.room.power_levels",
                "m.room.redaction",
                "leave",
                "state_key",
                "redacts",
                "unsigned",
                "event_id",
            ]
        )


def resigned(
    pdu: dict[str, Any], version: RoomVersion, server: str, key: SigningKey
) -> dict[str, Any]:
    """The event with the right hash and signature for what it is now, if it can have any."""
    try:
        bare = {k: v for k, v in pdu.items() if k not in ("hashes", "signatures", "unsigned")}
        digest = sha256(canonicaljson.encode_lax(bare)).digest()
        hashed = {**bare, "hashes": {"sha256": b64encode(digest).decode().rstrip("=")}}
        signature = key.sign(hashing.essential_bytes(hashed, version)).decode()
    except Exception:  # what is no event can't be signed like one
        return pdu
    return {**hashed, "signatures": {server: {key.key_id: signature}}}
