"""Files that appear whole or not at all, and never in place of another."""

import contextlib
import errno
import os
import secrets

from synapse.config.errors import ConfigError

PRIVATE = 0o600
PUBLIC = 0o644

# What file systems without hard links answer: FAT, some network and container mounts.
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


def write_new(path: str, content: str, mode: int) -> bool:
    """Make the file, and its directory. False, and nothing done, if the path is taken."""
    directory = os.path.dirname(os.path.abspath(path))
    temporary = os.path.join(directory, f".{secrets.token_hex(8)}.tmp")
    try:
        os.makedirs(directory, exist_ok=True)
        if os.path.lexists(path):
            return False
        try:
            _write(temporary, content, mode)
            return _give_name(temporary, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
    except OSError as error:
        raise ConfigError(f"{path}: can't be written: {error.strerror}") from None


def _write(path: str, content: str, mode: int) -> None:
    # The mode is given at the birth of the file: a secret is never readable, not for a moment.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _give_name(temporary: str, path: str) -> bool:
    """Unlike a rename, a link fails when somebody else was first."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        os.rename(temporary, path)
    descriptor = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True
