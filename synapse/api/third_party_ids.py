"""Third-party identifiers: e-mail addresses and phone numbers (appendices, "3PID Types")."""

import re
from dataclasses import dataclass

from synapse.api.errors import InvalidParam, MatrixError

EMAIL = "email"
MSISDN = "msisdn"

_LONGEST = 500
# What lies between the quotes of a quoted local part is not ours to judge.
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f<>]+@[^@\s\x00-\x1f\x7f<>]+")
_MSISDN = re.compile(r"[0-9]{4,20}")


@dataclass(frozen=True, slots=True)
class ThirdPartyId:
    """An identifier in its canonical form."""

    medium: str
    address: str

    @classmethod
    def of(cls, medium: str, address: str) -> "ThirdPartyId":
        """Raises `InvalidParam`, and 400 `M_THREEPID_MEDIUM_NOT_SUPPORTED`."""
        if medium == EMAIL:
            address = address.strip().casefold()
            if len(address) <= _LONGEST and _EMAIL.fullmatch(address):
                return cls(medium, address)
            raise InvalidParam("'address' must be an e-mail address, such as alice@example.com")
        if medium == MSISDN:
            if _MSISDN.fullmatch(address):
                return cls(medium, address)
            raise InvalidParam(
                "'address' must be a phone number of digits only, such as 4912345678"
            )
        raise MatrixError(
            400,
            "M_THREEPID_MEDIUM_NOT_SUPPORTED",
            f"'medium' must be {EMAIL} or {MSISDN}, not {medium[:100]!r}",
        )
