"""Entry points, and the wiring that makes a server out of its parts."""
