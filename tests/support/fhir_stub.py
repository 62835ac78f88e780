"""A small real HTTP server on loopback that answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from cds_service.replay.scenario import search

JSON = "application/fhir+json"
CAPABILITIES = {"resourceType": "CapabilityStatement", "status": "active", "kind": "instance", "fhirVersion": "4.0.1"}


class Asked(BaseHTTPRequestHandler):
    """One call under way; what an answer function is given."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        if self.server.stub.proves and self.path == "/fhir/metadata":
            self.say(CAPABILITIES)
            self.close_connection = True
            return
        self.server.stub.seen.append((self.path, dict(self.headers)))
        try:
            self.server.stub.answer(self)
        except OSError:
            pass  # the caller has gone
        finally:
            self.close_connection = not self.server.stub.stays

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""

    def say(self, body: Any, status: int = 200, content_type: str = JSON, **headers: str) -> None:
        """A whole answer; anything but bytes as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if content_type:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def wait(self, seconds: float) -> bool:
        """Waits, but not beyond the end of the test; whether it goes on."""
        return not self.server.stub.ended.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    stub: Stub

    def process_request(self, request: Any, client_address: Any) -> None:
        self.stub.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers that hang up are what these tests are about."""


class Stub:
    """The server, as a context; ``base`` is where its FHIR begins.

    It ``proves`` to be a FHIR server by its CapabilityStatement, which is not among what was ``seen``; or else that is
    answered like any other call. A connection serves one call, or all that come where it ``stays``; ``connections`` is
    how many there were.
    """

    def __init__(
        self,
        answer: Callable[[Asked], None],
        tls: ssl.SSLContext | None = None,
        *,
        proves: bool = True,
        stays: bool = False,
    ) -> None:
        self.answer, self.proves, self.stays = answer, proves, stays
        self.connections = 0
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.ended = threading.Event()
        self._server = _Server(("127.0.0.1", 0), Asked)
        self._server.stub = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.base = f"{self.origin}/fhir"

    def __enter__(self) -> Stub:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def asked(self) -> list[str]:
        """What was asked for, below the base, in order of arrival and without percent-encoding."""
        return [unquote(path.removeprefix("/fhir/")) for path, _ in self.seen]


def records(resources: Iterable[Mapping[str, Any]]) -> Callable[[Asked], None]:
    """Answers as a server that holds these resources of one patient."""
    held = list(resources)

    def answer(asked: Asked) -> None:
        found = search(unquote(asked.path.removeprefix("/fhir/")), held)
        asked.say(found) if found else asked.say({"resourceType": "OperationOutcome"}, 404)

    return answer


def saying(body: Any, status: int = 200, content_type: str = JSON, **headers: str) -> Callable[[Asked], None]:
    """Answers every call alike."""
    return lambda asked: asked.say(body, status, content_type, **headers)


def bundle(*resources: Mapping[str, Any], following: str | None = None) -> dict[str, Any]:
    """One page of results."""
    link = [{"relation": "next", "url": following}] if following is not None else []
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": link,
        "entry": [{"resource": dict(resource)} for resource in resources],
    }


class Listener:
    """A socket on loopback that nobody must come to."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._socket = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def was_visited(self) -> bool:
        """Whether anybody connected."""
        try:
            self._socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True
