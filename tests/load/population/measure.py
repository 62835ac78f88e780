"""What judging a whole export costs, in processor time, beside judging alone: ``make bench-population``.

``python -m tests.load.population.measure [--patients N] [--large N] [--keep]``. The parts are measured one after
another in a process that has done nothing else; the whole command in its own processes, with one worker and with two,
by the processor time of all of them and by the clock. A clock says little on a busy machine, so the load beside it is
kept too.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count, repeat
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cds_service.chart.record import Chart
from cds_service.content.model import Service
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import Answer, evaluate
from cds_service.population import judging
from cds_service.population.chunks import batches_of, chunks
from cds_service.population.duck import Machine, lines
from cds_service.population.export_files import find_export
from cds_service.population.judging import Task, judge
from cds_service.population.selection import Selection
from cds_service.population.sifting import sift
from cds_service.population.workers import OBJECTS_BEFORE_COLLECTION
from cds_service.protocol.envelope import HookRequest
from cds_service.protocol.faults import Fault
from tests.load.population.page import everything, population
from tests.support.measured import leave
from tests.support.shipped import shipped_pack
from tests.support.synthetic_catalogue import AS_OF
from tests.support.synthetic_population import write_population

SEED = 7
MEMORY = "1GB"
_ROUNDS = 3
PANEL, ORDERS = ("patient-view",), ("order-select", "order-sign")
_MEGABYTE = 1_000_000
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=0, help="patients of one run more, measured as a whole only")
    parser.add_argument("--keep", action="store_true", help="leave every figure in build/measured")
    asked = parser.parse_args()
    found = measure(asked.patients, asked.large)
    print(population(found))
    if asked.keep:
        leave("population", found)


def measure(patients: int, large: int = 0) -> dict[str, Any]:
    """The parts and the whole runs of a synthetic population, and the whole run of a large one if that is asked for."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export = folder / "export"
        write_population(export, patients, seed=SEED, parts=4)
        size = sum(file.stat().st_size for file in export.iterdir())
        os.sync()  # what is still being written of the export is no part of a run
        found: dict[str, Any] = {
            "patients": patients,
            "megabytes": size / _MEGABYTE,
            "memory limit": MEMORY,
            "parts": in_rounds(export, folder / "parts"),
            "whole": [whole_run(export, folder, workers) for workers in (1, 2)],
        }
        shutil.rmtree(export)
        if large:
            write_population(export, large, seed=SEED, parts=8, gzipped=True)
            found["large"] = large_run(export, folder, large)
    return found


def large_run(export: Path, folder: Path, patients: int) -> dict[str, Any]:
    """The whole run of a large export, which is compressed, with two workers."""
    size = sum(file.stat().st_size for file in export.iterdir())
    return {"patients": patients, "megabytes compressed": size / _MEGABYTE, **whole_run(export, folder, 2)}


