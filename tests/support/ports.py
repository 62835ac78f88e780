"""Ports of this machine for the servers that tests start."""

from __future__ import annotations

import secrets
import socket

# Below the range that Linux takes the ports of outgoing connections from (32768 to 60999): of that range any port may
# be somebody's own end of a connection between the moment it is found free and the moment a server binds it.
_FIRST, _LAST = 10_000, 32_000


def free_port() -> int:
    """A port of this machine that nobody listens on, chosen by chance so that runs beside each other do not meet."""
    while True:
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
