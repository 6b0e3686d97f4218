"""Push: the rules by which a user is notified."""
