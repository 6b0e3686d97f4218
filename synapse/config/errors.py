"""What is wrong with a configuration, in one line for the administrator."""


class ConfigError(Exception):
    """The configuration can't be used; the text names file, key, value and a good example."""
