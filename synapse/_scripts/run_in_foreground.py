"""For `./run`: runs the server in the foreground, and says how to use it once it answers."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from synapse._scripts.partial_config import flat_section, listeners, read_config
from synapse._scripts.processes import MAIN_PROGRAM, PidFile
from synapse._scripts.readiness import ReadySocket
from synapse._scripts.server_url import server_url
from synapse.config.errors import ConfigError
from synapse.config.files import Settings
from synapse.config.tls import TlsConfig

POLL_S = 0.1

EXPLANATION = """
{state}

    In a Matrix client on this computer, enter as the homeserver:  {url}

    To add a user, in another terminal:

        venv/bin/register_new_matrix_user -c {config} {url}
"""


def main() -> None:
    config = sys.argv[1]
    try:
        settings = read_config([config])
        no_tls = flat_section(TlsConfig, settings).no_tls
        url = server_url(listeners(settings), no_tls=no_tls)
    except ConfigError as error:
        sys.exit(str(error))
    pid = _running_pid(settings, config)
    if pid is not None:
        _explain(f"The homeserver runs already, with pid {pid}.", url, config)
    else:
        sys.exit(_run(config, url))


def _run(config: str, url: str) -> int:
    """The server's exit status."""
    with ReadySocket() as ready:
        server = subprocess.Popen(
            [sys.executable, "-m", MAIN_PROGRAM, "--config-path", config],
            env=os.environ | {"NOTIFY_SOCKET": ready.path},
        )
        # Ctrl-C reaches the server too, from the terminal: it decides how to end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        while server.poll() is None:
            if ready.wait(POLL_S):
                _explain("The homeserver runs. Ctrl-C stops it.", url, config)
                return server.wait()
    print("The homeserver ended before it answered.", file=sys.stderr)
    return server.returncode or 1


def _explain(state: str, url: str, config: str) -> None:
    print(EXPLANATION.format(state=state, url=url, config=config), flush=True)


def _running_pid(settings: Settings, config: str) -> int | None:
    pid_file = settings.values.get("pid_file")
    if not isinstance(pid_file, str):
        return None
    return PidFile(Path(pid_file), Path(config).absolute()).running_pid()


if __name__ == "__main__":
    main()
