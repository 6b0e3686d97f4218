"""Who is at the other end, and behind which proxy."""

from functools import lru_cache
from ipaddress import ip_address


def peer_ip(peer: object) -> str:
    """The address of a transport's peer; a Unix socket's peer is this machine."""
    host = getattr(peer, "host", None)
    # An IPv4 client of a dual-stack socket.
    return host.removeprefix("::ffff:") if isinstance(host, str) else "127.0.0.1"


@lru_cache(maxsize=4096)
def forwarded_ip(header: bytes) -> str | None:
    """The client's address by `X-Forwarded-For`; `None` if it says no address.

    The first entry is taken, so the proxy must *set* the header and not append to what it was
    sent: otherwise clients choose their address themselves.
    """
    text = header.partition(b",")[0].strip().decode("latin-1")
    if text.startswith("["):  # [2001:db8::1]:443
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 192.0.2.1:443
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
