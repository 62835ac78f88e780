"""Spans of calls, for OpenTelemetry. This module is imported only where spans are wanted.

The span of a call says what its line in the log says, the span of a FHIR search what the metrics say. Neither has data
of a patient: no URL, no body, no header, no words of an exception. Nothing of a trace is passed on to FHIR servers.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from http import HTTPStatus
from multiprocessing.util import Finalize
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from cds_service import __version__
from cds_service.service.incoming import Incoming
from cds_service.service.logs import CallLog
from cds_service.vocabulary.fetched import SearchReport

_PATHS = {"call_service": "/cds-services/{id}", "take_feedback": "/cds-services/{id}/feedback"}
_ATTRIBUTES = ("request_id", "service", "asked", "client", "pack", "content", "cards", "feedback")
_CLOSE_SECONDS = 2
_present: ContextVar[tuple[Span, str] | None] = ContextVar("the span of the present call, and its path", default=None)


class Traces:
    """Makes the spans of calls and sends them, ``hook_of`` giving the hook of a service by its id; from a thread of its
    own, where ``OTEL_...`` says.

    Make it in the process that serves, because threads do not survive a fork. A collector that is down costs spans,
    never a call: spans wait in a bounded queue, and those that find it full are dropped.
    """

    def __init__(self, hook_of: Callable[[str], str]) -> None:
        self._hook_of = hook_of
        named = Resource.create({SERVICE_NAME: "cds-service", SERVICE_VERSION: __version__})
        # The environment is merged last, so that its names win.
        self._provider = TracerProvider(resource=named.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("cds_service", __version__)
        self._parent = TraceContextTextMapPropagator()
        self._closing = threading.Event()
        self._closer = threading.Thread(target=self._close, name="traces", daemon=True)
        self._closer.start()
        # A worker of multiprocessing ends without atexit, any other process without the finalizers of multiprocessing.
        atexit.register(self.close)
        Finalize(self, self.close, exitpriority=10)

    def begin(self, incoming: Incoming) -> None:
        """Before a request: begins the span of a call, in the trace of its ``traceparent`` if that is well-formed.

        No other header is read, because ``tracestate`` and ``baggage`` may hold anything. A span is sent when its call
        is logged, so requests that are not logged have none.
        """
        _present.set(None)
        path = _PATHS.get(incoming.endpoint)
        if path is None or incoming.method != "POST":
            return
        caller = self._parent.extract({"traceparent": incoming.header("traceparent") or ""})
        scheme = incoming.environ["wsgi.url_scheme"]
        attributes = {"http.request.method": "POST", "http.route": path, "url.scheme": scheme}
        _present.set((self._tracer.start_span(f"POST {path}", caller, SpanKind.SERVER, attributes), path))

    def log_with_trace(self, log: CallLog) -> CallLog:
        """``log`` with the id of the trace added to each call; the span of the call ends when it is logged."""

        def write(call: Mapping[str, Any]) -> None:
            if (present := _present.get()) is not None:
                call = {**call, "trace_id": f"{present[0].get_span_context().trace_id:032x}"}
                self._end(*present, call)
            log(call)

        return write

    def _end(self, span: Span, path: str, call: Mapping[str, Any]) -> None:
        service, status = call["service"], call["status"]
        span.set_attributes({f"cds_service.{name}": call[name] for name in _ATTRIBUTES if name in call})
        span.set_attributes(
            {
                "cds_service.hook": self._hook_of(service),
                "cds_service.outcome": _outcome(call),
                "http.response.status_code": status,
                "url.path": path.replace("{id}", service),
            }
        )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)
        span.end()

    def add_search(self, query: SearchReport) -> None:
        """Adds the span of a search at a FHIR server, made for the present request, to the span of its call."""
        resource = query.search.resource
        attributes: dict[str, AttributeValue] = {
            "http.request.method": "GET",
            "server.address": query.host,
            "server.port": query.port,
            "cds_service.fhir.resource": resource,
            "cds_service.fhir.prefetch": query.search.key,
            "cds_service.fhir.pages": query.pages,
            "cds_service.fhir.outcome": query.outcome,
        }
        if query.status is not None:
            attributes["http.response.status_code"] = query.status
        if query.problem:
            attributes["error.type"] = query.problem
        present = _present.get()
        call = set_span_in_context(present[0]) if present is not None else None
        span = self._tracer.start_span(f"GET {resource}", call, SpanKind.CLIENT, attributes, start_time=query.began)
        if query.problem:
            span.set_status(StatusCode.ERROR)
        span.end(query.ended)

    def close(self) -> None:
        """Sends the spans that are left, and gives up after two seconds."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._closer.join(_CLOSE_SECONDS)

    def _close(self) -> None:
        """Runs in a thread, because the SDK waits half a minute for a collector that hangs."""
        self._closing.wait()
        self._provider.shutdown()


def _outcome(call: Mapping[str, Any]) -> str:
    """What became of a call: ``failed``, ``refused``, ``stored`` (feedback), ``cards`` or ``silence``."""
    if call["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "failed"
    if call["status"] >= HTTPStatus.BAD_REQUEST:
        return "refused"
    if "feedback" in call:
        return "stored"
    return "cards" if call["cards"] else "silence"
