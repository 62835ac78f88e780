"""Keeps requests in a folder, in a thread beside the calls that brought them.

A recording is a file in the folder of its service that ``replay`` reads: ``{"now", "profile", "request"}``. What was
fetched from a FHIR server stands in its prefetch; no token and no address of a server is kept. Recording never fails or
delays a call: what cannot be kept is counted, and the log says why the first time.

As they came, requests are written at once, refused ones too. De-identified ones are held in memory and written together
after some hours, in another order, and at the end of the process: so the time at which the file system made a file is
not that of the call.
"""

from __future__ import annotations

import atexit
import codecs
import json
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from multiprocessing.util import Finalize
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from cds_service.content.model import Pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.protocol.faults import Fault
from cds_service.recording import owned_files
from cds_service.recording.deidentify import Deidentifier, comparable_decisions
from cds_service.recording.exchange import Exchange
from cds_service.vocabulary.json_text import encode

_log = logging.getLogger("cds_service")
_MOST_WAITING = 100
_COUNT_EVERY = 100  # calls: other workers write into the same folder, and somebody may delete from it
_NEVER_KEPT = ("fhirServer", "fhirAuthorization")
_MOST_HELD, _MOST_BYTES_HELD = 500, 50_000_000
_SOONEST, _LATEST = 2 * 3600, 8 * 3600  # seconds until what is held is written
_SECONDS_TO_END = 5
_KEY_BYTES = 32

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_tree = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)  # digits as they were sent


@dataclass(frozen=True, slots=True)
class _Recording:
    """What is to be written: a file of a service. ``now`` is the time of the call, ``None`` if nobody may know."""

    service: str
    text: bytes
    now: datetime | None


class _Ask:
    """Asks the thread to write all that it holds; ``done`` is set when it has."""

    def __init__(self) -> None:
        self.done = threading.Event()


