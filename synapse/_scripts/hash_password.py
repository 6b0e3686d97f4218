"""`hash_password`: prints the hash of a password, for a reset by hand in the database.

UPDATE users SET password_hash='…' WHERE name='@user:example.com'
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from synapse._scripts.prompts import ask_new_password
from synapse._scripts.settings import Unreadable, read_settings
from synapse.util.passwords import DEFAULT_BCRYPT_ROUNDS, hash_password


def main() -> None:
    arguments = _parser().parse_args()
    try:
        settings = read_settings(arguments.config or [])
        password = arguments.password or ask_new_password()
        print(hash_password(password, *_rounds_and_pepper(settings)))
    except (Unreadable, ValueError) as error:
        sys.exit(f"ERROR! {error}")
    except (EOFError, KeyboardInterrupt):
        sys.exit("Stopped: no password was given.")


def _rounds_and_pepper(settings: dict[str, Any]) -> tuple[int, str]:
    password_config = settings.get("password_config") or {}
    pepper = password_config.get("pepper") if isinstance(password_config, dict) else None
    rounds = settings.get("bcrypt_rounds", DEFAULT_BCRYPT_ROUNDS)
    try:
        return int(rounds), str(pepper or "")
    except (TypeError, ValueError):
        raise ValueError(f"bcrypt_rounds must be a number from 4 to 31, not {rounds!r}") from None


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
        type=Path,
        action="append",
        help="homeserver.yaml, if it sets bcrypt_rounds or password_config.pepper",
    )
    return parser


if __name__ == "__main__":
    main()
