"""`hash_password`: prints the hash of a password, for a reset by hand in the database.

UPDATE users SET password_hash='…' WHERE name='@user:example.com'
"""

import argparse
import sys

from synapse._scripts.partial_config import flat_section, password_config, read_config
from synapse._scripts.prompts import ask_new_password
from synapse.config.errors import ConfigError
from synapse.config.registration import RegistrationConfig
from synapse.util.passwords import hash_password


def main() -> None:
    arguments = _parser().parse_args()
    try:
        settings = read_config(arguments.config or [])
        rounds = flat_section(RegistrationConfig, settings).bcrypt_rounds
        pepper = password_config(settings).pepper or ""
        print(hash_password(arguments.password or ask_new_password(), rounds, pepper))
    except ConfigError as error:
        sys.exit(f"ERROR! {error}")
    except (EOFError, KeyboardInterrupt):
        sys.exit("Stopped: no password was given.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Print the hash of a password, as the table of users keeps it."
    )
    parser.add_argument(
        "-p", "--password", help="the password; other users of this computer see it"
    )
    parser.add_argument(
        *("-c", "--config"),
        metavar="FILE",
        action="append",
        help="homeserver.yaml, if it sets bcrypt_rounds or password_config.pepper",
    )
    return parser


if __name__ == "__main__":
    main()
