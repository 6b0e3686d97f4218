"""Where the `generate_…` commands put what they made: into a new file, or on the terminal."""

import sys

from synapse.config.errors import ConfigError
from synapse.config.new_files import write_new

STANDARD_OUTPUT = "-"


def put(text: str, path: str, mode: int) -> None:
    """Print the text, or make the file. Exits when there is a file already: it may hold secrets."""
    if path == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    try:
        if not write_new(path, text, mode):
            sys.exit(f"{path} exists already, and is left as it is.")
    except ConfigError as error:
        sys.exit(str(error))
