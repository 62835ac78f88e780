"""A collector of OpenTelemetry on loopback: takes OTLP over HTTP as it is specified, and keeps the spans."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

SERVER, CLIENT = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT
ERROR = Status.STATUS_CODE_ERROR
_PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Seen:
    """One span, and what sent it."""

    raw: Span
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.raw.name

    @property
    def seconds(self) -> float:
        return (self.raw.end_time_unix_nano - self.raw.start_time_unix_nano) / 1e9


class Collector:
    """The server, as a context; ``hanging`` takes connections and never answers."""

    def __init__(self, *, hanging: bool = False) -> None:
        self.hanging = hanging
        self.headers: list[dict[str, str]] = []
        self.requests: list[ExportTraceServiceRequest] = []
        self.ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def environment(self) -> dict[str, str]:
        """What tells a service to send here, soon."""
        endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    def spans(self) -> list[Seen]:
        """Every span that came, in the order of their beginnings."""
        found = [
            Seen(span, _plain(span.attributes), _plain(of.resource.attributes))
            for request in list(self.requests)
            for of in request.resource_spans
            for scope in of.scope_spans
            for span in scope.spans
        ]
        return sorted(found, key=lambda span: span.raw.start_time_unix_nano)

    def calls(self, number: int) -> list[Seen]:
        """The spans of so many calls, waited for."""
        deadline = time.monotonic() + 10
        while True:
            found = [span for span in self.spans() if span.raw.kind == SERVER]
            if len(found) >= number or time.monotonic() > deadline:
                assert len(found) == number, [span.name for span in self.spans()]
                return found
            time.sleep(0.02)

    def below(self, parent: Seen) -> list[Seen]:
        """The children of a span."""
        return [s for s in self.spans() if s.raw.parent_span_id == parent.raw.span_id]

    def text(self) -> str:
        """All that came, headers too, in words."""
        return "\n".join(map(str, [*self.headers, *self.requests]))


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            if collector.hanging:
                collector.ended.wait()
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces" and self.headers["Content-Type"] == _PROTOBUF
            collector.headers.append(dict(self.headers))
            collector.requests.append(ExportTraceServiceRequest.FromString(body))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", _PROTOBUF)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: object) -> None:
            """Quiet."""

    return Handler


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)
