"""A throwaway PostgreSQL for tests: `python -m tests.postgres -- COMMAND…`.

Starts a cluster of its own in a temporary directory, on a unix socket, without fsync; runs the
command with its address in SYNAPSE_TEST_POSTGRES; stops and removes it. Ends with the command's
status.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "SYNAPSE_TEST_POSTGRES"
_USERS = ("postgres", "nobody")
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "listen_addresses": "",
    "shared_buffers": "64MB",
    "autovacuum": "off",
    "deadlock_timeout": "100ms",
}
_CLUSTER = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")


def main(arguments: Sequence[str]) -> int:
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        sys.stderr.write("Usage: python -m tests.postgres -- COMMAND [ARGUMENT…]\n")
        return 2
    with running() as dsn:
        return subprocess.call(command, env={**os.environ, VARIABLE: dsn})


@contextmanager
def running() -> Iterator[str]:
    """A running PostgreSQL's connection string."""
    programs = _programs()
    # In /tmp itself: the path of a unix socket has room for about 100 bytes.
    directory = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    data = directory / "data"
    user = _unprivileged_user()
    if user is not None:
        os.chown(directory, user.pw_uid, user.pw_gid)
    settings = " ".join(f"-c {key}={value}" for key, value in _SETTINGS.items())
    server = ["-D", str(data), "-w", "-o", f"-k {directory} -c listen_addresses='' {settings}"]
    try:
        _run(
            user,
            [str(programs / "initdb"), "-D", str(data), "-U", "postgres", *_CLUSTER],
        )
        _run(
            user,
            [str(programs / "pg_ctl"), "start", *server, "-l", str(directory / "log")],
        )
        try:
            yield f"host={directory} user=postgres dbname=postgres"
        finally:
            _run(user, [str(programs / "pg_ctl"), "stop", "-D", str(data), "-m", "immediate"])
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _programs() -> Path:
    """Where initdb is: Debian keeps it out of PATH."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else []
    places += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name)
    )
    for place in places:
        if (place / "initdb").exists():
            return place
    raise SystemExit("PostgreSQL's programs aren't installed (Debian: apt-get install postgresql)")


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Who runs the server when we are root, as which PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise SystemExit(f"No user to run PostgreSQL as; one of {', '.join(_USERS)} is needed")


def _run(user: pwd.struct_passwd | None, command: list[str]) -> None:
    done = subprocess.run(
        command,
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else [],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
