"""`generate_config`: prints a configuration, or makes its file.

Unlike `synapse.app.homeserver --generate-config` it makes none of the keys and certificates that
the configuration names: that is for packages, which make them when they are installed.
"""

import argparse
import os
import sys
from pathlib import Path

from synapse._scripts.output import STANDARD_OUTPUT, put
from synapse.api.identifiers import is_server_name
from synapse.config.new_files import PRIVATE
from synapse.config.templates import NewServer, config_text


def main() -> None:
    parser = _parser()
    arguments = parser.parse_args()
    if not is_server_name(arguments.server_name):
        parser.error(f"{arguments.server_name!r} is no server name such as my.domain.name")
    text = config_text(
        NewServer(
            server_name=arguments.server_name,
            config_directory=os.path.abspath(arguments.config_dir),
            data_directory=os.path.abspath(arguments.data_dir),
            report_stats=arguments.report_stats == "yes",
        )
    )
    if arguments.header_file:
        try:
            text = Path(arguments.header_file).read_text(encoding="utf-8") + "\n" + text
        except OSError as error:
            sys.exit(f"Cannot read {arguments.header_file}: {error.strerror}")
    put(text, arguments.output_file, PRIVATE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Make a homeserver.yaml, with secrets of its own.")
    parser.add_argument("--server-name", required=True, help="such as my.domain.name")
    parser.add_argument(
        "--config-dir", default=".", help="where keys and log configuration will be; default: here"
    )
    parser.add_argument("--data-dir", default=".", help="where the database will be; default: here")
    parser.add_argument("--report-stats", choices=["yes", "no"], default="no")
    # COMPAT: Synapse leaves the secrets out without this option.
    parser.add_argument(
        "--generate-secrets", action="store_true", help="accepted; the secrets are always made"
    )
    parser.add_argument(
        *("-o", "--output-file"),
        metavar="FILE",
        default=STANDARD_OUTPUT,
        help="a new file; default: the terminal",
    )
    parser.add_argument("--header-file", metavar="FILE", help="text to put first, as comments")
    return parser


if __name__ == "__main__":
    main()
