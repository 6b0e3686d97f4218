"""`generate_signing_key`: prints a new signing key, or makes its file."""

import argparse

from synapse._scripts.output import STANDARD_OUTPUT, put
from synapse.config.new_files import PRIVATE
from synapse.config.templates import signing_key_text


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a key that signs a server's events.")
    parser.add_argument(
        *("-o", "--output_file", "--output-file"),
        metavar="FILE",
        default=STANDARD_OUTPUT,
        help="a new file; default: the terminal",
    )
    put(signing_key_text(), parser.parse_args().output_file, PRIVATE)


if __name__ == "__main__":
    main()
