"""Errors that end a request: each one is a Matrix error response.

Client-server API, "Standard error response": a status, an `errcode`, a text for people, and
sometimes further members. Raise the most specific one where the fact is known.
"""

from typing import Any


class MatrixError(Exception):
    """Ends the request with `status` and `{"errcode": …, "error": …, **extra}`."""

    def __init__(self, status: int, errcode: str, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        self.errcode = errcode
        self.message = message
        self.extra = extra
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, Any]:
        """The response's JSON object."""
        return {"errcode": self.errcode, "error": self.message, **self.extra}

    @property
    def is_ours(self) -> bool:
        """Whether this server is to blame, and not who asks, nor another server that is asked."""
        return self.status >= 500 and self.status not in (502, 504)

    def __str__(self) -> str:
        return f"{self.status} {self.errcode}: {self.message}"


class Forbidden(MatrixError):
    """403 `M_FORBIDDEN`: the requester may not do this."""

    def __init__(self, message: str = "You are not allowed to do this") -> None:
        super().__init__(403, "M_FORBIDDEN", message)


class NotFound(MatrixError):
    """404 `M_NOT_FOUND`: there is no such thing, or the requester may not know of it."""

    def __init__(self, message: str = "Not found") -> None:
        super().__init__(404, "M_NOT_FOUND", message)


class Unrecognized(MatrixError):
    """404 or 405 `M_UNRECOGNIZED`: no such endpoint, or not with this method."""

    def __init__(self, status: int = 404) -> None:
        super().__init__(status, "M_UNRECOGNIZED", "Unrecognized request")


class NotJson(MatrixError):
    """400 `M_NOT_JSON`: the body isn't JSON."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "M_NOT_JSON", message)


class BadJson(MatrixError):
    """400 `M_BAD_JSON`: JSON, but not of the right shape."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "M_BAD_JSON", message)


class MissingParam(MatrixError):
    """400 `M_MISSING_PARAM`."""

    def __init__(self, name: str) -> None:
        super().__init__(400, "M_MISSING_PARAM", f"Missing parameter: {name}")


class InvalidParam(MatrixError):
    """400 `M_INVALID_PARAM`: a parameter's value is not one that is allowed."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "M_INVALID_PARAM", message)


class TooLarge(MatrixError):
    """413 `M_TOO_LARGE`."""

    def __init__(self, message: str) -> None:
        super().__init__(413, "M_TOO_LARGE", message)


class MissingToken(MatrixError):
    """401 `M_MISSING_TOKEN`."""

    def __init__(self) -> None:
        super().__init__(401, "M_MISSING_TOKEN", "Missing access token")


class UnknownToken(MatrixError):
    """401 `M_UNKNOWN_TOKEN`; `soft_logout` when a refresh can bring the session back."""

    def __init__(self, message: str = "Unknown access token", *, soft_logout: bool = False) -> None:
        super().__init__(401, "M_UNKNOWN_TOKEN", message, soft_logout=soft_logout)


class LimitExceeded(MatrixError):
    """429 `M_LIMIT_EXCEEDED`, with the time to wait in the body and in `Retry-After`."""

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__(
            429, "M_LIMIT_EXCEEDED", "Too many requests", retry_after_ms=retry_after_ms
        )
        # The header counts whole seconds (RFC 9110, section 10.2.3).
        self.headers["Retry-After"] = str(-(-retry_after_ms // 1000))
