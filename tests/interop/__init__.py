"""The real process, driven over real sockets by real clients."""
