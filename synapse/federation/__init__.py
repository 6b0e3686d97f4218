"""The server-server API: what homeservers ask of each other."""
