"""How errors are answered: every one is an OperationOutcome that repeats nothing of the request (ERR-02 to ERR-04)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from cds_service.protocol.encodings import ACCEPTED
from cds_service.protocol.faults import Fault, operation_outcome
from cds_service.vocabulary.json_text import encode

_ISSUE_CODES = {404: "not-found", 405: "not-supported", 413: "too-long", 415: "not-supported"}
_SENTENCES = {
    404: "there is no such path",
    405: "this method is not allowed here",
    413: "the body is too large",
    415: "expected Content-Type application/json",
}


def answer_errors(app: Flask, on_defect: Callable[[Exception], None]) -> None:
    """Makes ``app`` answer every exception with an OperationOutcome.

    ``on_defect`` gets the exceptions that are defects of this software; they are answered with status 500.
    """

    def answer_defect(error: Exception) -> Response:
        on_defect(error)
        return _response(500, operation_outcome("exception", "the service failed; this is a defect of it"))

    app.register_error_handler(Fault, _answer_fault)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, answer_defect)


def _answer_fault(fault: Fault) -> Response:
    response = _response(fault.status, fault.outcome())
    if fault.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if fault.status == 503:
        response.headers["Retry-After"] = "1"
    if fault.status == 415:
        response.headers["Accept-Encoding"] = ACCEPTED  # RFC 9110, 12.5.3
    return response


def _answer_http_error(error: HTTPException) -> Response:
    """Errors that Flask raises: no such path, a method that is not allowed, a body that is too large."""
    status = 413 if isinstance(error, RequestEntityTooLarge) else error.code or 500
    text = _SENTENCES.get(status, "the request could not be answered")
    response = _response(status, operation_outcome(_ISSUE_CODES.get(status, "processing"), text))
    for name, value in error.get_headers():
        if name.lower() == "allow":
            response.headers[name] = value
    return response


def _response(status: int, outcome: Mapping[str, Any]) -> Response:
    return Response(encode(outcome), status=status, mimetype="application/fhir+json")
