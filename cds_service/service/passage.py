"""What comes before and after every request, whatever its path: the gate, CORS, caches, log, audit and recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from cds_service.service.caching import keep_from_caches
from cds_service.service.calls import Calls
from cds_service.service.environ import FAULT, refuse_malformed
from cds_service.service.gate import Gate
from cds_service.service.incoming import Incoming
from cds_service.service.reply import AnyHeaders

if TYPE_CHECKING:
    from cds_service.recording.recorder import Recorder
    from cds_service.service.traces import Traces


@dataclass(frozen=True, slots=True)
class Passage:
    """The way in and the way out. ``traces`` and ``recorder`` are there if they are wanted."""

    gate: Gate
    calls: Calls
    traces: Traces | None = None
    recorder: Recorder | None = None

    def enter(self, incoming: Incoming) -> None:
        """Before a request is answered.

        Raises:
            Fault: it is refused.
        """
        if self.traces is not None:
            self.traces.begin(incoming)
        self.calls.begin(incoming)
        self.gate.name_caller(incoming)
        if (fault := incoming.environ.get(FAULT)) is not None:
            raise fault
        refuse_malformed(incoming.environ)
        self.gate.enter(incoming)

    def leave(self, incoming: Incoming, status: int, headers: AnyHeaders) -> None:
        """When the answer has been made, whatever became of the request; ``headers`` are those of the answer."""
        keep_from_caches(incoming, headers)
        self.gate.allow_browsers(incoming, headers)
        self.calls.end(incoming, status, headers)
        if self.recorder is not None and incoming.exchange is not None:
            self.recorder.keep(incoming.exchange)

    def surround(self, app: Flask) -> None:
        """Makes every request that ``app`` answers go this way; its views find theirs in ``g.incoming``."""

        @app.before_request
        def enter() -> None:
            service_id = (request.view_args or {}).get("service_id")
            g.incoming = Incoming(request.environ, request.path, request.endpoint or "", service_id)
            self.enter(g.incoming)

        @app.after_request
        def leave(response: Response) -> Response:
            self.leave(g.incoming, response.status_code, response.headers)
            return response
