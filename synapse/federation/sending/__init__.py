"""What this server tells others: events, and EDUs."""
