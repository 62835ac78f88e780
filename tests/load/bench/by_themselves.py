"""The rows of the bench that are measured one call or one process at a time, without load."""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from tests.load.bench.goals import CHECK, ECHO, FEEDBACK, PATIENT, SERVICE, START, START_AGAIN, STEPS, Figures, Row
from tests.load.bench.turns import Turn
from tests.support.bodies import PATIENT_VIEW, panel
from tests.support.loaded import floor, service
from tests.support.places import ROOT
from tests.support.shipped import shipped_pack

_TIMES_EACH_PATIENT = 20


def rows(folder: Path, workers: int) -> dict[Row, Callable[[], Turn]]:
    """What makes each row ready. Servers have ``workers`` workers, and their stores are in ``folder``."""
    turns: dict[Row, Turn] = {
        FEEDBACK: partial(_printed, "tests.load.bench.feedback", folder),
        START: lambda number: _started(folder / f"started-{number}.sqlite3", workers),
        START_AGAIN: lambda number: _started(folder / "started-again.sqlite3", workers),
        CHECK: _check,
        STEPS: partial(_printed, "tests.load.bench.steps", folder),
    }
    return {row: partial(_same, turn) for row, turn in turns.items()} | {PATIENT: _patient}


def _same(turn: Turn) -> Turn:
    """A turn that needs nothing made ready."""
    return turn


def _printed(program: str, folder: Path, number: int) -> Mapping[str, Figures]:
    """What a program of its own prints: at its end it closes its store, before the folder is deleted."""
    command = [sys.executable, "-m", program, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Figures] = json.loads(done.stdout)
    return found


def _started(store: Path, workers: int) -> Mapping[str, Figures]:
    """From the start of each server to its first answer."""
    with floor("echo", workers) as echo:
        theirs = {"seconds": echo.ready_after, "cpu_s": echo.cpu()}
    with service(workers, {"CDS_SERVICE_STORE": f"sqlite:///{store}"}) as served:
        return {SERVICE: {"seconds": served.ready_after, "cpu_s": served.cpu()}, ECHO: theirs}


def _check(number: int) -> Mapping[str, Figures]:
    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = spent()
    command = [sys.executable, "-m", "cds_service", "check"]
    subprocess.run(command, capture_output=True, text=True, check=True)
    return {SERVICE: {"cpu_s": spent() - before}}


def _patient() -> Turn:
    """``evaluate`` alone, of the chart of each patient of the fixtures."""
    prepared = Prepared.of(shipped_pack(), zone=ZoneInfo("UTC"), key=b"of the bench")
    opened = prepared.pack.services[PATIENT_VIEW]
    now, charts = datetime.now(UTC), panel()

    def turn(number: int) -> Mapping[str, Figures]:
        gc.disable()  # as in a worker, which hardly ever looks for cycles
        try:
            began = time.process_time()
            for _ in range(_TIMES_EACH_PATIENT):
                for chart in charts:
                    evaluate(prepared, opened, chart, now)
            return {SERVICE: {"cpu_us": (time.process_time() - began) / _TIMES_EACH_PATIENT / len(charts) * 1e6}}
        finally:
            gc.enable()

    return turn
