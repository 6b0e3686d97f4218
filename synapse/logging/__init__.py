"""Logging: set-up, the request's context, and the formatters that log configurations name."""

from synapse.logging.json_format import JsonFormatter, TerseJsonFormatter

__all__ = ["JsonFormatter", "TerseJsonFormatter"]
