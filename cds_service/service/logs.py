"""Log and audit: a line for each call, never with data of a patient.

The log goes to stderr, as JSON for machines or as text for a terminal; the audit is a file of JSON lines (SEC-21). Both
are written beside the calls: a reader of the log that hangs, or a disk that does, delays none of them.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import io
import logging
import os
import random
import re
import stat
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from cds_service.service.line_writer import LineWriter
from cds_service.settings import Settings

Rendered = Callable[[dict[str, Any]], bytes]
"""Takes the parts of a line and gives its text, without an end of line."""

CallLog = Callable[[Mapping[str, Any]], None]
"""Takes what is known of one call when it has been answered, and writes it somewhere."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_HASH_HEX = 32  # characters: 128 bits
_encode = msgspec.json.Encoder().encode
_request_id: ContextVar[str | None] = ContextVar("the id of the present request", default=None)


def discard(call: Mapping[str, Any]) -> None:
    """Ignores the call: there is no log, or no audit."""


def request_id_of(header: str | None) -> str:
    """The id that the caller's proxy gave the call if it is a plain one, otherwise a new one."""
    if header and _REQUEST_ID.fullmatch(header):
        return header
    return f"{random.getrandbits(128):032x}"


def begin_request(request_id: str) -> None:
    """Has every line that is logged on the way of this request from now on carry its id."""
    _request_id.set(request_id)


def start_log(settings: Settings, on_loss: Callable[[], None]) -> CallLog:
    """Sends every log of this process to stderr in one form, and returns what writes the line of one call.

    ``on_loss`` is called for each line that stderr did not take in time.

    Such a line has ``request_id``, ``service``, ``client``, ``status`` and ``seconds``, for hooks ``cards`` (topic
    codes) and ``content`` (its version), and ``trace_id`` where spans are sent.
    """
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    rendered = _encode if as_json else _renderer_for_people(colors=sys.stderr.isatty())
    stderr = _Lines(LineWriter(partial(_write_all, sys.stderr.fileno()), on_loss))
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(_Formatter(rendered))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in ("granian", "_granian"):  # Granian has handlers of its own
        logging.getLogger(name).propagate = False
    if not settings.log_calls:
        return discard

    def write(call: Mapping[str, Any]) -> None:  # beside ``logging``, which takes several times as long
        stderr.put(rendered({**call, "event": "call", "level": "info", "timestamp": _now()}) + b"\n")

    return write


def begin_audit(path: Path) -> None:
    """Makes the audit's file if it is not there.

    Raises:
        OSError: nothing can be appended to it.
    """
    _append(path, b"")


def open_audit(path: Path | None, key: bytes, on_failure: Callable[[], None]) -> CallLog:
    """What appends one line for each call to the audit's file: who called which service when, and which cards went out.

    ``patient`` and ``user`` of a call stand there only as hashes under ``key``, so that whoever has the key and an id
    can find all calls about one patient. ``on_failure`` is called for each line that is not written whole; the
    call goes on, and the next line begins anew. The file may be moved away at any time. Without a ``path`` there is no
    audit.
    """
    if path is None:
        return discard
    lines = LineWriter(partial(_append, path), on_failure)

    def write(call: Mapping[str, Any]) -> None:
        line = {**call, "timestamp": _now()}
        for name in ("patient", "user"):
            if line.get(name):
                line[name] = _hash(key, name, line[name])
        lines.put(_encode(line) + b"\n")

    return write


def _hash(key: bytes, kind: str, value: str) -> str:
    return hmac.new(key, f"{kind}\0{value}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:_HASH_HEX]


def _now() -> str:
    """The time as every line has it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _renderer_for_people(*, colors: bool) -> Rendered:
    """What puts a line into words for a terminal."""
    from structlog.dev import ConsoleRenderer  # a ninth of what a start would import, and machines read JSON

    console = ConsoleRenderer(colors=colors)
    return lambda line: str(console(None, line["level"], line)).encode(errors="backslashreplace")


class _Formatter(logging.Formatter):
    """Makes what is logged anywhere in this process a line like those of calls.

    Of an exception it says the kind and not the words, which may hold data of a patient.
    """

    def __init__(self, rendered: Rendered) -> None:
        super().__init__()
        self._rendered = rendered

    def format(self, record: logging.LogRecord) -> str:
        line = {"event": record.getMessage()}
        if (request_id := _request_id.get()) is not None:
            line["request_id"] = request_id
        line |= {"level": record.levelname.lower(), "timestamp": _now(), "logger": record.name}
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        return self._rendered(line).decode()


class _Lines(io.TextIOBase):
    """A stream for writers of logs, each of which writes a line at once."""

    def __init__(self, lines: LineWriter) -> None:
        self._lines = lines

    def write(self, text: str) -> int:
        """Has the text written soon."""
        self.put(text.encode(errors="backslashreplace"))
        return len(text)

    def put(self, line: bytes) -> None:
        """Has a line written soon that is encoded already."""
        self._lines.put(line)


def _write_all(descriptor: int, line: bytes) -> None:
    """Writes beside Python's buffer of stderr, whose lock a reader that hangs would hold when the process ends."""
    while line:
        line = line[os.write(descriptor, line) :]


def _append(path: Path, line: bytes) -> None:
    """Appends a line by one write, so that lines of several processes do not mix; after half a line it begins anew.

    Raises:
        OSError: it was not written whole.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if _ends_within_a_line(descriptor):
            line = b"\n" + line
        if os.write(descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def _ends_within_a_line(descriptor: int) -> bool:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return False
    return os.pread(descriptor, 1, status.st_size - 1) != b"\n"