class Recorder:
    """Keeps at most ``most`` recordings in ``folder``, of ``most_bytes`` together; each worker may exceed that by
    what the others write before it counts again.

    ``prepared_for`` gives the pack of the moment that answers a service, by the service's id. What is ``deidentified``
    is kept only if it is decided like the request that it was made from; its ids and dates rest on a secret of this
    process, which is kept nowhere. ``on_outcome`` gets what became of each request: ``kept`` (it is on disk),
    ``changed`` (de-identification would change what is decided), ``refused`` (nothing of a refused request is kept
    without names), ``failed``, or ``full`` (there are too many).
    """

    def __init__(
        self,
        folder: Path,
        prepared_for: Callable[[str], Prepared],
        on_outcome: Callable[[str], None],
        *,
        most: int,
        most_bytes: int,
        deidentified: bool = False,
    ) -> None:
        owned_files.make_folder(folder)
        self._folder = folder
        self._prepared_for = prepared_for
        self._on_outcome = on_outcome
        self._most, self._most_bytes = most, most_bytes
        self._files = self._bytes = self._until_counted = 0
        self._key = secrets.token_bytes(_KEY_BYTES) if deidentified else b""
        self._chance: Random = secrets.SystemRandom()
        self._by: dict[str, tuple[Pack, Deidentifier]] = {}  # by the id of the pack
        self._held: list[_Recording] = []
        self._write_at = self._next_time()
        self._has_logged_failure = self._closed = False
        self._waiting: queue.Queue[Exchange | _Ask] = queue.Queue(_MOST_WAITING)
        threading.Thread(target=self._work, name="recorder", daemon=True).start()
        # A worker of multiprocessing ends without calling atexit, any other process without calling Finalize.
        atexit.register(self.close)
        Finalize(self, self.close, exitpriority=10)

    def keep(self, exchange: Exchange) -> None:
        """Takes a call that is to be kept; never waits and never raises."""
        try:
            self._waiting.put_nowait(exchange)
        except queue.Full:
            self._on_outcome("full")

    def settle(self, seconds: float | None = None) -> None:
        """Waits until every call that was taken has been written or dropped, but no longer than ``seconds``."""
        ask = _Ask()
        try:
            self._waiting.put(ask, timeout=seconds)
        except queue.Full:
            return
        ask.done.wait(seconds)

    def close(self) -> None:
        """Writes what is held, within a bounded time."""
        if not self._closed:
            self._closed = True
            atexit.unregister(self.close)
            self.settle(_SECONDS_TO_END)

    def _next_time(self) -> float:
        return time.monotonic() + self._chance.uniform(_SOONEST, _LATEST)

    def _work(self) -> None:
        while True:
            try:
                job = self._waiting.get(timeout=max(0, self._write_at - time.monotonic()))
            except queue.Empty:
                self._write_held()
                continue
            if isinstance(job, _Ask):
                self._write_held()
                job.done.set()
            else:
                self._take(job)

    def _take(self, exchange: Exchange) -> None:
        try:
            recording = self._recording(exchange)
        except Exception as error:  # no recording is worth a call
            self._failed(error)
            return
        if isinstance(recording, str):
            self._on_outcome(recording)
            return
        self._held.append(recording)
        held = sum(len(each.text) for each in self._held)
        if not self._key or len(self._held) >= _MOST_HELD or held >= _MOST_BYTES_HELD:
            self._write_held()

    def _write_held(self) -> None:
        """Writes what is held, in an order that says nothing."""
        held, self._held, self._write_at = self._held, [], self._next_time()
        self._chance.shuffle(held)
        for recording in held:
            try:
                self._on_outcome(self._write(recording))
            except Exception as error:
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._on_outcome("failed")
        if not self._has_logged_failure:
            self._has_logged_failure = True
            _log.error("requests cannot be recorded: %s", type(error).__name__)

    def _recording(self, exchange: Exchange) -> _Recording | str:
        """What is kept of a call, or the outcome if nothing is."""
        self._count()
        held = sum(len(each.text) for each in self._held)
        if self._files + len(self._held) >= self._most or self._bytes + held >= self._most_bytes:
            return "full"
        request = _complete(exchange)
        if request is None:
            return "failed"
        if self._key:
            return self._deidentified(exchange, request)
        return _Recording(exchange.service.id, _as_file(exchange, exchange.now, msgspec.Raw(request)), exchange.now)

    def _deidentified(self, exchange: Exchange, request: bytes) -> _Recording | str:
        """The coarsest form of a request that is decided like it."""
        prepared = self._prepared_for(exchange.service.id)
        before = _decided(prepared, exchange, request, exchange.now)
        if before is None:
            return "refused"
        templates = templates_of(prepared.pack, exchange.service)
        body = _tree.decode(request)
        for form in self._deidentifier(prepared).forms(body, templates, exchange.now, self._chance):
            if _decided(prepared, exchange, encode(form.request), form.now) == before:
                text = _as_file(exchange, form.now, form.request, dropped=form.dropped)
                return _Recording(exchange.service.id, text, None)
        return "changed"

    def _deidentifier(self, prepared: Prepared) -> Deidentifier:
        pack = prepared.pack
        if pack.id not in self._by or self._by[pack.id][0] is not pack:
            self._by[pack.id] = pack, Deidentifier(pack, self._key, prepared.zone)
        return self._by[pack.id][1]

    def _write(self, recording: _Recording) -> str:
        if self._files >= self._most or self._bytes + len(recording.text) > self._most_bytes:
            return "full"
        owned_files.write(self._folder / recording.service, recording.text, recording.now)
        self._files, self._bytes = self._files + 1, self._bytes + len(recording.text)
        return "kept"

    def _count(self) -> None:
        """Counts files and bytes in the folder anew, once in every hundred calls."""
        if self._until_counted == 0:
            sizes = [path.stat().st_size for path in self._folder.glob("*/*.json")]
            self._files, self._bytes, self._until_counted = len(sizes), sum(sizes), _COUNT_EVERY
        self._until_counted -= 1


def _as_file(exchange: Exchange, now: datetime, request: Any, **more: Any) -> bytes:
    recording = {"now": now.isoformat(), "profile": exchange.profile.name, "request": request, **more}
    return msgspec.json.format(encode(recording), indent=1)


def _complete(exchange: Exchange) -> bytes | None:
    """The request as it came, with what was fetched for it in its prefetch; ``None`` if it is not a JSON object."""
    request = _members_of(exchange.body.removeprefix(codecs.BOM_UTF8))
    if request is None:
        return None
    kept = {name: value for name, value in request.items() if name not in _NEVER_KEPT}
    if exchange.fetched:
        sent = _members_of(request["prefetch"]) if "prefetch" in request else None
        kept["prefetch"] = msgspec.Raw(encode({**(sent or {}), **exchange.fetched}))
    return encode(kept)


def _members_of(raw: bytes | msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    try:
        return _members.decode(raw)
    except msgspec.DecodeError:
        return None


def _decided(prepared: Prepared, exchange: Exchange, request: bytes, now: datetime) -> str | None:
    """What is decided on a request, whether or not it may be shown; ``None`` if the request is refused."""
    try:
        answer = evaluate(replace(prepared, shown=True), exchange.service, request, now, exchange.profile)
    except Fault:
        return None
    cards: list[Mapping[str, Any]] = json.loads(encode(answer.body))["cards"]
    return comparable_decisions(cards)
