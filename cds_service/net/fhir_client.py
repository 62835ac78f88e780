"""Fetches from the client's FHIR server what the client did not prefetch: all searches at once, in one time
budget, those that are urgent a little ahead.

No fetched data, no token and no URL is kept, logged or put into an error (FA-03, ERR-04): the log names servers and
kinds of failure only.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from urllib3.exceptions import MaxRetryError

from cds_service.net.bounded_answer import TooLargeError, bounded_answer
from cds_service.net.circuit import Circuit
from cds_service.net.connections import OutboundCall, OutOfTimeError
from cds_service.net.searches import NotFhirError, SearchPages, is_capability_statement, search_url
from cds_service.net.server_connections import ServerConnections
from cds_service.net.servers import AllowedServers, NotAllowedError, Server
from cds_service.vocabulary.declarations import Search
from cds_service.vocabulary.fetched import Fetch, Fetched, FetchProblem, FhirAccess, SearchReport

_log = logging.getLogger("cds_service.fhir")
_JSON = frozenset({"application/fhir+json", "application/json", "application/json+fhir"})
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
# A socket may report its time-out this many seconds before the deadline it was computed from.
_EARLY_TIMEOUT = 0.02
_MAX_SERVERS = 64


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What fetching may cost.

    ``seconds`` is for all calls of one request together, unless its client has a budget of its own. ``pages`` and
    ``bytes`` (of JSON) are for one search. ``calls`` is how many calls to one server may be under way at once. After
    ``failures`` requests in a row that did not reach a server it is not called for ``closed_seconds``.

    ``head_start`` is how many seconds urgent searches are ahead of the others at most: enough to be on their way, where
    threads that start at once arrive in any order, so that a server that works off one call after another begins with
    them (Z88). ``ca_bundle`` is a file of certificates to trust instead of the usual ones.
    """

    seconds: float = 1.5
    pages: int = 5
    bytes: int = 5_000_000
    calls: int = 32
    failures: int = 3
    closed_seconds: float = 3.0
    head_start: float = 0.05
    ca_bundle: str | None = None


class _SearchFailedError(Exception):
    """A search that could not be read to its end.

    ``problem`` is for the user, ``kind`` for the log. ``reached`` says whether the server is alive, ``None`` if the
    failure says nothing about it.
    """

    def __init__(self, problem: FetchProblem, kind: str, *, reached: bool | None) -> None:
        self.problem = problem
        self.kind = kind
        self.reached = reached
        super().__init__(kind)


def _too_late(reached: bool | None = False) -> _SearchFailedError:
    return _SearchFailedError(FetchProblem.TOO_LATE, "too late", reached=reached)


class _ServerResources:
    """What is kept for one server: its connections, its threads, its circuit, and what it was found to refuse.

    The threads serve this server only, so that a server that hangs holds up nobody who asks another one. ``refused``
    are the paths and types of resource for which it does not send along what they refer to. ``proven`` are the paths at
    which it has proved to be a FHIR server.
    """

    def __init__(self, server: Server, limits: FetchLimits, clock: Callable[[], float]) -> None:
        self.connections = ServerConnections(server, limits.calls, limits.ca_bundle)
        self.threads = ThreadPoolExecutor(limits.calls, thread_name_prefix="fhir")
        self.circuit = Circuit(limits.failures, limits.closed_seconds, clock)
        self.refused: set[tuple[str, str]] = set()
        self.proven: set[str] = set()

    def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.connections.close()


