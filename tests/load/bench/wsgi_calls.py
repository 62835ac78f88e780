"""Calls of the application in this process, as a WSGI server makes them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from flask import Flask


def caller(app: Flask, path: str) -> Callable[[bytes], bytes]:
    """Posts a body of JSON to ``path`` of the application and returns the body of the answer.

    Raises:
        RuntimeError: (the returned function) the answer is not 200.
    """

    def call(body: bytes) -> bytes:
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": path,
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8080",
            "HTTP_HOST": "127.0.0.1:8080",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
            "wsgi.url_scheme": "http",
        }
        statuses: list[str] = []
        answer = b"".join(app.wsgi_app(environ, lambda status, headers, info=None: statuses.append(status)))
        if statuses != ["200 OK"]:
            raise RuntimeError(f"{path} answers {statuses[0] if statuses else 'nothing'}")
        return answer

    return call
