"""How errors are answered: every one is an OperationOutcome that repeats nothing of the request (ERR-02 to ERR-04)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from cds_service.protocol.encodings import ACCEPTED
from cds_service.protocol.faults import Fault, issue, operation_outcome
from cds_service.service.reply import Reply
from cds_service.vocabulary.json_text import encode

RETRY_AFTER_SECONDS = 10
_ISSUE_CODES = {404: "not-found", 405: "not-supported", 413: "too-long", 415: "not-supported"}
_SENTENCES = {
    404: "there is no such path",
    405: "this method is not allowed here",
    413: "the body is too large",
    415: "expected Content-Type application/json",
}


@dataclass(frozen=True, slots=True)
class Errors:
    """Answers every exception with an OperationOutcome.

    ``on_defect`` gets the exceptions that are defects of this software; they are answered with status 500.
    """

    on_defect: Callable[[Exception], None]

    def register(self, app: Flask) -> None:
        """Makes ``app`` answer so."""

        @app.errorhandler(Exception)
        def answer(error: Exception) -> Response:
            return self.reply(error).response()

    def reply(self, error: Exception) -> Reply:
        """The answer to a request that ended with ``error``."""
        if isinstance(error, Fault):
            return _of_fault(error)
        if isinstance(error, HTTPException):
            return _of_http_error(error)
        self.on_defect(error)
        return _reply(500, operation_outcome(issue("exception", "the service failed; this is a defect of it")))


def _of_fault(fault: Fault) -> Reply:
    reply = _reply(fault.status, fault.outcome())
    if fault.status == 401:
        reply.headers["WWW-Authenticate"] = "Bearer"
    if fault.status == 415:
        reply.headers["Accept-Encoding"] = ACCEPTED  # RFC 9110, 12.5.3
    return reply


def _of_http_error(error: HTTPException) -> Reply:
    """Errors that Flask and Werkzeug raise: no such path, a method that is not allowed, a body that is too large."""
    status = 413 if isinstance(error, RequestEntityTooLarge) else error.code or 500
    text = _SENTENCES.get(status, "the request could not be answered")
    reply = _reply(status, operation_outcome(issue(_ISSUE_CODES.get(status, "processing"), text)))
    for name, value in error.get_headers():
        if name.lower() == "allow":
            reply.headers[name] = value
    return reply


def _reply(status: int, outcome: Mapping[str, Any]) -> Reply:
    reply = Reply.of(status, encode(outcome), "application/fhir+json")
    if status == 503:
        reply.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)  # RFC 9110, 10.2.3; Z88
    return reply
