"""`export_signing_key`: prints the public half of signing keys.

With `-x` it prints lines for `old_signing_keys` in homeserver.yaml, which tell other servers until
when the key signed events.
"""

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from nacl.encoding import RawEncoder
from nacl.signing import SigningKey
from unpaddedbase64 import decode_base64, encode_base64

# The old key stays good for the time that the change to the new one may take.
DEFAULT_EXPIRY_MS = 6 * 60 * 60 * 1000


def main() -> None:
    arguments = _parser().parse_args()
    expiry_ts = arguments.expiry_ts
    if expiry_ts is None:
        expiry_ts = int(time.time() * 1000) + DEFAULT_EXPIRY_MS
    try:
        for path in arguments.key_files:
            for key_id, public_key in public_keys(path.read_text(encoding="ascii").splitlines()):
                if arguments.for_config:
                    print(f'"{key_id}": {{ key: "{public_key}", expired_ts: {expiry_ts} }}')
                else:
                    print(f"{key_id} {public_key}")
    except OSError as error:
        sys.exit(f"Cannot read {error.filename}: {error.strerror}")
    except ValueError as error:
        sys.exit(f"{path} is no signing key file: {error}")


def public_keys(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Key id and public key for each line `ed25519 a_XXXX <private key>`. Raises `ValueError`."""
    keys = []
    for line in filter(None, map(str.strip, lines)):
        words = line.split()
        if len(words) != 3 or words[0] != "ed25519":
            raise ValueError("each line must be `ed25519 a_XXXX <key in unpadded base64>`")
        private_key = SigningKey(decode_base64(words[2]), RawEncoder)
        keys.append((f"ed25519:{words[1]}", encode_base64(bytes(private_key.verify_key))))
    return keys


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
