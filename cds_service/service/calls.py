"""What is noted of each call of a service: a count, a line of the log, a line of the audit."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

from cds_service.content.model import Pack
from cds_service.judge.evaluate import Answer
from cds_service.service.incoming import Incoming
from cds_service.service.logs import CallLog, begin_request
from cds_service.service.metrics import Metrics
from cds_service.service.reply import AnyHeaders

_log = logging.getLogger("cds_service")


class Calls:
    """Notes every call of a service, refused ones too, in ``metrics``, ``log`` and ``audit``.

    ``is_service`` says whether there is a service of an id.
    """

    def __init__(self, is_service: Callable[[str], bool], metrics: Metrics, log: CallLog, audit: CallLog) -> None:
        self._is_service, self._metrics, self._log, self._audit = is_service, metrics, log, audit

    def begin(self, incoming: Incoming) -> None:
        """Before a request: its id stands in every line that is logged on its way."""
        begin_request(incoming.request_id)

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

    def answered(self, incoming: Incoming, answer: Answer, pack: Pack) -> None:
        """Notes that a hook was answered by this pack, and what was sent and not understood.

        Of the latter only its kinds are logged and counted, never what was sent (Z54).
        """
        for defect in answer.defects:
            self.count_defect(defect.error)
        cards = answer.body["cards"]
        topics = [card["source"]["topic"]["code"] for card in cards]
        incoming.outcome = {"pack": pack.id, "content": pack.version, "cards": topics}
        if answer.not_understood:
            incoming.outcome["not_understood"] = dict(Counter(str(item.aside.kind) for item in answer.not_understood))
            if not incoming.is_replay:
                self._metrics.count_not_understood(answer.not_understood)
        incoming.people = {"patient": answer.request.patient_id, "user": answer.request.user_id}

    def stored(self, incoming: Incoming, entries: int) -> None:
        """Notes that feedback was stored: the number of its entries."""
        incoming.outcome = {"feedback": entries}

    def end(self, incoming: Incoming, status: int, headers: AnyHeaders) -> None:
        """After a request, whatever became of it: counts and logs it, and gives the answer the request's id."""
        headers["X-Request-ID"] = incoming.request_id
        service = incoming.service_id
        if service is None or not self._is_service(service):  # a caller's own text is never logged
            return
        seconds = time.perf_counter() - incoming.began
        is_hook = incoming.endpoint == "call_service"
        if incoming.is_replay:
            self._metrics.count_replay(service, status)
        elif is_hook:
            self._metrics.count_call(service, status, seconds)
        elif incoming.method == "POST":
            self._metrics.count_feedback(service, status)
        call = {
            "request_id": incoming.request_id,
            "service": service,
            "asked": "replay" if incoming.is_replay else "hook" if is_hook else "feedback",
            "client": incoming.client.name,
            "status": status,
            "seconds": round(seconds, 6),
            **incoming.outcome,
        }
        self._log(call)
        self._audit(call | incoming.people)
