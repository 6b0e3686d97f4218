"""`synapse_federation_check`: why can't this server and another one talk with each other?

    synapse_federation_check -c homeserver.yaml matrix.org

It walks the way to the other server step by step and prints what it finds, sends it a request that
this server's key signs, and then walks the way by which others come here. The exit status is 1 if
there is a fault.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred

from synapse.app.parts.outbound import Outbound
from synapse.config.errors import ConfigError
from synapse.config.files import read_settings
from synapse.config.homeserver import HomeserverConfig
from synapse.config.parser import parse
from synapse.crypto.signing import InvalidKey, SigningKey, read_signing_keys
from synapse.federation.inspection import Finding, Inspection
from synapse.util.clock import Clock


def main(argv: Sequence[str] | None = None) -> None:
    arguments = _parser().parse_args(argv)
    try:
        config = parse(
            read_settings(arguments.config),
            environ=os.environ,
            config_directory=os.path.dirname(arguments.config[0]),
        )
        key = _signing_key(config)
    except ConfigError as error:
        sys.exit(str(error))

    from twisted.internet import reactor as installed

    reactor: Any = installed
    faults: list[Finding] = []

    async def check() -> None:
        outbound = Outbound(config, reactor, key)
        try:
            faults.extend(await _check(outbound, reactor, arguments.server_name, config))
        finally:
            outbound.close()
            reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(check()))
    reactor.run()
    sys.exit(1 if faults else 0)


async def _check(
    outbound: Outbound, reactor: Any, server: str, config: HomeserverConfig
) -> list[Finding]:
    """Print all that is found; the faults."""
    own = config.server.server_name
    faults = []
    for title, name in ((f"From here to {server}", server), (f"From others to {own}", own)):
        inspection = Inspection(
            outbound.federation_client,
            outbound.well_known,
            outbound.srv_targets,
            outbound.discovery,
            outbound.federation,
            Clock(reactor),
            reactor,
        )
        await inspection.walk_to(name)
        if name != own and not any(finding.is_fault for finding in inspection.findings):
            await inspection.ask_signed(name)
        print(title)
        for finding in inspection.findings:
            print(f"  {'FAULT' if finding.is_fault else 'ok':5}  {finding.step}: {finding.text}")
        faults += [finding for finding in inspection.findings if finding.is_fault]
        if server == own:
            break
    print("There are faults." if faults else "All is well.")
    return faults


def _signing_key(config: HomeserverConfig) -> SigningKey:
    text = config.keys.signing_key
    try:
        if text is None:
            with open(config.keys.signing_key_path, encoding="utf-8") as file:
                text = file.read()
        return read_signing_keys(text)[0]
    except (OSError, UnicodeDecodeError, InvalidKey, IndexError) as error:
        raise ConfigError(f"The signing key can't be read: {error}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Walk the way between this homeserver and another one, and say what is wrong."
    )
    parser.add_argument("server_name", metavar="SERVER_NAME", help="such as matrix.org")
    parser.add_argument(
        *("-c", "--config-path"),
        dest="config",
        action="append",
        required=True,
        metavar="FILE",
        help="this homeserver's configuration; may be given several times",
    )
    return parser


if __name__ == "__main__":
    main()
