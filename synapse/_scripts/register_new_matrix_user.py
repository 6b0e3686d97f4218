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
from synapse._scripts.prompts import ask_admin, ask_localpart, ask_new_password
from synapse._scripts.settings import Unreadable, read_settings

DEFAULT_URL = "http://localhost:8008"
ENDPOINT = "/_synapse/admin/v1/register"


def main() -> None:
    arguments = _parser().parse_args()
    try:
        settings = read_settings(arguments.config or [])
        register(arguments, settings)
    except (Unreadable, Unreachable) as error:
        _fail(str(error))
    except (EOFError, KeyboardInterrupt):
        _fail("Stopped: no answer to the question.")


def register(arguments: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Ask for what the command line leaves out, then make the account. Exits on a refusal."""
    secret = arguments.shared_secret or shared_secret(settings)
    url = arguments.server_url or default_url(settings)
    user = arguments.user or ask_localpart()
    password = _password(arguments)
    admin = ask_admin() if arguments.admin is None else arguments.admin

    certificate = settings.get("tls_certificate_path")
    trusted = Path(certificate) if isinstance(certificate, str) else None
    print("Sending registration request...")
    nonce = request_json("GET", url, ENDPOINT, trusted_certificate=trusted)
    if nonce.status != http.client.OK or not isinstance(nonce.json.get("nonce"), str):
        _refused(nonce)
    body = registration(secret, nonce.json["nonce"], user, password, admin, arguments.user_type)
    answer = request_json("POST", url, ENDPOINT, body, trusted_certificate=trusted)
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


def shared_secret(settings: dict[str, Any]) -> str:
    """`registration_shared_secret`, or what the file at `registration_shared_secret_path` holds."""
    secret = settings.get("registration_shared_secret")
    path = settings.get("registration_shared_secret_path")
    if not secret and path:
        try:
            secret = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            _fail(f"Cannot read registration_shared_secret_path {path}: {error.strerror}")
    if not secret:
        _fail("The configuration has no registration_shared_secret. Give one with -k, or add it.")
    return str(secret)


def default_url(settings: dict[str, Any]) -> str:
    """The server's own address: its first listener for clients, one without TLS if there is."""
    listeners = [one for one in settings.get("listeners") or [] if _serves_clients(one)]
    if settings.get("no_tls"):
        listeners = [one for one in listeners if not one.get("tls")]
    for listener in sorted(listeners, key=lambda one: bool(one.get("tls"))):
        scheme = "https" if listener.get("tls") else "http"
        return f"{scheme}://{_reachable_address(listener)}:{listener['port']}"
    return DEFAULT_URL


def _serves_clients(listener: Any) -> bool:
    if not isinstance(listener, dict) or not listener.get("port"):
        return False
    names = [name for part in listener.get("resources") or [] for name in _names(part)]
    return listener.get("type", "http") == "http" and "client" in names


def _names(resource: Any) -> list[str]:
    names = resource.get("names", []) if isinstance(resource, dict) else []
    return [names] if isinstance(names, str) else list(names)


def _reachable_address(listener: dict[str, Any]) -> str:
    addresses = listener.get("bind_addresses") or [listener.get("bind_address") or "localhost"]
    if {"127.0.0.1", "::1", "0.0.0.0", "::", "", "localhost"}.intersection(addresses):
        return "localhost"
    first = str(addresses[0])
    return f"[{first}]" if ":" in first else first


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
        *("-c", "--config"), metavar="FILE", type=Path, action="append", help="homeserver.yaml"
    )
    secret.add_argument(
        "-k", "--shared-secret", metavar="SECRET", help="registration_shared_secret"
    )
    parser.add_argument("server_url", nargs="?", help=f"default: the config's, or {DEFAULT_URL}")
    return parser


if __name__ == "__main__":
    main()
