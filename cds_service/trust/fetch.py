"""One bounded GET: no redirects, no proxy, no cookies, and only to addresses that may be called. Imports this room.

The name is resolved once, every address it stands for is judged, and the connection is made to one of these very
addresses: nothing is resolved again in between.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from urllib.parse import urlsplit

from cds_service.net.addresses import Reach

_PORTS = {"https": 443, "http": 80}


class FetchError(Exception):
    """Nothing usable came; the message holds nothing of what came."""


def fetch(url: str, *, reach: Reach, seconds: float, most_bytes: int) -> bytes:
    """What stands at ``url``, of at most ``most_bytes``, within ``seconds`` once its name is resolved.

    Raises:
        FetchError: there is none, or it may not be fetched.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    call = _Call(parts.scheme == "https", host, port, reach, seconds)
    watch = threading.Timer(seconds, call.end)  # one byte now and then would otherwise last for ever
    watch.daemon = True
    try:
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
        call.open(watch)
        connection.sock = call.socket
        headers = {"Accept": "application/json", "User-Agent": "cds-service", "Connection": "close"}
        if call.secure and port == _PORTS["https"]:
            headers["Host"] = f"[{host}]" if ":" in host else host
        connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else "") or "/", headers=headers)
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise FetchError(f"it answered {answer.status}")
        body = answer.read(most_bytes + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError("no answer in time" if call.ended else f"no answer: {type(error).__name__}") from None
    finally:
        watch.cancel()
        call.close()
    if call.ended:
        raise FetchError("no answer in time")
    if len(body) > most_bytes:
        raise FetchError("its answer is too large")
    return body


class _Call:
    """The connection of one GET, which a timer may end."""

    def __init__(self, secure: bool, host: str, port: int, reach: Reach, seconds: float) -> None:
        self.secure, self.ended = secure, False
        self.socket: socket.socket | None = None
        self._host, self._port, self._reach, self._seconds = host, port, reach, seconds

    def open(self, watch: threading.Timer) -> None:
        """Connects, and starts the ``watch`` when the name is resolved."""
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        places = [place for *_, place in found]
        if not places or not all(self._reach.permits(str(place[0])) for place in places):
            raise FetchError("its name stands for an address that may not be called")
        watch.start()
        for index, (family, kind, protocol, _, place) in enumerate(found):
            plain = self.socket = socket.socket(family, kind, protocol)
            plain.settimeout(self._seconds / len(found))
            try:
                plain.connect(place)
                break
            except OSError:
                plain.close()
                if index == len(found) - 1:
                    raise
        plain.settimeout(self._seconds)
        if self.secure:
            self.socket = ssl.create_default_context().wrap_socket(plain, server_hostname=self._host)

    def end(self) -> None:
        """Ends it from another thread."""
        self.ended = True
        if self.socket is not None:
            with contextlib.suppress(OSError):  # it had ended by itself
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