class FhirClient:
    """Calls FHIR servers on behalf of the requests of one process. It may be used from many threads.

    ``clock`` is the clock of the circuits, in seconds. ``on_search`` is called with a report of every search that was
    sent, in the thread of the request that needed it.
    """

    def __init__(
        self,
        limits: FetchLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_search: Callable[[SearchReport], None] | None = None,
    ) -> None:
        self._limits = limits or FetchLimits()
        self._clock = clock
        self._on_search = on_search
        self._resources: OrderedDict[Server, _ServerResources] = OrderedDict()
        self._lock = threading.Lock()

    def within_budget(self, allowed: AllowedServers, seconds: float | None = None) -> Fetch:
        """A function that fetches for one request from servers of ``allowed``; its time budget begins now, and is that
        of the limits unless another is given.
        """
        return partial(self._fetch, allowed, time.monotonic() + (self._limits.seconds if seconds is None else seconds))

    def close(self) -> None:
        """Closes all connections and ends all threads that are idle."""
        with self._lock:
            while self._resources:
                self._resources.popitem()[1].close()

    def _fetch(
        self,
        allowed: AllowedServers,
        deadline: float,
        access: FhirAccess,
        searches: Sequence[Search],
        patient_id: str,
        *,
        further: bool = False,
        urgent: Collection[str] = (),
    ) -> Mapping[str, Fetched]:
        try:
            server = allowed.find(access.server)
            headers = _authorization(server, access)
        except NotAllowedError as error:
            _log.warning("FHIR server not called: %s", error)
            return {search.key: Fetched(problem=FetchProblem.NOT_ALLOWED) for search in searches}
        resources = self._resources_of(server)
        if not resources.circuit.enter():
            return {search.key: Fetched() for search in searches}
        reached: bool | None = None
        try:
            unproven = self._prove(resources, server, deadline)
            if unproven is not None:
                reached = unproven.reached
                return {search.key: Fetched(problem=unproven.problem) for search in searches}
            pending = [
                _PendingSearch(self._limits, server, search, OutboundCall(server.reach, deadline))
                for search in searches
            ]
            ahead = [each for each in pending if each.search.key in urgent]
            others = [each for each in pending if each.search.key not in urgent]
            for each in ahead:
                each.start(resources, patient_id, headers, all_pages=further or not each.search.newest_first)
            if ahead and others:
                left = max(deadline - time.monotonic(), 0)
                wait([each.future for each in ahead], timeout=min(self._limits.head_start, left))
            for each in others:
                each.start(resources, patient_id, headers, all_pages=further or not each.search.newest_first)
            wait([each.future for each in pending], timeout=max(deadline - time.monotonic(), 0))
            failures = {each.search.key: each.finish() for each in pending}
            reached = _was_reached(failures.values())
            if reached is False:  # another program may have taken its port by the time somebody answers there again
                resources.proven.clear()
            _log_failures(server, failures.values())
            if self._on_search is not None:
                for each in pending:
                    self._on_search(each.report(failures[each.search.key]))
        finally:
            resources.circuit.leave(reached)
        return {each.search.key: each.fetched(failures[each.search.key]) for each in pending}

    def _prove(self, resources: _ServerResources, server: Server, deadline: float) -> _SearchFailedError | None:
        """Asks a server that nobody listed for its CapabilityStatement, once, before it is sent any token or search.

        Returns why it may not be called, ``None`` if it may. Whoever makes a request chooses this server, and it may be
        no FHIR server at all but whatever else listens on this machine.
        """
        if server.listed or server.path in resources.proven:
            return None
        call = OutboundCall(server.reach, deadline)
        proof = resources.threads.submit(_prove, resources.connections, call, server, self._limits.bytes)
        wait([proof], timeout=max(deadline - time.monotonic(), 0))
        if not proof.done():
            call.abandon()
            failure = _too_late(None if proof.cancel() else False)
        else:
            error = proof.exception()
            if error is None:
                resources.proven.add(server.path)
                return None
            assert isinstance(error, _SearchFailedError)  # noqa: S101  (_prove raises nothing else)
            failure = error
        _log.warning("FHIR server %s is not listed and did not prove to be one: %s", server.origin, failure.kind)
        return failure

    def _resources_of(self, server: Server) -> _ServerResources:
        """The resources kept for the origin of a server; those not used for longest make way for new ones."""
        origin = Server(server.scheme, server.host, server.port, "", server.reach)
        with self._lock:
            resources = self._resources.get(origin)
            if resources is None:
                if len(self._resources) >= _MAX_SERVERS:
                    self._resources.popitem(last=False)[1].close()
                resources = self._resources[origin] = _ServerResources(origin, self._limits, self._clock)
            self._resources.move_to_end(origin)
            return resources


class _PendingSearch:
    """One search of one request, under way in a thread of its server."""

    future: Future[None]
    _began = _ended = 0

    def __init__(self, limits: FetchLimits, server: Server, search: Search, call: OutboundCall) -> None:
        self._limits = limits
        self._server = server
        self._call = call
        self._pages = SearchPages()
        self.search = search

    def start(
        self, resources: _ServerResources, patient_id: str, headers: Mapping[str, str], *, all_pages: bool
    ) -> None:
        max_pages = self._limits.pages if all_pages else 1
        self._began = time.time_ns()
        self.future = resources.threads.submit(self._read, resources, patient_id, headers, max_pages)

    def finish(self) -> _SearchFailedError | None:
        """The failure that ended the search, ``None`` if it succeeded; a search still under way is abandoned."""
        if not self.future.done():
            self._call.abandon()
            # A search that was still waiting for a thread says nothing about the server.
            return _too_late(None if self.future.cancel() else False)
        error = self.future.exception()
        assert error is None or isinstance(error, _SearchFailedError)  # noqa: S101  (_read raises nothing else)
        return error

    def fetched(self, failure: _SearchFailedError | None) -> Fetched:
        """All pages that were read, also those before a page that failed, or the problem if there is none."""
        raw = self._pages.raw()
        return Fetched(raw) if raw is not None else Fetched(problem=failure.problem if failure else FetchProblem.FAILED)

    def report(self, failure: _SearchFailedError | None) -> SearchReport:
        """How the search went; one that was abandoned ends now."""
        return SearchReport(
            self.search,
            self._server.host,
            self._server.port,
            self._began,
            self._ended or time.time_ns(),
            self._pages.number,
            self._call.status,
            failure.kind if failure else "",
            failure.problem if failure and not self._pages.number else "read",
        )

    def _read(self, resources: _ServerResources, patient_id: str, headers: Mapping[str, str], max_pages: int) -> None:
        """Reads page after page, at most ``max_pages``.

        Raises:
            _SearchFailedError: a page could not be read.
        """
        try:
            with self._call as call, _told_as_failures(call):
                url, body = self._first_page(resources, call, patient_id, headers)
                for page in range(max_pages):
                    if page:
                        body = self._get(resources, call, url, headers)
                    url = self._pages.add(body, self._server, url)
                    if not url:
                        return
        finally:
            self._ended = time.time_ns()

    def _first_page(
        self, resources: _ServerResources, call: OutboundCall, patient_id: str, headers: Mapping[str, str]
    ) -> tuple[str, bytes]:
        """The URL of the first page and its JSON: with what the resources refer to, unless the server refuses that."""
        place = (self._server.path, self.search.resource)
        if self.search.include and place not in resources.refused:
            url = search_url(self._server, self.search, patient_id, include=True)
            try:
                return url, self._get(resources, call, url, headers)
            except _SearchFailedError:
                if call.status != HTTPStatus.BAD_REQUEST:
                    raise
            resources.refused.add(place)
        url = search_url(self._server, self.search, patient_id)
        return url, self._get(resources, call, url, headers)

    def _get(self, resources: _ServerResources, call: OutboundCall, url: str, headers: Mapping[str, str]) -> bytes:
        return _get_json(resources.connections, call, url, headers, self._limits.bytes - self._pages.size)


