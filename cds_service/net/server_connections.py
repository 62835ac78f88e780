"""The connections to one FHIR server: urllib3's own pool, because requests costs twice as much for each search."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import certifi
from urllib3 import BaseHTTPResponse, HTTPConnectionPool
from urllib3.util.retry import Retry
from urllib3.util.ssl_ import create_urllib3_context

from cds_service.net.connections import POOLS, USER_AGENT
from cds_service.net.servers import Server

_HEADERS = {
    "Accept": "application/fhir+json, application/json;q=0.9",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": USER_AGENT,
}
# Two attempts more, of which only one after a failed connection, one after a broken answer and one after a 5xx status.
_PASSING_FAILURES = Retry(
    total=2,
    connect=1,
    read=1,
    status=1,
    other=0,
    redirect=0,
    status_forcelist=(502, 503, 504),
    allowed_methods=("GET",),
    backoff_factor=0.02,
    raise_on_status=False,
    respect_retry_after_header=False,
)


class ServerConnections:
    """The connections to one FHIR server, opened when they are needed and used again.

    They are to be used only within an ``OutboundCall``, and go to that server whatever is asked for. They use no proxy,
    cookie or ``.netrc`` and nothing else of the environment, follow no redirect, and verify the certificate of every
    TLS server. ``kept`` is how many are kept open at most. Trusted are the certificates of certifi, as by requests, or
    those in the file ``ca_bundle`` instead. They are read once, before the first connection: it takes longer than all
    the rest of opening one.
    """

    def __init__(self, server: Server, kept: int, ca_bundle: str | None = None) -> None:
        self._server = server
        self._kept = kept
        self._ca_bundle = ca_bundle or certifi.where()
        self._pool: HTTPConnectionPool | None = None
        self._lock = threading.Lock()

    def get(self, url: str, *, headers: Mapping[str, str], seconds: float) -> BaseHTTPResponse:
        """Sends a GET for a URL at this server, and returns the answer with its body still to be read.

        A GET that met a refused connection, a broken answer or a status 502, 503 or 504 is sent again, at most twice.
        ``seconds`` bounds each wait for the server, while the deadline of the call bounds them all together.

        Raises:
            OutOfTimeError: the deadline of the call has passed, or the call was abandoned.
            NotAllowedError: the name of the server stands for an address that is not permitted.
            urllib3.exceptions.HTTPError, OSError: no answer, or a broken one; or the certificates cannot be read.
        """
        return self._opened().urlopen(
            "GET",
            url.removeprefix(self._server.origin),
            headers={**_HEADERS, **headers},
            timeout=seconds,
            retries=_PASSING_FAILURES,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )

    def close(self) -> None:
        """Closes the connections that are kept; one in use is closed after its answer."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()

    def _opened(self) -> HTTPConnectionPool:
        with self._lock:
            if self._pool is None:
                tls: dict[str, Any] = {}
                if self._server.scheme == "https":
                    context = create_urllib3_context()
                    context.load_verify_locations(self._ca_bundle)
                    tls = {"cert_reqs": "CERT_REQUIRED", "ssl_context": context}
                self._pool = POOLS[self._server.scheme](self._server.host, self._server.port, maxsize=self._kept, **tls)
            return self._pool
