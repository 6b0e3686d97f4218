"""What the authorisation rules raise."""

from synapse.api.errors import Forbidden


class AuthError(Forbidden):
    """403 `M_FORBIDDEN`: a rule rejects the event; the text says which, in words for users."""
