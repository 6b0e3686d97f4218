"""Whose certificates a client believes."""

from dataclasses import dataclass

from synapse.util.globs import matches_glob


@dataclass(frozen=True, slots=True)
class Trust:
    """`authorities` are PEM files; without any, the system's authorities are trusted."""

    authorities: tuple[str, ...] = ()
    minimum_version: str = "1.2"
    # Names, in which * stands for any text, of servers that need not prove to be these.
    exempt: tuple[str, ...] = ()

    def is_exempt(self, name: str) -> bool:
        """Whether the certificate of the server of this name is not looked at."""
        name = name.lower()
        return any(matches_glob(pattern.lower(), name) for pattern in self.exempt)
