"""Fetches from the client's FHIR server what it did not prefetch: in parallel, within one budget of time.

Imports the shared vocabulary and this room. Nothing that is fetched, no token and no URL is kept, logged or put into
an error (FA-03, ERR-04): the log names servers and kinds of failure only.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import requests

from cds_service.net.circuit import Circuit
from cds_service.net.connections import Call, OutOfTimeError, open_session
from cds_service.net.searches import NotFhirError, Pages, url_of
from cds_service.net.servers import AllowedServers, NotAllowedError, Server
from cds_service.vocabulary.declarations import Search
from cds_service.vocabulary.fetched import Fetch, Fetched, FhirAccess, Queried, Why

_log = logging.getLogger("cds_service.fhir")
_JSON = frozenset({"application/fhir+json", "application/json", "application/json+fhir"})
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
_CHUNK = 65_536
_SOON = 0.02  # a socket's time can be over this many seconds before the deadline
_MOST_SERVERS = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost: seconds for all its calls together, pages and bytes of one search.

    ``calls`` is how many calls to one server may be under way; ``failures`` in a row close a server off for
    ``closed_seconds``; ``ca_bundle`` is a file of certificates to trust instead of the usual ones.
    """

    seconds: float = 0.4
    pages: int = 5
    bytes: int = 5_000_000
    calls: int = 32
    failures: int = 3
    closed_seconds: float = 3.0
    ca_bundle: str | None = None


class _FailedError(Exception):
    """A call that brought nothing. ``kind`` is for the log, ``reached`` whether the server is alive."""

    def __init__(self, why: Why, kind: str, *, reached: bool | None) -> None:
        self.why = why
        self.kind = kind
        self.reached = reached
        super().__init__(kind)


def _too_late(reached: bool | None = False) -> _FailedError:
    return _FailedError(Why.TOO_LATE, "too late", reached=reached)


class _Peer:
    """All that is kept about one server: its connections, its threads, and whether it is alive.

    Its threads are its own, so that a server that hangs holds up nobody who asks another.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.session = open_session(limits.calls, limits.ca_bundle)
        self.threads = ThreadPoolExecutor(limits.calls, thread_name_prefix="fhir")
        self.circuit = Circuit(limits.failures, limits.closed_seconds, clock)

    def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.session.close()


class FhirClient:
    """Calls FHIR servers for the requests of one process. ``clock`` is that of the circuits.

    ``told`` is told of every search that was made, in the thread of its request.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        told: Callable[[Queried], None] | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._clock = clock
        self._told = told
        self._peers: OrderedDict[Server, _Peer] = OrderedDict()
        self._lock = threading.Lock()

    def within_budget(self, allowed: AllowedServers) -> Fetch:
        """What fetches for one request, whose time begins now, from servers of ``allowed`` only."""
        return partial(self._fetch, allowed, time.monotonic() + self._limits.seconds)

    def close(self) -> None:
        """Lets go of all connections and threads."""
        with self._lock:
            while self._peers:
                self._peers.popitem()[1].close()

    def _fetch(
        self,
        allowed: AllowedServers,
        deadline: float,
        access: FhirAccess,
        searches: Sequence[Search],
        patient_id: str,
        *,
        further: bool = False,
    ) -> Mapping[str, Fetched]:
        try:
            server = allowed.find(access.server)
            headers = _authorization(server, access)
        except NotAllowedError as error:
            _log.warning("FHIR server not called: %s", error)
            return {search.key: Fetched(why=Why.NOT_ALLOWED) for search in searches}
        peer = self._peer(server)
        if not peer.circuit.enter():
            return {search.key: Fetched() for search in searches}
        reached: bool | None = None
        try:
            rounds = [_Round(self._limits, server, search, Call(server.reach, deadline)) for search in searches]
            for one in rounds:
                one.start(peer, patient_id, headers, all_pages=further or not one.search.newest_first)
            wait([one.future for one in rounds], timeout=max(deadline - time.monotonic(), 0))
            failures = {one.search.key: one.end() for one in rounds}
            reached = _reached(failures.values())
            _tell(server, failures.values())
            if self._told is not None:
                for one in rounds:
                    self._told(one.queried(failures[one.search.key]))
        finally:
            peer.circuit.leave(reached)
        return {one.search.key: one.fetched(failures[one.search.key]) for one in rounds}

    def _peer(self, server: Server) -> _Peer:
        """Where connections and circuit are kept: one for each origin, the ones not used for longest given up."""
        at = Server(server.scheme, server.host, server.port, "", server.reach)
        with self._lock:
            peer = self._peers.get(at)
            if peer is None:
                if len(self._peers) >= _MOST_SERVERS:
                    self._peers.popitem(last=False)[1].close()
                peer = self._peers[at] = _Peer(self._limits, self._clock)
            self._peers.move_to_end(at)
            return peer


