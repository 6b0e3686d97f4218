"""A bounded cache that costs little more than a dictionary.

Two generations: new and recently used entries live in the young one; when it is full, it becomes
the old one, and what the old one still held is forgotten. A hit is one or two dictionary look-ups,
and nothing is ever moved around in a list; the cache holds between half and all of its bound.
"""

import os
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_factor = float(os.environ.get("SYNAPSE_CACHE_FACTOR", "0.5"))


def set_global_factor(factor: float) -> None:
    """Scale the caches that are made from now on (`caches.global_factor`)."""
    global _factor
    _factor = factor


class Cache(Generic[K, V]):
    """Maps keys to values, and forgets what has not been used for the longest time."""

    __slots__ = ("_half", "_old", "_young", "hits", "misses")

    def __init__(self, size: int, *, scaled: bool = True) -> None:
        """`size`: entries at a cache factor of 1; `scaled=False` keeps it as it is."""
        self._half = max(16, int(size * _factor if scaled else size) // 2)
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self.hits = 0
        self.misses = 0

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
