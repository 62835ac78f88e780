"""Guarded HTTP connections: they reach only permitted addresses and end when the time of their call is over.

A host name is resolved once for each connection. Every address it resolves to is judged, and the connection is then
made to one of those same addresses. Because nothing is resolved a second time, an attacker who controls the name
cannot swap the address after it was judged (DNS rebinding; SEC-11, FA-08).
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from cds_service.net.addresses import Reach
from cds_service.net.servers import NotAllowedError

USER_AGENT = "cds-service"
# Guards which connection an ``OutboundCall`` holds: the calling thread sets it, another thread may shut it down.
_holding = threading.Lock()


class OutOfTimeError(Exception):
    """The deadline of a call has passed, or the call was abandoned."""


class OutboundCall:
    """A sequence of GET requests under one deadline, made by one thread and possibly abandoned by another.

    The thread that makes the requests enters the call as a context manager; a guarded session works only there.

    ``reach`` says which addresses may be connected to. ``deadline`` is a moment of ``time.monotonic`` in seconds and
    may be infinite at first: ``on_resolved`` is called, in the calling thread, when a host name has been resolved and
    all its addresses are permitted, and may set a deadline that does not count the look-up. ``status`` is the HTTP
    status of the last answer, ``None`` before there is one.
    """

    def __init__(
        self, reach: Reach, deadline: float, on_resolved: Callable[[OutboundCall], None] | None = None
    ) -> None:
        self.reach = reach
        self.deadline = deadline
        self.abandoned = False
        self.status: int | None = None
        self._on_resolved = on_resolved
        self._connection: _GuardedConnection | None = None

    def __enter__(self) -> OutboundCall:
        _this_thread.call = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _this_thread.call = None
        with _holding:
            self._connection = None

    def seconds_left(self) -> float:
        """Seconds until the deadline; infinite while no deadline is set.

        Raises:
            OutOfTimeError: no time is left, or the call was abandoned.
        """
        seconds = self.deadline - time.monotonic()
        if self.abandoned or seconds <= 0:
            raise OutOfTimeError
        return seconds

    def hold(self, connection: _GuardedConnection) -> None:
        """Remembers the connection in use, so that ``abandon`` can shut it down.

        Raises:
            OutOfTimeError: no time is left, or the call was abandoned.
        """
        with _holding:
            self.seconds_left()
            self._connection = connection
            connection.call_in_use = self

    def abandon(self) -> None:
        """Ends the call from another thread.

        The time limit of a socket alone would not do: it begins anew with each byte, so a server that sends one now
        and then could keep the calling thread for ever.
        """
        with _holding:
            self.abandoned = True
            connection = self._connection
            if connection is None or connection.call_in_use is not self or connection.opened is None:
                return
            with contextlib.suppress(OSError):  # the connection has ended by itself
                socket.socket.shutdown(connection.opened, socket.SHUT_RDWR)

    def connect(self, connection: HTTPConnection, host: str, port: int) -> socket.socket:
        """Opens a socket to the first address of ``host`` that accepts a connection.

        Addresses are tried in the order of the resolver, each with its share of the time that is left.

        Raises:
            NotAllowedError: one of the addresses is not permitted; none of them was connected to.
            OutOfTimeError: no time is left, or the call was abandoned.
            urllib3.exceptions.HTTPError: the name cannot be resolved, or no address accepts a connection.
        """
        try:
            resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(host, connection, error) from error
        except UnicodeError as error:
            raise NewConnectionError(connection, "the name cannot be resolved") from error
        for *_, socket_address in resolved:
            if not self.reach.permits(str(socket_address[0])):
                raise NotAllowedError("the server's name stands for an address that may not be called")
        if self._on_resolved is not None:
            self._on_resolved(self)
        for index, (family, kind, protocol, _, socket_address) in enumerate(resolved):
            opened = socket.socket(family, kind, protocol)
            try:
                opened.settimeout(self.seconds_left() / (len(resolved) - index))
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                opened.connect(socket_address)
                opened.settimeout(self.seconds_left())  # bounds the TLS handshake, which comes next
                return opened
            except TimeoutError as error:
                opened.close()
                failure: Exception = ConnectTimeoutError(connection, "no answer")
                failure.__cause__ = error
            except OSError as error:
                opened.close()
                failure = NewConnectionError(connection, "no connection")
                failure.__cause__ = error
            except OutOfTimeError:
                opened.close()
                raise
        raise failure


class _ThisThread(threading.local):
    call: OutboundCall | None = None


_this_thread = _ThisThread()


def _current_call() -> OutboundCall:
    if _this_thread.call is None:
        raise OutOfTimeError
    return _this_thread.call


class _GuardedConnection(HTTPConnection):
    """A connection that is opened by the call of its thread.

    ``opened`` is its socket. The attribute ``sock`` would not do for ``abandon``: it is ``None`` as soon as the headers
    of an answer with ``Connection: close`` have come, while the body is still to be read.
    """

    call_in_use: OutboundCall | None = None
    opened: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        return _current_call().connect(self, self.host, self.port or self.default_port)

    def connect(self) -> None:
        super().connect()
        self.opened = self.sock

    def request(self, *args: Any, **more: Any) -> None:
        _current_call().hold(self)
        super().request(*args, **more)


class _GuardedTlsConnection(_GuardedConnection, HTTPSConnection):
    pass


class _GuardedPool(HTTPConnectionPool):
    ConnectionCls = _GuardedConnection


class _GuardedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTlsConnection


POOLS: Mapping[str, type[HTTPConnectionPool]] = {"http": _GuardedPool, "https": _GuardedTlsPool}
"""By scheme, the pools whose connections are guarded; to be used only within an ``OutboundCall``."""


class _DropEveryRecord(logging.Filter):
    """urllib3 writes whole URLs into its log, and a patient's id may stand in them (FA-03, ERR-04)."""

    def filter(self, record: logging.LogRecord) -> bool:
        return False


for _name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_DropEveryRecord())
