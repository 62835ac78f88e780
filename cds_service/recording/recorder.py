"""Writes requests into a folder, beside the calls that brought them. Imports evaluate and this room.

A recording is one file, ``<service>/<time>-<random>.json``, that ``replay`` reads: ``{"now", "profile", "request"}``.
What was fetched from a FHIR server stands in its prefetch, and no token or address of a server is kept. Recording never
fails or holds up a call: what cannot be kept is counted, and the log says the first time why.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.protocol.faults import Fault
from cds_service.recording.deidentify import Deidentifier, outcome
from cds_service.recording.exchange import Heard
from cds_service.vocabulary.json_text import encode

_log = logging.getLogger("cds_service")
_MOST_WAITING = 100
_COUNT_EVERY = 100  # recordings; other workers write into the same folder, and what somebody deletes makes room
_NEVER_KEPT = ("fhirServer", "fhirAuthorization")


class Recorder:
    """Keeps at most ``most`` recordings in ``folder``, of ``most_bytes`` together; each worker may exceed that by
    what the others write before it counts again.

    ``prepared`` gives the content of the moment. With ``key`` recordings are de-identified, and kept only if they are
    decided like the request they are of. ``told`` hears what became of each: ``kept``, ``changed`` by that, ``failed``,
    or there were too many: ``full``.
    """

    def __init__(
        self,
        folder: Path,
        prepared: Callable[[], Prepared],
        told: Callable[[str], None],
        *,
        most: int,
        most_bytes: int,
        key: bytes = b"",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._evaluator = prepared
        self._told = told
        self._most, self._most_bytes = most, most_bytes
        self._files = self._bytes = self._until_counted = 0
        self._key = key
        self._complained = False
        self._waiting: queue.Queue[Heard] = queue.Queue(_MOST_WAITING)
        threading.Thread(target=self._work, name="recorder", daemon=True).start()

    def keep(self, heard: Heard) -> None:
        """Takes a call to be kept; never waits and never raises."""
        try:
            self._waiting.put_nowait(heard)
        except queue.Full:
            self._told("full")

    def settle(self) -> None:
        """Waits until everything that was taken is done with."""
        self._waiting.join()

    def _work(self) -> None:
        while True:
            heard = self._waiting.get()
            try:
                self._told(self._write(heard))
            except Exception as error:  # a recording is worth no call
                self._told("failed")
                if not self._complained:
                    self._complained = True
                    _log.error("requests cannot be recorded: %s", type(error).__name__)
            finally:
                self._waiting.task_done()

    def _write(self, heard: Heard) -> str:
        self._count()
        if self._files >= self._most or self._bytes >= self._most_bytes:
            return "full"
        prepared = self._evaluator()
        request = _whole(heard)
        if request is None:
            return "failed"
        now = heard.now
        if self._key:
            by = Deidentifier(prepared.pack, self._key)
            kept = by.request(request, templates_of(prepared.pack, heard.service))
            moved = now + timedelta(days=by.days(request))
            if self._decided(prepared, heard, request, now) != self._decided(prepared, heard, kept, moved):
                return "changed"
            request, now = kept, moved
        recording = {"now": now.isoformat(), "profile": heard.profile.name, "request": request}
        text = msgspec.json.format(encode(recording), indent=1)
        if self._bytes + len(text) > self._most_bytes:
            return "full"
        folder = self._folder / heard.service.id
        folder.mkdir(exist_ok=True, mode=0o700)
        _put(folder / f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(6)}.json", text, now)
        self._files, self._bytes = self._files + 1, self._bytes + len(text)
        return "kept"

    def _count(self) -> None:
        """Looks now and then at what the folder holds."""
        if self._until_counted == 0:
            sizes = [path.stat().st_size for path in self._folder.glob("*/*.json")]
            self._files, self._bytes, self._until_counted = len(sizes), sum(sizes), _COUNT_EVERY
        self._until_counted -= 1

    def _decided(self, prepared: Prepared, heard: Heard, request: Mapping[str, Any], now: datetime) -> str:
        try:
            answer = evaluate(prepared, heard.service, encode(request), now, heard.profile)
        except Fault as fault:
            return f"{fault.status} {fault.path}"
        return outcome(json.loads(encode(answer.body))["cards"])


def _put(path: Path, text: bytes, now: datetime) -> None:
    """Writes a file that is there whole or not at all, of the time it tells: the true one would give dates away."""
    part = path.with_suffix(".part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text)
        os.utime(part, (now.timestamp(), now.timestamp()))
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _read(text: bytes) -> Any:
    return json.loads(text, parse_float=Decimal)  # digits as they were sent


def _whole(heard: Heard) -> dict[str, Any] | None:
    """The request with what was fetched for it; ``None`` if it is none."""
    try:
        request = _read(heard.body)
    except ValueError:
        return None
    if not isinstance(request, dict):
        return None
    sent = request.get("prefetch")
    if heard.fetched:
        fetched = {key: _read(bytes(raw)) for key, raw in heard.fetched.items()}
        request["prefetch"] = (sent if isinstance(sent, dict) else {}) | fetched
    return {name: value for name, value in request.items() if name not in _NEVER_KEPT}
