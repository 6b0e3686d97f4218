"""Waits for a server's word that it answers, as systemd does: a datagram `READY=1`.

Asking the port instead could be answered by another program that has the port already.
"""

import os
import shutil
import socket
import tempfile
from typing import Self


class ReadySocket:
    """A socket whose `path` goes into the server's environment as NOTIFY_SOCKET."""

    def __enter__(self) -> Self:
        self._folder = tempfile.mkdtemp(prefix="synctl-")
        self.path = os.path.join(self._folder, "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()
        shutil.rmtree(self._folder)

    def wait(self, timeout_s: float) -> bool:
        """Whether the server has become ready within this time."""
        self._socket.settimeout(timeout_s)
        try:
            datagram = self._socket.recv(4096)
        except TimeoutError:
            return False
        return b"READY=1" in datagram.splitlines()
