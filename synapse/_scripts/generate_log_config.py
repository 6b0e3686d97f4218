"""`generate_log_config`: prints a log configuration, or makes its file."""

import argparse

from synapse._scripts.output import STANDARD_OUTPUT, put
from synapse.config.new_files import PUBLIC
from synapse.config.templates import log_config_text


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a file for log_config in homeserver.yaml.")
    parser.add_argument(
        *("-o", "--output-file"),
        metavar="FILE",
        default=STANDARD_OUTPUT,
        help="a new file; default: the terminal",
    )
    parser.add_argument(
        *("-f", "--log-file"),
        metavar="LOGFILE",
        default="/var/log/matrix-synapse/homeserver.log",
        help="where the server will write its log; default: %(default)s",
    )
    arguments = parser.parse_args()
    put(log_config_text(arguments.log_file), arguments.output_file, PUBLIC)


if __name__ == "__main__":
    main()
