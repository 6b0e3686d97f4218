"""Stands in for `synapse.app.homeserver` in the tests of synctl: it can start, fail, and end.

The tests put it where `python -m synapse.app.homeserver` finds it first.
"""

import argparse
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config-path", required=True)
    parser.add_argument("--daemonize", action="store_true")
    arguments = parser.parse_args()
    # JSON is YAML too, and needs no import from a virtual environment.
    settings = json.loads(Path(arguments.config_path).read_text())
    if settings.get("fails") == "at once":
        sys.exit("homeserver.yaml: listeners is a number")
    if os.fork():
        os._exit(0)
    os.setsid()
    Path(settings["pid_file"]).write_text(f"{os.getpid()}\n")
    if settings.get("fails") == "in the background":
        with Path(settings["log"]).open("a") as log:
            log.write("The port 8008 is in use\n")
        os._exit(1)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    Path(settings["environment"]).write_text(json.dumps(dict(os.environ)))
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.sendto(b"READY=1\n", os.environ["NOTIFY_SOCKET"])
    time.sleep(60)


main()