@contextmanager
def _told_as_failures(call: OutboundCall) -> Iterator[None]:
    """Turns whatever a server can bring about into a ``_SearchFailedError``.

    Whatever that is, its wrong answer must not become our 500 (FA-09).
    """
    try:
        yield
    except _SearchFailedError:
        raise
    except NotFhirError:
        raise _SearchFailedError(FetchProblem.FAILED, "not FHIR", reached=True) from None
    except NotAllowedError:
        raise _SearchFailedError(FetchProblem.NOT_ALLOWED, "address not allowed", reached=None) from None
    except OutOfTimeError:
        raise _too_late() from None
    except Exception as error:
        if call.abandoned or call.deadline - time.monotonic() < _EARLY_TIMEOUT:
            raise _too_late() from None
        cause = error.reason if isinstance(error, MaxRetryError) else error
        raise _SearchFailedError(FetchProblem.FAILED, type(cause).__name__, reached=False) from None


def _prove(connections: ServerConnections, call: OutboundCall, server: Server, max_bytes: int) -> None:
    """Returns if the server says what a FHIR server says of itself (https://hl7.org/fhir/R4/http.html#capabilities).

    Raises:
        _SearchFailedError: it says something else or nothing, or cannot be reached.
    """
    with call, _told_as_failures(call):
        if not is_capability_statement(_get_json(connections, call, f"{server.base}/metadata", {}, max_bytes)):
            raise _SearchFailedError(FetchProblem.NOT_ALLOWED, "no CapabilityStatement", reached=True)


def _get_json(
    connections: ServerConnections, call: OutboundCall, url: str, headers: Mapping[str, str], max_bytes: int
) -> bytes:
    """The JSON text that a server answers a GET with.

    Raises:
        _SearchFailedError: the server refuses, fails, answers with something else than JSON or with too much of it.
        OutOfTimeError: the deadline of the call has passed, or the call was abandoned.
    """
    try:
        response = connections.get(url, headers=headers, seconds=call.seconds_left())
        answer = bounded_answer(response, call, max_bytes=max_bytes, media_types=_JSON)
    except TooLargeError:
        raise _SearchFailedError(FetchProblem.FAILED, "too large", reached=True) from None
    status = answer.status
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise _SearchFailedError(FetchProblem.REFUSED, f"status {status}", reached=True)
    if status != HTTPStatus.OK:
        reached = status < HTTPStatus.INTERNAL_SERVER_ERROR
        raise _SearchFailedError(FetchProblem.FAILED, f"status {status}", reached=reached)
    if answer.body is None:
        raise _SearchFailedError(FetchProblem.FAILED, "not JSON", reached=True)
    return answer.body


def _authorization(server: Server, access: FhirAccess) -> dict[str, str]:
    """The header that carries the token which the client lends (FA-02); none for an open server without a token.

    Raises:
        NotAllowedError: no token came and the server is not open (FA-01), or the token cannot stand in a header.
    """
    if access.token and _TOKEN.fullmatch(access.token):
        return {"Authorization": f"Bearer {access.token}"}
    if access.token or not server.open:
        raise NotAllowedError(f"no usable token came for {server.origin}")
    return {}


def _was_reached(failures: Iterable[_SearchFailedError | None]) -> bool | None:
    """Whether a server answered any search of a request; ``None`` if no search says anything about it."""
    known = [True if failure is None else failure.reached for failure in failures]
    return None if all(reached is None for reached in known) else any(known)


def _log_failures(server: Server, failures: Iterable[_SearchFailedError | None]) -> None:
    kinds = Counter(failure.kind for failure in failures if failure is not None)
    if kinds:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        _log.warning("FHIR server %s: %s", server.origin, counts)
