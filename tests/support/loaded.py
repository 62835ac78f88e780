"""Servers under load: started on a free port, their CPU time and memory read from the operating system (Linux)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.places import TESTS
from tests.support.ports import free_port

_FLOORS = TESTS / "load" / "bench"
_TICKS = os.sysconf("SC_CLK_TCK")
_STARTS_WITHIN_SECONDS = 30


@dataclass(frozen=True)
class Server:
    """A running server. ``ready_after`` is the time from its start to its first answer, in seconds."""

    url: str
    pid: int
    ready_after: float

    def cpu(self) -> float:
        """User and system time of its process tree, in seconds."""
        return sum(_cpu(pid) for pid in _tree(self.pid))

    def memory(self) -> list[float]:
        """Resident memory of each of its workers, in MB."""
        return [_resident(pid) for pid in _tree(self.pid) if pid != self.pid and _is_worker(pid)]


@contextlib.contextmanager
def floor(name: str, workers: int) -> Iterator[Server]:
    """One of ``tests/load/bench/floors.py``."""
    port = free_port()
    with _started([sys.executable, "floors.py", name, str(port), str(workers)], port, {}) as server:
        yield server


@contextlib.contextmanager
def service(workers: int, settings: Mapping[str, str]) -> Iterator[Server]:
    """The service as shipped, with a log that goes nowhere and a store of its own."""
    port = free_port()
    command = [sys.executable, "-m", "cds_service", "serve", "--port", str(port), "--workers", str(workers)]
    with _started(command, port, settings) as server:
        yield server


@contextlib.contextmanager
def peer(command: Sequence[str]) -> Iterator[Server]:
    """Another server, of a command run in ``tests/load/bench``; ``{port}`` in it is a free port."""
    port = free_port()
    with _started([part.format(port=port) for part in command], port, {}) as server:
        yield server


@contextlib.contextmanager
def _started(command: list[str], port: int, settings: Mapping[str, str]) -> Iterator[Server]:
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=_FLOORS, env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while not _answers(f"{url}/healthz"):
            if process.poll() is not None or time.perf_counter() - began > _STARTS_WITHIN_SECONDS:
                raise RuntimeError(f"{' '.join(command)} does not start")
            time.sleep(0.01)
        yield Server(url, process.pid, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            for pid in reversed(_tree(process.pid)):
                os.kill(pid, signal.SIGKILL)
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310  (our own, on loopback)
            return True
    except urllib.error.HTTPError:
        return True  # a floor has no such path
    except OSError:
        return False


def _tree(pid: int) -> list[int]:
    """A process and those below it."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _is_worker(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_text()
    return False


def _resident(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0
