"""`export_signing_key`: prints the public half of signing keys.

With `-x` it prints lines for `old_signing_keys` in homeserver.yaml, which tell other servers until
when the key signed events.
"""

import argparse
import sys
import time
from pathlib import Path

from synapse.crypto.signing import InvalidKey, read_signing_keys

# The old key stays good for the time that the change to the new one may take.
DEFAULT_EXPIRY_MS = 6 * 60 * 60 * 1000


def main() -> None:
    arguments = _parser().parse_args()
    expiry_ts = arguments.expiry_ts
    if expiry_ts is None:
        expiry_ts = int(time.time() * 1000) + DEFAULT_EXPIRY_MS
    for path in arguments.key_files:
        try:
            keys = read_signing_keys(path.read_text(encoding="ascii", errors="replace"))
        except OSError as error:
            sys.exit(f"Cannot read {path}: {error.strerror}")
        except InvalidKey as error:
            sys.exit(f"{path} is no signing key file: {error}")
        for public in (key.verify_key for key in keys):
            if arguments.for_config:
                print(f'"{public.key_id}": {{ key: "{public.base64}", expired_ts: {expiry_ts} }}')
            else:
                print(f"{public.key_id} {public.base64}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Print the public half of signing keys.")
    parser.add_argument("key_files", nargs="+", metavar="KEYFILE", type=Path)
    parser.add_argument(
        *("-x", "--for-config"),
        action="store_true",
        help="print lines for old_signing_keys in homeserver.yaml",
    )
    parser.add_argument(
        *("-e", "--expiry-ts"),
        metavar="MS",
        type=int,
        help="with -x: when the key ends, in milliseconds since 1970; default: in six hours",
    )
    return parser


if __name__ == "__main__":
    main()
