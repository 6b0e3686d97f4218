"""Making a new server's files, and those that are missing of an old one."""

import os
from dataclasses import dataclass

from synapse.config.errors import ConfigError
from synapse.config.files import Settings, parse_yaml
from synapse.config.homeserver import HomeserverConfig
from synapse.config.new_files import PRIVATE, PUBLIC, write_new
from synapse.config.parser import parse
from synapse.config.templates import (
    FFDHE2048,
    NewServer,
    config_text,
    log_config_text,
    new_secret,
    signing_key_text,
)

_SECRET_IN_FILE = "registration_shared_secret_path"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that is missing, and what to put in."""

    what: str
    path: str
    content: str
    mode: int


def generate_config(path: str, new: NewServer) -> None:
    """Make the configuration and all that it names. The configuration comes last.

    So whoever finds a configuration finds the rest, also if we are killed in between.
    """
    content = config_text(new)
    settings = Settings(values=parse_yaml(content.encode(), path))
    config = parse(settings, config_directory=new.config_directory)
    generate_missing(config, new.data_directory)
    _make_directory(new.data_directory)
    _make(NewFile("config file", path, content, PRIVATE))


def generate_missing(config: HomeserverConfig, data_directory: str) -> None:
    """Make the files that the configuration names and that don't exist."""
    generate_essentials(config, data_directory)
    for file in _tls_files(config):
        _make(file)


def generate_essentials(config: HomeserverConfig, data_directory: str) -> None:
    """Of those, make only what no server can do without: certificates are another's business."""
    log_config = config.logging.log_config
    if log_config and not os.path.lexists(log_config):
        log_file = os.path.join(os.path.abspath(data_directory), "homeserver.log")
        _make(NewFile("log config file", log_config, log_config_text(log_file), PUBLIC))
    key = config.keys.signing_key_path
    if config.keys.signing_key is None and not os.path.lexists(key):
        _make(NewFile("signing key file", key, signing_key_text(), PRIVATE))


def generate_secret_files(settings: Settings) -> None:
    """Make the file of registration_shared_secret_path: parsing wants to read it."""
    path = settings.values.get(_SECRET_IN_FILE)
    if isinstance(path, str) and path and "\0" not in path and not os.path.lexists(path):
        _make(NewFile("registration secret file", path, new_secret() + "\n", PRIVATE))


def _tls_files(config: HomeserverConfig) -> list[NewFile]:
    certificate, key = config.tls.tls_certificate_path, config.tls.tls_private_key_path
    files = []
    if certificate and key:
        files += _certificate_files(host_of(config.server.server_name), certificate, key)
    parameters = config.tls.tls_dh_params_path
    if parameters and not os.path.lexists(parameters):
        files.append(NewFile("Diffie-Hellman parameters", parameters, FFDHE2048, PUBLIC))
    return files


def _certificate_files(host: str, certificate: str, key: str) -> list[NewFile]:
    """The key comes first: when we are killed in between, the next run certifies that key."""
    if os.path.lexists(certificate):
        if os.path.lexists(key):
            return []
        raise ConfigError(
            f"{key}: there is no such file, but the certificate {certificate} exists: put its "
            "private key there, or move the certificate away to have both made anew"
        )
    # Imported late: cryptography takes longer than all the rest.
    from synapse.config import certificates

    if os.path.lexists(key):
        private, files = _private_key(key), []
    else:
        private = certificates.new_private_key()
        files = [NewFile("TLS private key", key, private, PRIVATE)]
    try:
        pem = certificates.self_signed(host, private)
    except ValueError as error:
        raise ConfigError(f"{key}: is not a private key in PEM: {error}") from None
    return [*files, NewFile("self-signed TLS certificate", certificate, pem, PUBLIC)]


def _private_key(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None


def host_of(server_name: str) -> str:
    """Without port, and without the brackets of an IPv6 address."""
    if server_name.startswith("["):
        return server_name[1 : server_name.index("]")]
    return server_name.partition(":")[0]


def _make(file: NewFile) -> None:
    if write_new(file.path, file.content, file.mode):
        print(f"Generating {file.what} {file.path}")


def _make_directory(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: can't be made: {error.strerror}") from None
