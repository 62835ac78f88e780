"""What is noted of each call of a service: a count, a line of the log, a line of the audit."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars

from cds_service.content.model import Pack
from cds_service.judge.evaluate import Answer
from cds_service.service.logs import CallLog, request_id_of
from cds_service.service.metrics import Metrics

_log = logging.getLogger("cds_service")


@dataclass(slots=True)
class _Notes:
    """What is known of the present call. It is one object, because each look at Flask's ``g`` goes through a proxy.

    ``outcome`` goes to log and audit, ``people`` (ids of patient and user) to the audit alone. ``began`` is a reading
    of ``time.perf_counter``, in seconds. ``is_replay`` says that nobody sees the cards (Z85).
    """

    began: float
    request_id: str
    is_replay: bool = False
    outcome: dict[str, Any] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)


class Calls:
    """Notes every call of a service, refused ones too, in ``metrics``, ``log`` and ``audit``.

    ``is_service`` says whether there is a service of an id.
    """

    def __init__(self, is_service: Callable[[str], bool], metrics: Metrics, log: CallLog, audit: CallLog) -> None:
        self._is_service, self._metrics, self._log, self._audit = is_service, metrics, log, audit

    def begin(self) -> None:
        """Before a request: gives it an id, which stands in every line that is logged on its way."""
        notes = g.notes = _Notes(time.perf_counter(), request_id_of(request.headers.get("X-Request-ID")))
        clear_contextvars()
        bind_contextvars(request_id=notes.request_id)

    def count_defect(self, error: Exception) -> None:
        """Counts a defect of this software and logs where it is, never its words: they may hold data of a patient
        (ERR-04).
        """
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
        _log.error("defect %s at %s", type(error).__name__, where)
        self._metrics.count_defect()

    def replayed(self) -> None:
        """Notes that the present call of a hook is a replay, which is counted apart (Z85)."""
        g.notes.is_replay = True

    def answered(self, answer: Answer, pack: Pack) -> None:
        """Notes that a hook was answered by this pack, and what was sent and not understood.

        Of the latter only its kinds are logged and counted, never what was sent (Z54).
        """
        for defect in answer.defects:
            self.count_defect(defect.error)
        cards = answer.body["cards"]
        notes = g.notes
        topics = [card["source"]["topic"]["code"] for card in cards]
        notes.outcome = {"pack": pack.id, "content": pack.version, "cards": topics}
        if answer.not_understood:
            notes.outcome["not_understood"] = dict(Counter(str(item.aside.kind) for item in answer.not_understood))
            if not notes.is_replay:
                self._metrics.count_not_understood(answer.not_understood)
        notes.people = {"patient": answer.request.patient_id, "user": answer.request.user_id}

    def stored(self, entries: int) -> None:
        """Notes that feedback was stored: the number of its entries."""
        g.notes.outcome = {"feedback": entries}

    def end(self, response: Response) -> Response:
        """After a request, whatever became of it: counts and logs it, and gives the response the request's id."""
        notes = g.notes
        response.headers["X-Request-ID"] = notes.request_id
        service = str((request.view_args or {}).get("service_id"))
        if not self._is_service(service):  # a caller's own text is never logged
            return response
        seconds = time.perf_counter() - notes.began
        is_hook = request.endpoint == "call_service"
        if notes.is_replay:
            self._metrics.count_replay(service, response.status_code)
        elif is_hook:
            self._metrics.count_call(service, response.status_code, seconds)
        elif request.method == "POST":
            self._metrics.count_feedback(service, response.status_code)
        call = {
            "request_id": notes.request_id,
            "service": service,
            "asked": "replay" if notes.is_replay else "hook" if is_hook else "feedback",
            "client": g.client.name,
            "status": response.status_code,
            "seconds": round(seconds, 6),
            **notes.outcome,
        }
        self._log(call)
        self._audit(call | notes.people)
        return response
