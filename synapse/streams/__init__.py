"""What changed, and who waits for it: positions, tokens, followers, room deltas."""
