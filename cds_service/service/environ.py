"""A request as Granian hands it over (RSGI), put into the form that Flask reads (WSGI, PEP 3333), and Flask's answer.

https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Flask

from cds_service.protocol.faults import Fault
from cds_service.service.reply import Reply

if TYPE_CHECKING:
    from granian.rsgi import Scope

Environ = dict[str, Any]

FAULT = "cds_service.fault"
"""Where the environment of a request may hold the ``Fault`` that it is answered with, whatever it asks for."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer; ``headers`` have lower-case names."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def of(cls, reply: Reply) -> Answered:
        """The same, of a reply that was made without Flask."""
        return cls(reply.status, [(name.lower(), value) for name, value in reply.headers.items()], reply.body)


def environ_of(scope: Scope) -> Environ:
    """The WSGI environment of a request, as yet with an empty body.

    A header that is named twice has both values, with a comma between (RFC 9110, 5.3).
    """
    host, _, port = scope.server.rpartition(":")
    environ: Environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def refuse_malformed(environ: Environ) -> None:
    """Refuses what HTTP/1.1 has the server refuse, and servers in front of Flask let pass (Z93).

    Raises:
        Fault: 400 for a request of HTTP/1.1 without ``Host`` (RFC 9112, 3.2), 405 for a method that is another one in
            lower case, for methods are told apart by case (RFC 9110, 9.1).
    """
    if "HTTP_HOST" not in environ and environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
        raise Fault(400, "structure", "expected a Host header")
    if environ["REQUEST_METHOD"] != environ["REQUEST_METHOD"].upper():
        raise Fault(405, "not-supported", "this method is not allowed here")


def answer_of(app: Flask, environ: Environ) -> Answered:
    """What ``app`` answers to a request."""
    said: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        said[:] = [int(status.partition(" ")[0]), [(name.lower(), value) for name, value in headers]]

    chunks: Iterable[bytes] = app(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        if (close := getattr(chunks, "close", None)) is not None:
            close()
    status, headers = said
    return Answered(status, headers, body if status != HTTPStatus.NOT_MODIFIED else b"")
