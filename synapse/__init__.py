"""A Matrix homeserver."""

__version__ = "2.0.0"
