"""The texts of generated files."""

import json
import os
import secrets
import string
from dataclasses import dataclass

from synapse.util import base64

# RFC 7919, appendix A.1: the group ffdhe2048, generator 2. Everybody may use the same group, and
# clients know this one to be good.
FFDHE2048 = """\
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""

_CONFIG = """\
# The configuration of this Matrix homeserver. homeserver.sample.yaml and docs/configuration.rst
# explain every key. To check your changes: python -m synapse.config check homeserver.yaml
# This file holds secrets: nobody but the server should be able to read it.

# The last part of all user ids and room aliases. It can't be changed once the server has started.
server_name: {server_name}

# How clients reach the server from outside. Unless given: https://<server_name>/
#public_baseurl: "https://matrix.example.com/"

pid_file: {pid_file}

listeners:
{plain_comment}
  - port: 8008
    type: http
    tls: false
{plain_addresses}
    resources:
      - names: [client, federation]
        compress: false

  # TLS for clients and for other servers.
  - port: 8448
    type: http
    tls: true
    bind_addresses: ["::", "0.0.0.0"]
    resources:
      - names: [client, federation]
        compress: false

# A self-signed certificate, to try things out. For browsers and apps you need another: put its
# files here, or set no_tls: true and let a reverse proxy in front of port 8008 speak TLS.
tls_certificate_path: {certificate}
tls_private_key_path: {certificate_key}
tls_dh_params_path: {dh_parameters}

# SQLite suits a small server. For PostgreSQL see docs/postgres.rst.
database:
  name: sqlite3
  args:
    database: {database}

log_config: {log_config}

# Whether anybody may register an account. register_new_matrix_user adds accounts in either case.
enable_registration: {enable_registration}
{without_verification}
# Whoever knows this secret can register accounts.
registration_shared_secret: {registration_shared_secret}
macaroon_secret_key: {macaroon_secret_key}
form_secret: {form_secret}

# The key that signs what this server says. Keep a copy in a safe place.
signing_key_path: {signing_key}

# Servers that are believed about the keys of others which don't answer. [] trusts nobody.
trusted_key_servers:
  - server_name: "matrix.org"
suppress_key_server_warning: true

enable_metrics: {enable_metrics}
report_stats: {report_stats}
"""

_LOOPBACK_COMMENT = """\
  # Plain HTTP, for this machine only: for a reverse proxy, which tells the client's address."""
_LOOPBACK = """\
    bind_addresses: ["127.0.0.1", "::1"]
    x_forwarded: true"""
_OPEN_COMMENT = """\
  # Plain HTTP, open to everybody."""
_OPEN = """\
    bind_addresses: ["::", "0.0.0.0"]
    x_forwarded: false"""

_LOG_CONFIG = """\
# Where the log goes: see logging.config.dictConfig in Python's manual.
# After a change, send SIGHUP to the server.
version: 1

formatters:
  precise:
    format: "%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s"

handlers:
  file:
    class: logging.handlers.TimedRotatingFileHandler
    formatter: precise
    filename: {log_file}
    when: midnight
    backupCount: 3  # days, besides today
    encoding: utf8

  console:
    class: logging.StreamHandler
    formatter: precise

loggers:
  # One line per request: synapse.access. At DEBUG, synapse.storage.SQL shows every statement.
  synapse.storage.SQL:
    level: INFO

root:
  level: INFO
  handlers: [file, console]

disable_existing_loggers: false
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewServer:
    """What the administrator says about a server that is yet to be made."""

    server_name: str
    config_directory: str
    data_directory: str
    database_path: str | None = None
    report_stats: bool = False
    open_private_ports: bool = False
    enable_registration: bool = False
    enable_metrics: bool = False


def config_text(new: NewServer) -> str:
    """A new homeserver.yaml, with secrets of its own."""

    def beside(suffix: str) -> str:
        return _quoted(os.path.join(new.config_directory, new.server_name + suffix))

    database = new.database_path or os.path.join(new.data_directory, "homeserver.db")
    without = "enable_registration_without_verification: true\n" if new.enable_registration else ""
    return _CONFIG.format(
        server_name=_quoted(new.server_name),
        pid_file=_quoted(os.path.join(new.data_directory, "homeserver.pid")),
        plain_comment=_OPEN_COMMENT if new.open_private_ports else _LOOPBACK_COMMENT,
        plain_addresses=_OPEN if new.open_private_ports else _LOOPBACK,
        certificate=beside(".tls.crt"),
        certificate_key=beside(".tls.key"),
        dh_parameters=beside(".tls.dh"),
        database=_quoted(database if database == ":memory:" else os.path.abspath(database)),
        log_config=beside(".log.config"),
        enable_registration=_quoted(new.enable_registration),
        without_verification=without,
        registration_shared_secret=_quoted(new_secret()),
        macaroon_secret_key=_quoted(new_secret()),
        form_secret=_quoted(new_secret()),
        signing_key=beside(".signing.key"),
        enable_metrics=_quoted(new.enable_metrics),
        report_stats=_quoted(new.report_stats),
    )


def log_config_text(log_file: str) -> str:
    """A new log configuration that writes to `log_file` and to the console."""
    return _LOG_CONFIG.format(log_file=_quoted(log_file))


def signing_key_text() -> str:
    """A new signing key as its file holds it: `ed25519 a_XXXX <seed in unpadded base64>`."""
    name = "a_" + "".join(secrets.choice(string.ascii_letters) for _ in range(4))
    return f"ed25519 {name} {base64.encode(secrets.token_bytes(32)).decode()}\n"


def new_secret() -> str:
    return secrets.token_urlsafe(36)


def _quoted(value: str | bool) -> str:
    # JSON's strings and booleans are YAML's.
    return json.dumps(value, ensure_ascii=False)
