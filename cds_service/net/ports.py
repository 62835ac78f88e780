"""Taking the port that the service is to listen on (Z84)."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

_LOOK_EVERY_SECONDS = 0.02


def claim_port(host: str, port: int) -> socket.socket:
    """Takes a port for this process and those that it starts; keep what is returned as long as they serve.

    Each worker listens with ``SO_REUSEPORT``, and so would those of a second service: the system would share the calls
    between the two, whichever content they have. So the port is first taken for one alone, which fails while anybody
    has it, and then opened to the workers only.

    Raises:
        OSError: somebody has the port (``EADDRINUSE``), or this host or port cannot be listened on.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    claimed = socket.socket(family, kind, protocol)
    try:
        claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that ended lately are nobody's
        claimed.bind(address)
        claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        claimed.close()
        raise
    return claimed


def wait_until_listening(host: str, port: int, is_in_vain: Callable[[], bool]) -> None:
    """Returns when somebody accepts connections on a port of this machine, or when it is in vain to wait."""
    while not is_in_vain():
        try:
            socket.create_connection((host or "localhost", port), timeout=1).close()
        except OSError:
            time.sleep(_LOOK_EVERY_SECONDS)
        else:
            return
