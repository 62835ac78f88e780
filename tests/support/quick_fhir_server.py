"""A FHIR server that costs next to nothing, for benchmarks of calls that fetch: what is measured beside it is us.

``python -m tests.support.quick_fhir_server`` prints its port. It holds the record of one patient, put there resource by
resource. Each answer is made when it is first asked for and then sent from memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from cds_service.replay.scenario import search
from tests.support.fhir_stub import CAPABILITIES
from tests.support.places import TESTS

_PATH = "/fhir/"


@contextlib.contextmanager
def quick_fhir_server() -> Iterator[str]:
    """The base URL of an empty server, in a process of its own."""
    command = [sys.executable, "-m", "tests.support.quick_fhir_server"]
    with subprocess.Popen(command, cwd=TESTS.parent, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}{_PATH.rstrip('/')}"
        finally:
            server.terminate()


class _Record:
    """The resources that were put here, and the answers made of them so far, by what was asked."""

    def __init__(self) -> None:
        self._resources: dict[str, Any] = {}
        self._answers: dict[str, bytes] = {}

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        """The whole answer to a request for a path."""
        if method == "GET":
            if path not in self._answers:
                self._answers[path] = self._found(unquote(path.removeprefix(_PATH)))
            return self._answers[path]
        self._answers.clear()
        if method == "PUT":
            self._resources[path] = json.loads(body)
        else:
            self._resources.pop(path, None)
        return _answer("200 OK", {})

    def _found(self, asked: str) -> bytes:
        found = CAPABILITIES if asked == "metadata" else search(asked, list(self._resources.values()))
        return _answer("200 OK", found) if found else _answer("404 Not Found", {"resourceType": "OperationOutcome"})


class _Connection(asyncio.Protocol):
    """One connection, kept open, on which one request comes after another."""

    def __init__(self, record: _Record) -> None:
        self._record = record
        self._come = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._come += data
        while b"\r\n\r\n" in self._come:
            head, _, rest = self._come.partition(b"\r\n\r\n")
            length = _length(head) if not head.startswith(b"GET") else 0
            if len(rest) < length:
                return
            self._come = rest[length:]
            method, path, _ = head.decode().split(" ", 2)
            self._transport.write(self._record.answer(method, path, rest[:length]))


def _length(head: bytes) -> int:
    fields = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next((int(value) for name, _, value in fields if name == b"content-length"), 0)


def _answer(status: str, resource: Any) -> bytes:
    body = json.dumps(resource).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _serve() -> None:
    record = _Record()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(record), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
