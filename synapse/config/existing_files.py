"""Whether the files that the configuration names are there, before anything starts."""

import os

from synapse.config.database import MEMORY
from synapse.config.errors import ConfigError
from synapse.config.files import Settings
from synapse.config.homeserver import HomeserverConfig


def check_files(config: HomeserverConfig, settings: Settings) -> None:
    """Raises `ConfigError` for the first one that can't be used."""
    if any(listener.tls for listener in config.listeners):
        for key in ("tls_certificate_path", "tls_private_key_path"):
            _check_readable(
                key,
                getattr(config.tls, key),
                settings,
                "; to have a self-signed one made: python -m synapse.app.homeserver "
                "--generate-missing-configs -c homeserver.yaml",
            )
    if config.tls.tls_dh_params_path and any(listener.tls for listener in config.listeners):
        _check_readable("tls_dh_params_path", config.tls.tls_dh_params_path, settings)
    if config.logging.log_config and os.path.lexists(config.logging.log_config):
        _check_readable("log_config", config.logging.log_config, settings)
    if config.keys.signing_key is None and os.path.lexists(config.keys.signing_key_path):
        _check_readable("signing_key_path", config.keys.signing_key_path, settings)
    for path in config.federation.federation_custom_ca_list:
        _check_readable("federation_custom_ca_list", path, settings)
    if config.database.name == "sqlite3" and config.database.sqlite_path != MEMORY:
        directory = os.path.dirname(config.database.sqlite_path)
        if not os.path.isdir(directory):
            raise _error(settings, "database", f"names a file in {directory}, which doesn't exist")


def _check_readable(key: str, path: str, settings: Settings, hint: str = "") -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        reason = f"names the file {path}, which can't be read: {error.strerror}"
        missing = isinstance(error, FileNotFoundError)
        raise _error(settings, key, reason + (hint if missing else "")) from None


def _error(settings: Settings, key: str, text: str) -> ConfigError:
    return settings.place(key).key(key).error(text)
