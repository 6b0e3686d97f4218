"""Numbers about the running server."""

from dataclasses import dataclass

from synapse.config.kinds import BOOLEAN
from synapse.config.options import option


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Metrics"""

    enable_metrics: bool = option(
        BOOLEAN,
        False,
        "Has no effect: metrics for Prometheus are always collected, and listeners with the "
        "metrics resource serve them.",
    )
    report_stats: bool = option(
        BOOLEAN,
        False,
        "Whether anonymous statistics may be sent to matrix.org. This version never sends any.",
    )
