"""What is written about each call: a line of the log, and of the audit if there is one. Never data of a patient.

Imports settings only. The log goes to stderr, as JSON for machines or as text for a terminal; the audit is a file of
JSON lines (SEC-21).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import structlog
from structlog.typing import Processor

from cds_service.settings import Settings

Tell = Callable[[Mapping[str, Any]], None]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_HASH_HEX = 32  # characters: 128 bits
_encode = msgspec.json.Encoder().encode


def silent(call: Mapping[str, Any]) -> None:
    """Nobody is told."""


def request_id_of(header: str | None) -> str:
    """The id that the caller's proxy gave the call if it is a plain one, otherwise a new one."""
    return header if header and _REQUEST_ID.fullmatch(header) else uuid4().hex


def start_log(settings: Settings) -> Tell:
    """Sends every log of this process to stderr in one form; what returns writes the line of one call.

    A line of a call has ``request_id``, ``service``, ``client``, ``status`` and ``seconds``, for hooks ``cards`` (topic
    codes) and ``content`` (its version), and ``trace_id`` where spans are sent.
    """
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_text)
                if as_json
                else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in ("granian", "_granian"):  # its handlers are its own
        logging.getLogger(name).propagate = False
    if not settings.log_calls:
        return silent
    out: Any = structlog.PrintLogger(sys.stderr)
    last: Processor = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    if as_json:
        out, last = structlog.BytesLogger(sys.stderr.buffer), structlog.processors.JSONRenderer(serializer=_bytes)
    wrapper = structlog.make_filtering_bound_logger(logging.INFO)
    log = structlog.wrap_logger(out, processors=[*shared, last], wrapper_class=wrapper).bind()

    def tell(call: Mapping[str, Any]) -> None:
        log.info("call", **call)

    return tell


def open_audit(path: Path | None, key: bytes, failed: Callable[[], None]) -> Tell:
    """Appends one line for each call to the audit's file: who called which service when, and which cards went out.

    ``patient`` and ``user`` of a call stand there only as hashes under ``key``, so that all calls about one patient can
    be found by who has the key and the id. A line that cannot be written is told to ``failed``, and the call goes on;
    the file may be moved away at any time.
    """
    if path is None:
        return silent
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)

    def tell(call: Mapping[str, Any]) -> None:
        line = dict(stamp(None, "", dict(call)))
        for name in ("patient", "user"):
            if line.get(name):
                line[name] = _hash(key, name, line[name])
        try:
            with path.open("ab", buffering=0) as file:  # one write, so that lines of several processes do not mix
                file.write(_encode(line) + b"\n")
        except OSError:
            failed()

    return tell


def _hash(key: bytes, kind: str, value: str) -> str:
    return hmac.new(key, f"{kind}\0{value}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:_HASH_HEX]


def _bytes(event: Any, **_: Any) -> bytes:
    return _encode(event)


def _text(event: Any, **_: Any) -> str:
    return _encode(event).decode()
