"""Connections that go where they may, and end when their time is over. Imports this room and what judges addresses.

A name is resolved once for each connection, every address it stands for is judged, and the connection is made to one
of these very addresses: nothing is resolved again in between (no DNS rebinding).
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.retry import Retry

from cds_service.net.addresses import Reach
from cds_service.net.servers import NotAllowedError

_ACCEPT = "application/fhir+json, application/json;q=0.9"
_holding = threading.Lock()


class OutOfTimeError(Exception):
    """The time of a call is over."""


class Call:
    """One search under way, from the thread that makes it. ``deadline`` is a moment of ``time.monotonic``.

    ``status`` is that of the last answer, ``None`` before there is one.
    """

    def __init__(self, reach: Reach, deadline: float) -> None:
        self.reach = reach
        self.deadline = deadline
        self.over = False
        self.status: int | None = None
        self._connection: _Connection | _SecureConnection | None = None

    def __enter__(self) -> Call:
        _this_thread.call = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _this_thread.call = None
        with _holding:
            self._connection = None

    def left(self) -> float:
        """Seconds that are left.

        Raises:
            OutOfTimeError: none.
        """
        seconds = self.deadline - time.monotonic()
        if self.over or seconds <= 0:
            raise OutOfTimeError
        return seconds

    def hold(self, connection: _Connection | _SecureConnection) -> None:
        """Notes the connection in use, for ``abandon``.

        Raises:
            OutOfTimeError: it must not be used any more.
        """
        with _holding:
            self.left()
            self._connection = connection
            connection.call_in_use = self

    def abandon(self) -> None:
        """Ends the call from another thread: a server that sends a byte now and then would keep it for ever."""
        with _holding:
            self.over = True
            connection = self._connection
            if connection is None or connection.call_in_use is not self or connection.sock is None:
                return
            with contextlib.suppress(OSError):  # it had ended by itself
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    def connect(self, connection: HTTPConnection, host: str, port: int) -> socket.socket:
        """A socket connected to one of the addresses of ``host``.

        Raises:
            NotAllowedError: one of its addresses must not be called; nothing was sent to any.
            OutOfTimeError: no time is left.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(host, connection, error) from None
        except UnicodeError:
            raise NewConnectionError(connection, "the name cannot be resolved") from None
        for *_, place in found:
            if not self.reach.permits(str(place[0])):
                raise NotAllowedError("the server's name stands for an address that may not be called")
        for index, (family, kind, protocol, _, place) in enumerate(found):
            opened = socket.socket(family, kind, protocol)
            try:
                opened.settimeout(self.left() / (len(found) - index))
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                opened.connect(place)
                opened.settimeout(self.left())
                return opened
            except TimeoutError:
                opened.close()
                last: Exception = ConnectTimeoutError(connection, "no answer")
            except OSError:
                opened.close()
                last = NewConnectionError(connection, "no connection")
            except OutOfTimeError:
                opened.close()
                raise
        raise last


class _ThisThread(threading.local):
    call: Call | None = None


_this_thread = _ThisThread()


def _call() -> Call:
    if _this_thread.call is None:
        raise OutOfTimeError
    return _this_thread.call


class _Connection(HTTPConnection):
    call_in_use: Call | None = None

    def _new_conn(self) -> socket.socket:
        return _call().connect(self, self.host, self.port or self.default_port)

    def request(self, *args: Any, **more: Any) -> None:
        _call().hold(self)
        super().request(*args, **more)


class _SecureConnection(HTTPSConnection):
    call_in_use: Call | None = None

    def _new_conn(self) -> socket.socket:
        return _call().connect(self, self.host, self.port or self.default_port)

    def request(self, *args: Any, **more: Any) -> None:
        _call().hold(self)
        super().request(*args, **more)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None is followed, nor the body of one read."""


def open_session(connections: int, ca_bundle: str | None) -> requests.Session:
    """A session for one server: no proxies, cookies, netrc or redirects; GETs are tried again, at most twice.

    ``ca_bundle`` is a file of certificates to trust instead of the usual ones. Calls go through it only within a
    ``Call``.
    """
    again = Retry(
        total=2,
        connect=1,
        read=1,
        status=1,
        other=0,
        redirect=0,
        status_forcelist=(502, 503, 504),
        allowed_methods=("GET",),
        backoff_factor=0.02,
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    session = _Session()
    session.trust_env = False
    session.verify = ca_bundle or True
    session.headers.update({"Accept": _ACCEPT, "User-Agent": "cds-service"})
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    adapter = _Adapter(pool_connections=1, pool_maxsize=connections, max_retries=again)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _NoAddresses(logging.Filter):
    """urllib3 writes whole URLs into its log, with the patient's id in them (FA-03, ERR-04)."""

    def filter(self, record: logging.LogRecord) -> bool:
        return False


for _name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_NoAddresses())
