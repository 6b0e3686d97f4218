"""What the Matrix specification says answers look like, and the comparison with what they are."""
