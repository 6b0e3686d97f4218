"""The answer to a request of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synapse.api.errors import MatrixError
from synapse.http.client.errors import RequestFailed, Step
from synapse.http.json_body import parse_json


@dataclass(frozen=True, slots=True)
class Answer:
    """Any answer, of whatever status. Names of headers are in lower case, doubled ones joined."""

    status: int
    headers: Mapping[str, str]
    body: bytes  # decompressed

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body, strictly parsed. Raises `RequestFailed` if it isn't JSON."""
        try:
            return parse_json(self.body)
        except MatrixError as error:
            reason = f"status {self.status} with a body that can't be used: {error.message}"
            raise RequestFailed(Step.HTTP, reason) from None
