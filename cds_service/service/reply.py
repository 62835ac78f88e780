"""An answer before any framework has it."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response
from werkzeug.datastructures import Headers


@dataclass(slots=True)
class Reply:
    """The status, headers and body of an answer."""

    status: int
    headers: Headers
    body: bytes

    @classmethod
    def of(cls, status: int, body: bytes = b"", content_type: str = "") -> Reply:
        """A reply with what describes its body; one without a body has no ``content_type``."""
        described = [("Content-Type", content_type)] if content_type else []
        return cls(status, Headers([*described, ("Content-Length", str(len(body)))]), body)

    def response(self) -> Response:
        """The same for Flask."""
        response = Response(self.body, self.status)
        response.headers = self.headers
        return response
