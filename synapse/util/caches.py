"""A bounded cache that costs little more than a dictionary.

Two generations: new and recently used entries live in the young one; when it is full, it becomes
the old one, and what the old one still held is forgotten. A hit is one or two dictionary look-ups,
and nothing is ever moved around in a list; the cache holds between half and all of its bound.
"""

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar
from weakref import WeakSet

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# Process-wide, like the memory it divides: the configuration's factor for a cache, by its name.
_factor_of: Callable[[str], float] = lambda name: 0.5  # noqa: E731
# All named caches that are in use, for the metrics.
_in_use: "WeakSet[Cache[object, object]]" = WeakSet()


def set_factors(factor_of: Callable[[str], float]) -> None:
    """Scale the caches that are made from now on (`caches.global_factor` and its kin)."""
    global _factor_of
    _factor_of = factor_of


def in_use() -> "list[Cache[object, object]]":
    """The named caches of the process."""
    return list(_in_use)


class LoadAbandoned(Exception):
    """Who was loading what others wait for has gone away: one of these should load it."""


class Cache(Generic[K, V]):
    """Maps keys to values that aren't None, and forgets what was not used for the longest time."""

    __slots__ = ("__weakref__", "_half", "_old", "_young", "hits", "misses", "name")

    def __init__(self, size: int, name: str | None = None) -> None:
        """`size`: entries at a cache factor of 1; one without a name is not scaled."""
        scale = 1 if name is None else _factor_of(name)
        self._half = max(16, int(size * scale) // 2)
        self.name = name
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self.hits = 0
        self.misses = 0
        if name is not None:
            _in_use.add(self)  # type: ignore[arg-type]

    def get(self, key: K) -> V | None:
        value = self._young.get(key)
        if value is not None:
            self.hits += 1
            return value
        value = self._old.get(key)
        if value is None:
            self.misses += 1
            return None
        self.hits += 1
        self[key] = value
        return value

    def __setitem__(self, key: K, value: V) -> None:
        self._young[key] = value
        if len(self._young) > self._half:
            self._old = self._young
            self._young = {}

    def pop(self, key: K) -> V | None:
        """Forget the entry."""
        young = self._young.pop(key, None)
        old = self._old.pop(key, None)
        return old if young is None else young

    def clear(self) -> None:
        self._young = {}
        self._old = {}

    def __contains__(self, key: K) -> bool:
        return key in self._young or key in self._old

    def __len__(self) -> int:
        return len(self._young) + sum(1 for key in self._old if key not in self._young)

    def __iter__(self) -> Iterator[K]:
        yield from list(self._young)
        yield from [key for key in self._old if key not in self._young]
