"""How much is kept in memory."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from synapse.config.composed import MapOf
from synapse.config.errors import ConfigError
from synapse.config.kinds import NUMBER, Size
from synapse.config.options import Section, option
from synapse.config.place import Place

_VARIABLE = "SYNAPSE_CACHE_FACTOR"
_NOT_IN_NAMES = re.compile(r"[^a-z0-9_]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFactors:
    """By how much the sizes of caches are multiplied."""

    global_factor: float = option(
        NUMBER,
        0.5,
        "By how much to multiply the size of every cache. The environment variable "
        "SYNAPSE_CACHE_FACTOR goes before it.",
    )
    per_cache_factors: Mapping[str, float] = option(
        MapOf(NUMBER, "{get_users_in_room: 2.0}"),
        {},
        "Factors for single caches, instead of global_factor. The environment variables "
        "SYNAPSE_CACHE_FACTOR_<NAME> go before them.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CachesConfig:
    """Caches"""

    factors: CacheFactors = option(
        Section(CacheFactors), CacheFactors(), "The sizes of all caches.", key="caches"
    )
    event_cache_size: int = option(
        Size("10K"), 10 * 1024, "How many events are kept in memory, before the cache factor."
    )

    def factor(self, cache: str) -> float:
        """By how much to multiply the size of this cache."""
        return self.factors.per_cache_factors.get(plain_name(cache), self.factors.global_factor)


def plain_name(cache: str) -> str:
    """Caches are named `*getUsers*` or `getusers` in old configurations: all the same."""
    return _NOT_IN_NAMES.sub("", cache.lower())


def with_environment(caches: CachesConfig, environ: Mapping[str, str]) -> CachesConfig:
    """The factors, where environment variables go before the file's."""
    given = caches.factors
    factors = {plain_name(name): factor for name, factor in given.per_cache_factors.items()}
    global_factor = given.global_factor
    for variable, text in environ.items():
        if variable == _VARIABLE:
            global_factor = _factor(variable, text)
        elif variable.startswith(f"{_VARIABLE}_"):
            factors[plain_name(variable.removeprefix(f"{_VARIABLE}_"))] = _factor(variable, text)
    return replace(
        caches, factors=CacheFactors(global_factor=global_factor, per_cache_factors=factors)
    )


def _factor(variable: str, text: str) -> float:
    try:
        return NUMBER.parse(text, Place(variable))
    except ConfigError as error:
        raise ConfigError(f"environment variable {error}") from None
