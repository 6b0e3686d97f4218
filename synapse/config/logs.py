"""Where the log goes."""

from dataclasses import dataclass

from synapse.config.kinds import FilePath
from synapse.config.options import option


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingConfig:
    """Logging"""

    log_config: str | None = option(
        FilePath('"/etc/matrix-synapse/log.config"'),
        None,
        "A YAML file for Python's logging.config.dictConfig; SIGHUP reads it again. Unless given, "
        "the log goes to standard error.",
    )
