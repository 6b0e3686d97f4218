"""Whose certificates a client believes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trust:
    """`authorities` are PEM files; without any, the system's authorities are trusted."""

    authorities: tuple[str, ...] = ()
    minimum_version: str = "1.2"
