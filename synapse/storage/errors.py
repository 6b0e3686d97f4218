"""What can go wrong between the server and its database."""

from synapse.api.errors import MatrixError


class DatabaseRefused(Exception):
    """The server must not start on this database; the text tells an administrator why."""


class ConstraintViolated(Exception):
    """A statement broke a UNIQUE, NOT NULL or CHECK constraint."""


class Overloaded(MatrixError):
    """503: more reads or writes are waiting than the database can answer in time."""

    def __init__(self) -> None:
        super().__init__(503, "M_UNKNOWN", "The server is overloaded, try again later")
        self.headers["Retry-After"] = "1"


class Unavailable(MatrixError):
    """503: the database cannot be reached. Nothing was written.

    Clients are told no more than that; `reason`, also the exception's text, is for the log.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(503, "M_UNKNOWN", "The database cannot be reached, try again later")
        self.headers["Retry-After"] = "5"
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class OutcomeUnknown(MatrixError):
    """503: the connection broke during COMMIT, so the write may be there or not.

    Whoever gets this must forget what it believed the database to hold and read it again.
    """

    def __init__(self) -> None:
        super().__init__(503, "M_UNKNOWN", "The database connection broke, try again later")
        self.headers["Retry-After"] = "5"


def in_one_line(error: Exception) -> str:
    """The error's text for a log line; libpq breaks its own into several."""
    return " ".join(str(error).split())
