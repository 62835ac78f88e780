"""What is noted of each call of a service: a count, a line of the log, a line of the audit. Joins them to Flask."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from flask import Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars

from cds_service.judge.evaluate import Answer
from cds_service.service.logs import Tell, request_id_of
from cds_service.service.metrics import Counts

_log = logging.getLogger("cds_service")


@dataclass(slots=True)
class _Noted:
    """One call so far; a single object, because each look at Flask's ``g`` goes through a proxy."""

    began: float
    request_id: str
    said: dict[str, Any] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)


class Calls:
    """``log`` and ``audit`` are told of every call of one of ``services``, refused ones too; ``counts`` of answers."""

    def __init__(self, services: Collection[str], counts: Counts, log: Tell, audit: Tell) -> None:
        self._services, self._counts, self._log, self._audit = services, counts, log, audit

    def begin(self) -> None:
        """Before a request: it has an id, which stands in every line that is written on its way."""
        noted = g.noted = _Noted(time.perf_counter(), request_id_of(request.headers.get("X-Request-ID")))
        clear_contextvars()
        bind_contextvars(request_id=noted.request_id)

    def failed(self, error: Exception) -> None:
        """A defect of ours: the log names where, never what the patient's data were (ERR-04)."""
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
        _log.error("defect %s at %s", type(error).__name__, where)
        self._counts.defect()

    def answered(self, answer: Answer, version: str) -> None:
        """A hook was answered by the content of this version."""
        for defect in answer.defects:
            self.failed(defect.error)
        cards = answer.body["cards"]
        noted = g.noted
        noted.said = {"content": version, "cards": [card["source"]["topic"]["code"] for card in cards]}
        noted.about = {"patient": answer.request.patient_id, "user": answer.request.user_id}

    def stored(self, entries: int) -> None:
        """Feedback was stored."""
        g.noted.said = {"feedback": entries}

    def end(self, response: Response) -> Response:
        """After a request, whatever became of it."""
        noted = g.noted
        response.headers["X-Request-ID"] = noted.request_id
        service = str((request.view_args or {}).get("service_id"))
        if service not in self._services:  # an id that nobody has is not repeated
            return response
        seconds = time.perf_counter() - noted.began
        is_hook = request.endpoint == "call_service"
        if is_hook:
            self._counts.call(service, response.status_code, seconds)
        elif request.method == "POST":
            self._counts.feedback(service, response.status_code)
        call = {
            "request_id": noted.request_id,
            "service": service,
            "asked": "hook" if is_hook else "feedback",
            "client": g.client.name,
            "status": response.status_code,
            "seconds": round(seconds, 6),
            **noted.said,
        }
        self._log(call)
        self._audit(call | noted.about)
        return response
