"""How long the messages of rooms are kept."""

from dataclasses import dataclass

from synapse.config.composed import ListOf
from synapse.config.kinds import BOOLEAN, Duration
from synapse.config.options import Section, option
from synapse.config.place import Place

_DAY_MS = 86400 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicyConfig:
    """What holds in rooms that say nothing else."""

    min_lifetime_ms: int | None = option(
        Duration("1d"),
        None,
        "At least how long messages should be kept; clients are told, nothing else follows.",
        key="min_lifetime",
    )
    max_lifetime_ms: int | None = option(
        Duration("1y"),
        None,
        "Messages are kept for at most this long; unless given, for ever.",
        key="max_lifetime",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeJobConfig:
    """A job that deletes what has expired."""

    interval_ms: int = option(Duration("12h"), _DAY_MS, "How often it runs.", key="interval")
    shortest_max_lifetime_ms: int | None = option(
        Duration("1d"),
        None,
        "It looks after rooms whose messages are kept for longer than this.",
        key="shortest_max_lifetime",
    )
    longest_max_lifetime_ms: int | None = option(
        Duration("3d"),
        None,
        "It looks after rooms whose messages are kept for at most this long.",
        key="longest_max_lifetime",
    )


class _PurgeJob(Section[PurgeJobConfig]):
    def parse(self, value: object, place: Place) -> PurgeJobConfig:
        job = super().parse(value, place)
        if job.interval_ms == 0:
            raise place.key("interval").error("is 0: a job needs a pause; for example: 12h")
        shortest, longest = job.shortest_max_lifetime_ms, job.longest_max_lifetime_ms
        if shortest is not None and longest is not None and shortest > longest:
            raise place.error("has a shortest_max_lifetime above its longest_max_lifetime")
        return job


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionConfig:
    """Deleting old messages"""

    enabled: bool = option(
        BOOLEAN,
        False,
        "Hide and delete messages that are older than their room's m.room.retention allows.",
    )
    default_policy: RetentionPolicyConfig = option(
        Section(RetentionPolicyConfig), RetentionPolicyConfig(), "For rooms without a policy."
    )
    allowed_lifetime_min_ms: int | None = option(
        Duration("1d"),
        None,
        "Messages are kept for this long whatever a room says.",
        key="allowed_lifetime_min",
    )
    allowed_lifetime_max_ms: int | None = option(
        Duration("1y"),
        None,
        "Messages are kept for no longer than this whatever a room says.",
        key="allowed_lifetime_max",
    )
    purge_jobs: tuple[PurgeJobConfig, ...] = option(
        ListOf(_PurgeJob(PurgeJobConfig)),
        (),
        "When expired messages are deleted; unless given, every day in all rooms.",
    )


class RetentionSection(Section[RetentionConfig]):
    """The mapping, with the bounds checked against each other."""

    def parse(self, value: object, place: Place) -> RetentionConfig:
        retention = super().parse(value, place)
        policy = retention.default_policy
        for low, high, names in (
            (
                retention.allowed_lifetime_min_ms,
                retention.allowed_lifetime_max_ms,
                "allowed_lifetime_min above allowed_lifetime_max",
            ),
            (
                policy.min_lifetime_ms,
                policy.max_lifetime_ms,
                "default_policy whose min_lifetime is above its max_lifetime",
            ),
        ):
            if low is not None and high is not None and low > high:
                raise place.error(f"has an {names}" if names[0] == "a" else f"has a {names}")
        return retention
