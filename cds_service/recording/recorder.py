"""Writes requests into a folder, in a thread beside the calls that brought them.

A recording is a file ``<service>/<time>-<random>.json`` that ``replay`` reads: ``{"now", "profile", "request"}``. What
was fetched from a FHIR server stands in its prefetch; no token and no address of a server is kept. Recording never
fails or delays a call: what cannot be kept is counted, and the log says why the first time.
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
from cds_service.recording.deidentify import Deidentifier, comparable_decisions
from cds_service.recording.exchange import Exchange
from cds_service.vocabulary.json_text import encode

_log = logging.getLogger("cds_service")
_MOST_WAITING = 100
_COUNT_EVERY = 100  # recordings: other workers write into the same folder, and somebody may delete from it
_NEVER_KEPT = ("fhirServer", "fhirAuthorization")


class Recorder:
    """Keeps at most ``most`` recordings in ``folder``, of ``most_bytes`` together; each worker may exceed that by
    what the others write before it counts again.

    ``prepared`` gives the content of the moment. With a ``key`` recordings are de-identified, and kept only if they are
    decided like the request that they were made from. ``on_outcome`` gets what became of each request: ``kept``,
    ``changed`` (de-identification would change what is decided), ``failed``, or ``full`` (there are too many).
    """

    def __init__(
        self,
        folder: Path,
        prepared: Callable[[], Prepared],
        on_outcome: Callable[[str], None],
        *,
        most: int,
        most_bytes: int,
        key: bytes = b"",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._prepared = prepared
        self._on_outcome = on_outcome
        self._most, self._most_bytes = most, most_bytes
        self._files = self._bytes = self._until_counted = 0
        self._key = key
        self._has_logged_failure = False
        self._waiting: queue.Queue[Exchange] = queue.Queue(_MOST_WAITING)
        threading.Thread(target=self._work, name="recorder", daemon=True).start()

    def keep(self, exchange: Exchange) -> None:
        """Takes a call that is to be kept; never waits and never raises."""
        try:
            self._waiting.put_nowait(exchange)
        except queue.Full:
            self._on_outcome("full")

    def settle(self) -> None:
        """Waits until every call that was taken has been written or dropped."""
        self._waiting.join()

    def _work(self) -> None:
        while True:
            exchange = self._waiting.get()
            try:
                self._on_outcome(self._write(exchange))
            except Exception as error:  # no recording is worth a call
                self._on_outcome("failed")
                if not self._has_logged_failure:
                    self._has_logged_failure = True
                    _log.error("requests cannot be recorded: %s", type(error).__name__)
            finally:
                self._waiting.task_done()

    def _write(self, exchange: Exchange) -> str:
        self._count()
        if self._files >= self._most or self._bytes >= self._most_bytes:
            return "full"
        prepared = self._prepared()
        request = _complete(exchange)
        if request is None:
            return "failed"
        now = exchange.now
        if self._key:
            deidentifier = Deidentifier(prepared.pack, self._key)
            kept = deidentifier.request(request, templates_of(prepared.pack, exchange.service))
            moved = now + timedelta(days=deidentifier.days(request))
            if self._decided(prepared, exchange, request, now) != self._decided(prepared, exchange, kept, moved):
                return "changed"
            request, now = kept, moved
        recording = {"now": now.isoformat(), "profile": exchange.profile.name, "request": request}
        text = msgspec.json.format(encode(recording), indent=1)
        if self._bytes + len(text) > self._most_bytes:
            return "full"
        folder = self._folder / exchange.service.id
        folder.mkdir(exist_ok=True, mode=0o700)
        _put(folder / f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(6)}.json", text, now)
        self._files, self._bytes = self._files + 1, self._bytes + len(text)
        return "kept"

    def _count(self) -> None:
        """Counts files and bytes in the folder anew, once in every hundred recordings."""
        if self._until_counted == 0:
            sizes = [path.stat().st_size for path in self._folder.glob("*/*.json")]
            self._files, self._bytes, self._until_counted = len(sizes), sum(sizes), _COUNT_EVERY
        self._until_counted -= 1

    def _decided(self, prepared: Prepared, exchange: Exchange, request: Mapping[str, Any], now: datetime) -> str:
        try:
            answer = evaluate(prepared, exchange.service, encode(request), now, exchange.profile)
        except Fault as fault:
            return f"{fault.status} {fault.path}"
        return comparable_decisions(json.loads(encode(answer.body))["cards"])


def _put(path: Path, text: bytes, now: datetime) -> None:
    """Writes a file that is there whole or not at all.

    Its time of change is ``now``, the time in the recording: the true one would give moved dates away.
    """
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


def _complete(exchange: Exchange) -> dict[str, Any] | None:
    """The request with what was fetched for it in its prefetch; ``None`` if the body is not a JSON object."""
    try:
        request = _read(exchange.body)
    except ValueError:
        return None
    if not isinstance(request, dict):
        return None
    sent = request.get("prefetch")
    if exchange.fetched:
        fetched = {key: _read(bytes(raw)) for key, raw in exchange.fetched.items()}
        request["prefetch"] = (sent if isinstance(sent, dict) else {}) | fetched
    return {name: value for name, value in request.items() if name not in _NEVER_KEPT}