class _Round:
    """One search of one request, under way in a thread of the server's."""

    future: Future[None]
    _began = _ended = 0

    def __init__(self, limits: Limits, server: Server, search: Search, call: Call) -> None:
        self._limits = limits
        self._server = server
        self._call = call
        self._pages = Pages()
        self.search = search

    def start(self, peer: _Peer, patient_id: str, headers: Mapping[str, str], *, all_pages: bool) -> None:
        most = self._limits.pages if all_pages else 1
        self._began = time.time_ns()
        self.future = peer.threads.submit(self._read, peer.session, patient_id, headers, most)

    def end(self) -> _FailedError | None:
        """How it ended; a call that is still under way is given up."""
        if not self.future.done():
            self._call.abandon()
            # What never got a thread says nothing about the server.
            return _too_late(None if self.future.cancel() else False)
        error = self.future.exception()
        assert error is None or isinstance(error, _FailedError)  # noqa: S101  (_read raises nothing else)
        return error

    def fetched(self, failure: _FailedError | None) -> Fetched:
        """What it brought: also the pages before one that failed."""
        raw = self._pages.raw()
        return Fetched(raw) if raw is not None else Fetched(why=failure.why if failure else Why.FAILED)

    def queried(self, failure: _FailedError | None) -> Queried:
        """How it went; what was given up ends now."""
        return Queried(
            self.search,
            self._server.host,
            self._server.port,
            self._began,
            self._ended or time.time_ns(),
            self._pages.number,
            self._call.status,
            failure.kind if failure else "",
            failure.why if failure and not self._pages.number else "read",
        )

    def _read(self, session: requests.Session, patient_id: str, headers: Mapping[str, str], most: int) -> None:
        """Reads page after page.

        Raises:
            _FailedError: one could not be read.
        """
        with self._call as call:
            try:
                url = url_of(self._server, self.search, patient_id)
                for _ in range(most):
                    body = _get(session, call, url, headers, self._limits.bytes - self._pages.size)
                    url = self._pages.add(body, self._server, url)
                    if not url:
                        return
            except _FailedError:
                raise
            except NotFhirError:
                raise _FailedError(Why.FAILED, "not FHIR", reached=True) from None
            except NotAllowedError:
                raise _FailedError(Why.NOT_ALLOWED, "address not allowed", reached=None) from None
            except (OutOfTimeError, requests.Timeout):
                raise _too_late() from None
            except Exception as error:  # whatever a server can bring about; a wrong answer must not be a 500 (FA-09)
                if call.over or call.deadline - time.monotonic() < _SOON:
                    raise _too_late() from None
                raise _FailedError(Why.FAILED, type(error).__name__, reached=False) from None
            finally:
                self._ended = time.time_ns()


def _get(session: requests.Session, call: Call, url: str, headers: Mapping[str, str], most: int) -> bytes:
    """The JSON that a server answers a GET with, of at most so many bytes.

    Raises:
        _FailedError: it answers with something else.
        OutOfTimeError: it takes too long.
    """
    with session.get(url, headers=headers, timeout=call.left(), stream=True, allow_redirects=False) as response:
        call.status = status = response.status_code
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise _FailedError(Why.REFUSED, f"status {status}", reached=True)
        if status != HTTPStatus.OK:
            raise _FailedError(Why.FAILED, f"status {status}", reached=status < HTTPStatus.INTERNAL_SERVER_ERROR)
        if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() not in _JSON:
            raise _FailedError(Why.FAILED, "not JSON", reached=True)
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            call.left()
            body += chunk
            if len(body) > most:
                raise _FailedError(Why.FAILED, "too large", reached=True)
        return bytes(body)


def _authorization(server: Server, access: FhirAccess) -> dict[str, str]:
    """The header that lends the token (FA-02).

    Raises:
        NotAllowedError: there is none, and the server is not one to be called without (FA-01).
    """
    if access.token and _TOKEN.fullmatch(access.token):
        return {"Authorization": f"Bearer {access.token}"}
    if access.token or not server.open:
        raise NotAllowedError(f"no usable token came for {server.origin}")
    return {}


def _reached(failures: Iterable[_FailedError | None]) -> bool | None:
    """Whether a server answered to any call of a request; ``None`` if that cannot be said."""
    known = [True if failure is None else failure.reached for failure in failures]
    return None if all(reached is None for reached in known) else any(known)


def _tell(server: Server, failures: Iterable[_FailedError | None]) -> None:
    kinds = Counter(failure.kind for failure in failures if failure is not None)
    if kinds:
        said = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        _log.warning("FHIR server %s: %s", server.origin, said)
