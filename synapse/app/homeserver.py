"""The server's main process: `python -m synapse.app.homeserver -c homeserver.yaml`."""

import gc
import logging
import sys
from collections.abc import Sequence

from synapse.config.cli import Invocation, load


def main() -> None:
    run(sys.argv[1:])


def run(argv: Sequence[str]) -> None:
    """Read the configuration, and serve until a signal says otherwise."""
    invocation = load(argv)

    # The rest is imported after the command line was found good, and after a possible fork.
    from synapse.app import process

    process.prepare(invocation.config.server)
    _serve(invocation)


def _serve(invocation: Invocation) -> None:
    from twisted.internet import reactor

    from synapse.app.running import Running, StartError
    from synapse.logging.setup import LogConfigError, LogSetup, log_start

    config = invocation.config
    log_setup = LogSetup(config.logging.log_config)
    try:
        log_setup.start()
    except LogConfigError as error:
        sys.exit(f"Error in the log configuration: {error}")
    log_start(config.server.server_name)
    logger = logging.getLogger(__name__)
    for warning in invocation.warnings:
        logger.warning("%s", warning)

    running = Running(invocation, reactor, log_setup)
    try:
        running.open()
    except StartError as error:
        logger.error("The server can't start: %s", error)
        sys.exit(f"The server can't start: {error}")
    # What was imported and configured lives as long as the process: no need to look at it again.
    gc.collect()
    gc.freeze()
    running.run()


if __name__ == "__main__":
    main()
