"""The life of events: the writer of each active room, what it knows, and the persister."""