def in_rounds(export: Path, aside: Path) -> dict[str, Any]:
    """The parts of that of three rounds which lies between the others in what everything is, of judging alone.

    A machine that lends its memory from another pays for a page that was idle four times what it pays for one that is
    at hand, so one round may take more than another. What everything was in each of them is told too.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as fresh:
        rounds = [tuple(fresh.map(parts, repeat(export), repeat(aside), (PANEL, ORDERS))) for _ in range(_ROUNDS)]
    in_order = sorted(rounds, key=lambda one: everything(one[0]))
    panel, orders = in_order[_ROUNDS // 2]
    return {"panel": panel, "orders": orders, "rounds": [everything(one) for one, _ in rounds]}


def parts(export: Path, aside: Path, hooks: tuple[str, ...]) -> dict[str, float]:
    """Seconds of processor time of each part of a run in this process, which is set up as a worker is and has done
    nothing else; ``judging alone`` is what the same calls take over JSON.
    """
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION)
    prepared = Prepared.of(shipped_pack(), zone=ZoneInfo("UTC"), key=b"k" * 32)
    task = Task({"content": prepared}, hooks, AS_OF - timedelta(days=365), AS_OF, b"k" * 32)
    aside.mkdir()
    begun = time.process_time()
    sifted = sift(find_export(export, Selection([prepared]).types), Selection([prepared]), aside)
    read = time.process_time() - begun
    in_order = chunks(lines(sifted, Machine(1, MEMORY, aside), Counter()))
    found = {"reading": read, **judged_in_turns(task, in_order)}
    shutil.rmtree(aside)
    return found


def judged_in_turns(task: Task, in_order: Iterator[bytes]) -> dict[str, float]:
    """Seconds of processor time that sorting takes, assembling and judging, and judging alone, and how many rows and
    lines there are.

    A machine is quicker at one time than at another, and what was just read is read sooner once more. So both are done
    with one chunk after another as it comes, and each is first every second time.
    """
    sorting, assembling, alone, events, handed_on = 0.0, 0.0, [0.0], 0, 0
    for number in count():
        begun = time.process_time()
        chunk = next(in_order, b"")
        sorting += time.process_time() - begun
        if not chunk:
            break
        part = list(batches_of(chunk))
        handed_on += sum(batch.num_rows for batch in part)
        for is_alone in (False, True) if number % 2 else (True, False):
            if is_alone:
                with beside(alone):
                    list(judge(task, part))
            else:
                begun = time.process_time()
                events += sum(batch.num_rows for batch in judge(task, part))
                assembling += time.process_time() - begun
    return {
        "sorting": sorting,
        "assembling and judging": assembling,
        "judging alone": alone[0],
        "events": events,
        "lines": handed_on,
    }


@contextmanager
def beside(spent: list[float]) -> Iterator[None]:
    """Within it, whatever is judged is also answered as a call over JSON would be, and what that takes is added up."""
    judged = judging.judge_request

    def measured(prepared: Prepared, service: Service, request: HookRequest, chart: Chart) -> Answer:
        body = as_call(prepared, service, request, chart)
        begun = time.process_time()
        with suppress(Fault):
            evaluate(prepared, service, body, chart.now)
        spent[0] += time.process_time() - begun
        return judged(prepared, service, request, chart)

    judging.judge_request = measured
    try:
        yield
    finally:
        judging.judge_request = judged


def as_call(prepared: Prepared, service: Service, request: HookRequest, chart: Chart) -> bytes:
    """The body that a client would send for the same orders and the same record."""
    orders = [{"resource": draft.resource} for draft in request.drafts]
    context: dict[str, Any] = {"userId": "Practitioner/p", "patientId": request.patient_id}
    if orders:
        context["draftOrders"] = {"resourceType": "Bundle", "entry": orders}
    if request.hook == "order-select":
        context["selections"] = [draft.reference for draft in request.selected]
    prefetch = {}
    for search in prepared.searches[service.id]:
        entries = ",".join(f'{{"resource":{raw.decode()}}}' for raw in chart.undecoded(search) if raw)
        text = f'{{"resourceType":"Bundle","entry":[{entries}]}}'
        prefetch[search.key] = msgspec.Raw(text.encode())
    call = {"hook": request.hook, "hookInstance": request.hook_instance, "context": context, "prefetch": prefetch}
    return msgspec.json.encode(call)


def whole_run(export: Path, folder: Path, workers: int) -> dict[str, Any]:
    """The command as it is typed: seconds of processor time and by the clock, and the most memory of its processes."""
    out = folder / f"run-{workers}"
    command = [sys.executable, "-m", "cds_service", "population", "run", str(export), "--out", str(out)]
    command += ["--workers", str(workers), "--memory", MEMORY]
    environment = {**os.environ, "CDS_SERVICE_KEY": "k" * 40}
    before, load = os.times(), os.getloadavg()[0]
    begun = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    most = watched(process)
    wall, after = time.monotonic() - begun, os.times()
    if process.returncode:
        raise RuntimeError(f"the run ended with {process.returncode}")
    shutil.rmtree(out)
    return {
        "workers": workers,
        "cpu": after.children_user + after.children_system - before.children_user - before.children_system,
        "wall": wall,
        "load before": load,
        "main megabytes": most["main"] / _MEGABYTE,
        "worker megabytes": most["worker"] / _MEGABYTE,
    }


def watched(process: subprocess.Popen[bytes]) -> dict[str, int]:
    """The most bytes of memory that a process and each of its children ever held, looked at until it ends."""
    most = {"main": 0, "worker": 0}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            most["main"] = max(most["main"], _held(process.pid))
            for child in _children(process.pid):
                most["worker"] = max(most["worker"], _held(child))

    watcher = threading.Thread(target=look)
    watcher.start()
    process.wait()
    ended.set()
    watcher.join()
    return most


def _held(pid: int) -> int:
    """The most bytes that a process has held so far; 0 if it is gone."""
    return _kilobytes(pid, "VmHWM") * 1024


def _kilobytes(pid: int, name: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith(f"{name}:")]
    return int(found[0]) if found else 0


def _children(pid: int) -> Iterator[int]:
    try:
        yield from map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    except OSError:
        return


if __name__ == "__main__":
    main()
