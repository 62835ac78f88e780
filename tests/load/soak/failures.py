"""What fails around the service, and how each failure begins and ends."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.fhir_stub import Asked, saying
from tests.support.servers import PostgreSQL, Service, children, serving


@dataclass(frozen=True)
class Failure:
    """Something that begins and ends; ``explains`` tells which answers it makes unavoidable.

    Two faults of the same ``subject`` are never on together. ``least`` is how long it lasts at least, ``settle`` how
    long the next one waits after its end, in seconds.
    """

    name: str
    subject: str
    begin: Callable[[], None]
    end: Callable[[], None]
    explains: Callable[[str, int], bool] = lambda kind, status: False
    least: float = 0.0
    settle: float = 0.0


def nothing() -> None:
    """No fault begins or ends."""


class Killer:
    """kill -9 of the oldest worker every few seconds: one that dies again within 5.5 s ends Granian."""

    def __init__(self, service: Service, seconds: float) -> None:
        self._service, self._seconds = service, seconds
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        self._ended.clear()
        self._thread = threading.Thread(target=self._kill, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _kill(self) -> None:
        while not self._ended.is_set():
            for worker in serving(self._service)[1:2]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
            self._ended.wait(self._seconds)


class LogReader:
    """Reads what the service says from a pipe, as the driver of a container does, until it hangs."""

    def __init__(self, pipe: Path) -> None:
        os.mkfifo(pipe)
        self._pipe = os.open(pipe, os.O_RDWR)  # so that neither end waits for the other, and the pipe is never closed
        self.hangs = threading.Event()
        self.lines = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            if self.hangs.is_set():
                time.sleep(0.05)
            else:
                self.lines += os.read(self._pipe, 65_536).count(b"\n")


class Clock:
    """The time of day as the service sees it, by a library of its own that is loaded before the system's."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._library = folder / "clock.so"
        self.back()
        compiler = shutil.which("cc")
        if compiler is not None:
            command = [compiler, "-shared", "-fPIC", "-O2", "-o", self._library, Path(__file__).with_name("clock.c")]
            subprocess.run(command, check=True)

    @property
    def can_jump(self) -> bool:
        return self._library.exists()

    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "SOAK_CLOCK": str(self._file)} if self.can_jump else {}

    def jump(self) -> None:
        """Away by twenty minutes, which no token lives, and on the same day."""
        self._set(1200 if datetime.now(UTC).hour < 12 else -1200)

    def back(self) -> None:
        self._set(0)

    def _set(self, seconds: int) -> None:
        self._file.touch()
        with self._file.open("r+b") as file:  # the same file, for it is mapped into the service
            file.write(struct.pack("l", seconds))


def failures_of_fhir(is_now: Callable[[Callable[[Asked], None]], Callable[[], None]], well: Any) -> list[Failure]:
    """``is_now`` makes what changes the answers of the FHIR server, ``well`` are those when it is well."""

    def unavoidable(kind: str, status: int) -> bool:
        return kind == "fetching" and status == -1

    says = {
        "FHIR server dead": lambda asked: None,
        "FHIR server hangs": lambda asked: asked.wait(3) or None,
        "FHIR server says rubbish": saying(b"<html>", 200),
    }
    return [Failure(name, "fhir", is_now(what), is_now(well), unavoidable) for name, what in says.items()]


def failures_of_files(folder: Path) -> list[Failure]:
    """Of the content and of the audit's disk; none of them may be felt by a caller."""
    lock, cards, away, audit = (
        folder / "cards/vitamin-b12/lock.json",
        folder / "cards",
        folder / "away",
        folder / "audit",
    )
    good = lock.read_bytes()

    def fill() -> None:
        link = folder / "full"
        link.symlink_to("/dev/full")
        link.replace(audit)

    return [
        Failure("content half written", "content", lambda: lock.write_bytes(good[:99]), lambda: lock.write_bytes(good)),
        Failure("content away", "content", lambda: cards.rename(away), lambda: away.rename(cards)),
        Failure("audit's disk full", "audit", fill, audit.unlink),
    ]


def failures_of_postgresql(database: PostgreSQL) -> list[Failure]:
    def unavoidable(kind: str, status: int) -> bool:
        return (kind, status) == ("feedback", 503)

    def restart() -> None:
        database.kill()
        time.sleep(1)
        database.start()

    def signal_all(number: signal.Signals) -> None:
        everyone = children(database.process.pid)
        for process in everyone if number == signal.SIGSTOP else reversed(everyone):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    return [
        Failure("PostgreSQL killed", "database", restart, nothing, unavoidable),
        Failure(
            "PostgreSQL hangs",
            "database",
            lambda: signal_all(signal.SIGSTOP),
            lambda: signal_all(signal.SIGCONT),
            unavoidable,
        ),
    ]


def failures_of_sqlite(service: Service, path: Path, deleted_at: list[float]) -> list[Failure]:
    """``deleted_at`` gets the moment after which nothing that is acknowledged may be lost."""

    def unavoidable(kind: str, status: int) -> bool:
        return (kind, status) == ("feedback", 503)

    def delete() -> None:
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        deleted_at[0] = time.monotonic()

    return [
        Failure(
            "store's disk full",
            "disk",
            lambda: limit_files(service),
            lambda: limit_files(service, lifted=True),
            unavoidable,
        ),
        Failure("store's file deleted", "file", delete, nothing, unavoidable),
    ]


def limit_files(service: Service, *, lifted: bool = False) -> None:
    """No file of the service's grows any more, as on a disk that is full; or it does again."""
    none = resource.RLIM_INFINITY
    for process in children(service.process.pid):
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process, resource.RLIMIT_FSIZE, (none if lifted else 4096, none))
