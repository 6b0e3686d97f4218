"""Questions to the person at the terminal."""

import getpass


def ask_new_password() -> str:
    """Ask twice, until both answers are the same and not empty. Raises `EOFError` at the end."""
    while True:
        password = getpass.getpass("Password: ")
        if not password:
            print("The password cannot be empty.")
        elif password == getpass.getpass("Confirm password: "):
            return password
        else:
            print("The passwords do not match.")


def ask_localpart() -> str:
    """The name of a new account; the login name when the answer is empty."""
    login_name = getpass.getuser()
    return input(f"New user localpart [{login_name}]: ").strip() or login_name


def ask_admin() -> bool:
    """Whether the new account is a server admin; no when nobody answers."""
    try:
        return input("Make admin [no]: ").strip().lower() in ("y", "yes", "true")
    except EOFError:
        return False
