"""The command line of the server: what to run, or which files to make.

    invocation = load(sys.argv[1:])

gives the checked configuration; a request to generate files is fulfilled and ends the process with
status 0, a wrong configuration with 1 and one line, a wrong command line with 2.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from synapse.api.identifiers import is_server_name
from synapse.config import generate
from synapse.config.errors import ConfigError
from synapse.config.existing_files import check_files
from synapse.config.files import Settings, read_settings, yaml_files
from synapse.config.homeserver import HomeserverConfig
from synapse.config.parser import check_no_secrets, parse
from synapse.config.templates import NewServer

_COMMAND_LINE = "the command line"


@dataclass(frozen=True, slots=True)
class Invocation:
    """A configuration to run, and what to tell about it once there is a log."""

    config: HomeserverConfig
    config_files: tuple[str, ...]
    warnings: tuple[str, ...]


def load(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> Invocation:
    """Raises `SystemExit` when there is nothing to run."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if not arguments.config_path:
        parser.error(
            "no configuration: give one with --config-path homeserver.yaml; to make a new one, "
            "add --generate-config --server-name my.domain.name"
        )
    try:
        if arguments.generate_config or arguments.generate_missing_configs:
            _generate(parser, arguments, environ)
            raise SystemExit(0)
        return _load(arguments, environ)
    except ConfigError as error:
        _fail(error)


def _load(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Invocation:
    settings = read_settings(arguments.config_path)
    _apply(arguments, settings)
    if arguments.no_secrets_in_config:
        check_no_secrets(settings)
    generate.generate_secret_files(settings)
    config_directory = _config_directory(arguments)
    config = parse(settings, environ=environ, config_directory=config_directory)
    generate.generate_essentials(config, _data_directory(arguments))
    check_files(config, settings)
    if arguments.manhole is not None:
        settings.warnings.append("--manhole is not supported: no such port is opened")
    files = yaml_files(arguments.config_path)
    return Invocation(config, tuple(map(os.path.abspath, files)), tuple(settings.warnings))


def _apply(arguments: argparse.Namespace, settings: Settings) -> None:
    """Options of the command line go before the files."""
    given: dict[str, object] = {
        key: True
        for key in ("daemonize", "print_pidfile", "enable_registration", "enable_metrics")
        if getattr(arguments, key)
    }
    if arguments.database_path is not None:
        given["database"] = {"name": "sqlite3", "args": {"database": arguments.database_path}}
    settings.values.update(given)
    settings.files.update(dict.fromkeys(given, _COMMAND_LINE))


def _generate(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace, environ: Mapping[str, str]
) -> None:
    path = arguments.config_path[0]
    if os.path.lexists(path):
        _generate_missing(arguments, environ)
    elif not arguments.generate_config:
        read_settings(arguments.config_path)  # says what is missing, and how to make it
    elif len(arguments.config_path) > 1:
        parser.error(f"--generate-config makes one file: give only one --config-path, {path}")
    else:
        _generate_new(parser, arguments, path)


def _generate_missing(arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
    settings = read_settings(arguments.config_path)
    generate.generate_secret_files(settings)
    config = parse(settings, environ=environ, config_directory=_config_directory(arguments))
    generate.generate_missing(config, _data_directory(arguments))
    if arguments.generate_config:
        print(
            f"The config file {arguments.config_path[0]} already exists and was left as it is. "
            "What it names and what was missing has been made."
        )


def _generate_new(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace, path: str
) -> None:
    name = arguments.server_name
    if name is None:
        parser.error("--generate-config needs --server-name, such as my.domain.name")
    if not is_server_name(name):
        parser.error(
            f"--server-name {name!r} is not a server name: give a domain or an IP address, "
            "such as matrix.example.com or matrix.example.com:8448"
        )
    if arguments.report_stats is None:
        print("No --report-stats given: assuming --report-stats=no.")
    new = NewServer(
        server_name=name,
        config_directory=_config_directory(arguments),
        data_directory=_data_directory(arguments),
        database_path=arguments.database_path,
        report_stats=arguments.report_stats == "yes",
        open_private_ports=arguments.open_private_ports,
        enable_registration=arguments.enable_registration,
        enable_metrics=arguments.enable_metrics,
    )
    generate.generate_config(path, new)
    print(
        f"The config file {path} has been made for the server {name}. Please read it, and change "
        "what doesn't suit you, before you start the server."
    )


def _config_directory(arguments: argparse.Namespace) -> str:
    if arguments.config_directory is not None:
        return os.path.abspath(str(arguments.config_directory))
    first: str = os.path.abspath(arguments.config_path[0])
    return first if os.path.isdir(first) else os.path.dirname(first)


def _data_directory(arguments: argparse.Namespace) -> str:
    return os.path.abspath(str(arguments.data_directory))


def _fail(error: ConfigError) -> NoReturn:
    print(f"Error in the configuration: {error}", file=sys.stderr)
    raise SystemExit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m synapse.app.homeserver", description="A Matrix homeserver."
    )
    parser.add_argument(
        "-c",
        "--config-path",
        action="append",
        metavar="FILE",
        help="the configuration: a file, or a directory with *.yaml files; when given several "
        "times, later files go before earlier ones",
    )
    parser.add_argument(
        "--no-secrets-in-config",
        action="store_true",
        help="refuse secrets in the configuration itself: they must be in files of their own",
    )
    _add_running(parser)
    _add_generating(parser)
    return parser


def _add_running(parser: argparse.ArgumentParser) -> None:
    running = parser.add_argument_group("running the server")
    running.add_argument(
        "-D", "--daemonize", action="store_true", help="go into the background; needs pid_file"
    )
    running.add_argument(
        "--print-pidfile", action="store_true", help="print the path of the pid file first"
    )
    running.add_argument("--enable-metrics", action="store_true", help="collect metrics")
    running.add_argument(
        "--enable-registration", action="store_true", help="let anybody register an account"
    )
    running.add_argument("-d", "--database-path", metavar="FILE", help="use this SQLite file")
    # COMPAT: what scripts written for Synapse may say.
    running.add_argument(
        "--generate-missing-and-run", action="store_true", help="the default, when running"
    )
    running.add_argument("-n", "--no-redirect-stdio", action="store_true", help="has no effect")
    running.add_argument("--manhole", metavar="PORT", type=int, help="not supported")


def _add_generating(parser: argparse.ArgumentParser) -> None:
    making = parser.add_argument_group("making files, without running the server")
    making.add_argument(
        "--generate-config",
        action="store_true",
        help="make the configuration and the keys; what exists is never overwritten",
    )
    making.add_argument(
        "--generate-missing-configs",
        "--generate-keys",
        action="store_true",
        help="make the files that the configuration names and that are missing",
    )
    making.add_argument("-H", "--server-name", metavar="NAME", help="the last part of all user ids")
    making.add_argument(
        "--report-stats",
        choices=("yes", "no"),
        help="whether anonymous statistics may be sent; this version never sends any",
    )
    making.add_argument(
        "--config-directory",
        "--keys-directory",
        metavar="DIRECTORY",
        help="where keys and the log config go; unless given, where the configuration is",
    )
    making.add_argument(
        "--data-directory",
        metavar="DIRECTORY",
        default=".",
        help="where the database, the log and the pid file go; unless given, here",
    )
    making.add_argument(
        "--open-private-ports",
        action="store_true",
        help="open the port without TLS to everybody, not only to this machine",
    )
