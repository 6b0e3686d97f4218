"""`register_new_matrix_user`: makes an account on a running server, be registration open or closed.

It proves that it knows `registration_shared_secret` without sending it: the server hands out a
nonce, and the request carries an HMAC over the nonce and the account's data.
"""

import argparse
import hashlib
import hmac
import http.client
import sys
from pathlib import Path
from typing import Any, NoReturn

from synapse._scripts.admin_http import Answer, Unreachable, request_json
from synapse._scripts.partial_config import flat_section, listeners, read_config
from synapse._scripts.prompts import ask_admin, ask_localpart, ask_new_password
from synapse._scripts.server_url import DEFAULT_URL, server_url
from synapse.config.errors import ConfigError
from synapse.config.files import Settings
from synapse.config.registration import RegistrationConfig
from synapse.config.tls import TlsConfig

ENDPOINT = "/_synapse/admin/v1/register"


def main() -> None:
    arguments = _parser().parse_args()
    try:
        register(arguments, read_config(arguments.config or []))
    except (ConfigError, Unreachable) as error:
        _fail(str(error))
    except (EOFError, KeyboardInterrupt):
        _fail("Stopped: no answer to the question.")


def register(arguments: argparse.Namespace, settings: Settings) -> None:
    """Ask for what the command line leaves out, then make the account. Exits on a refusal."""
    secret = (
        arguments.shared_secret
        or flat_section(RegistrationConfig, settings).registration_shared_secret
        or _fail("The configuration has no registration_shared_secret. Add it, or give it with -k.")
    )
    tls = flat_section(TlsConfig, settings)
    url = arguments.server_url or server_url(listeners(settings), no_tls=tls.no_tls)
    user = arguments.user or ask_localpart()
    password = _password(arguments)
    admin = ask_admin() if arguments.admin is None else arguments.admin

    print("Sending registration request...")
    nonce = request_json("GET", url, ENDPOINT, trusted_certificate=tls.tls_certificate_path)
    if nonce.status != http.client.OK or not isinstance(nonce.json.get("nonce"), str):
        _refused(nonce)
    body = registration(secret, nonce.json["nonce"], user, password, admin, arguments.user_type)
    answer = request_json("POST", url, ENDPOINT, body, trusted_certificate=tls.tls_certificate_path)
    if answer.status == http.client.OK:
        print("Success!")
    elif arguments.exists_ok and answer.json.get("errcode") == "M_USER_IN_USE":
        print("The user exists already.")
    else:
        _refused(answer)


def registration(
    secret: str, nonce: str, user: str, password: str, admin: bool, user_type: str | None
) -> dict[str, Any]:
    """The request's body, with the HMAC that shows knowledge of the secret."""
    signed = [nonce, user, password, "admin" if admin else "notadmin"]
    if user_type:
        signed.append(user_type)
    mac = hmac.new(secret.encode(), "\0".join(signed).encode(), hashlib.sha1)
    body = {
        "nonce": nonce,
        "username": user,
        "password": password,
        "admin": admin,
        "mac": mac.hexdigest(),
    }
    return body | {"user_type": user_type} if user_type else body


def _password(arguments: argparse.Namespace) -> str:
    if arguments.password:
        return str(arguments.password)
    if arguments.password_file:
        try:
            text = Path(arguments.password_file).read_text(encoding="utf-8")
        except OSError as error:
            _fail(f"Cannot read {arguments.password_file}: {error.strerror}")
        return text.rstrip("\r\n") or _fail(f"{arguments.password_file} is empty")
    return ask_new_password()


def _refused(answer: Answer) -> NoReturn:
    print(f"ERROR! Received {answer.status} {answer.reason}")
    if isinstance(answer.json.get("error"), str):
        print(answer.json["error"])
    sys.exit(1)


def _fail(text: str) -> NoReturn:
    print(f"ERROR! {text}", file=sys.stderr)
    sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Make an account on a running homeserver, also when registration is closed."
    )
    parser.add_argument("-u", "--user", help="the part of the user id before the colon")
    password = parser.add_mutually_exclusive_group()
    password.add_argument(
        "-p", "--password", help="the password; other users of this computer see it"
    )
    password.add_argument("--password-file", metavar="FILE", help="a file that holds the password")
    admin = parser.add_mutually_exclusive_group()
    admin.add_argument("-a", "--admin", action="store_const", const=True, help="a server admin")
    admin.add_argument(
        "--no-admin", dest="admin", action="store_const", const=False, help="an ordinary user"
    )
    parser.add_argument("-t", "--user_type", "--user-type", metavar="TYPE", help="such as bot")
    parser.add_argument("--exists-ok", action="store_true", help="succeed when the name is taken")
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument(
        *("-c", "--config"), metavar="FILE", action="append", help="homeserver.yaml"
    )
    secret.add_argument(
        "-k", "--shared-secret", metavar="SECRET", help="registration_shared_secret"
    )
    parser.add_argument("server_url", nargs="?", help=f"default: the config's, or {DEFAULT_URL}")
    return parser


if __name__ == "__main__":
    main()
