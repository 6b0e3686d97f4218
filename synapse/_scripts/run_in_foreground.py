"""For `./run`: runs the server in the foreground, and says how to use it once it answers."""

import os
import signal
import subprocess
import sys

from synapse._scripts.partial_config import flat_section, listeners, read_config
from synapse._scripts.processes import MAIN_PROGRAM
from synapse._scripts.readiness import ReadySocket
from synapse._scripts.server_url import server_url
from synapse.config.errors import ConfigError
from synapse.config.tls import TlsConfig

POLL_S = 0.1

EXPLANATION = """
The homeserver runs. Ctrl-C stops it.

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
                print(EXPLANATION.format(url=url, config=config), flush=True)
                sys.exit(server.wait())
    sys.exit(server.returncode or "The homeserver ended before it answered.")


if __name__ == "__main__":
    main()
