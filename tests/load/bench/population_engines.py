"""What a population run costs with DuckDB and with Apache Spark, and whether their rows are equal.

``python -m tests.load.bench.population_engines [PATIENTS] [--local] [--keep]``, where pyspark is installed (``make
spark``). The processor time is that of all processes of a run, those of Java and of a cluster included. ``--local``
leaves out the cluster, and ``--keep`` leaves the figures in ``build/measured``, for ``make measured``.

The processes are looked at while they run: nobody waits for the Python processes of Spark when they end, so that what
they used is lost to ``getrusage``.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.support.measured import leave, without_keep
from tests.support.runs import differing
from tests.support.spark_cluster import cluster, environment
from tests.support.synthetic_population import write_population

HOOKS = "order-sign,patient-view"
_PATIENTS, _SEED = 10_000, 7
_BECOME_PARENT_OF_ORPHANS = 36  # prctl(2): PR_SET_CHILD_SUBREAPER
_TICKS = os.sysconf("SC_CLK_TCK")
_PAUSE = 0.25  # seconds between two looks


def measured(folder: Path, patients: int, *, is_local: bool) -> dict[str, Any]:
    """The figures of each engine on one export; ``is_local`` leaves out the cluster."""
    export = folder / "export"
    lines = write_population(export, patients, seed=_SEED, parts=4, gzipped=True)
    engines: dict[str, tuple[str, ...]] = {
        "DuckDB, 1 worker": ("--workers", "1"),
        "Spark local[2]": ("--engine", "spark", "--master", "local[2]"),
    }
    if not is_local:
        engines["Spark standalone, 2 workers"] = ("--engine", "spark", "--memory", "1GB")
    figures = []
    for name, options in engines.items():
        place = folder / str(len(figures))
        place.mkdir()
        figures.append({"engine": name} | _run(place, export, options))
        figures[-1]["rows that differ"] = sum(differing(folder / "0" / "run", place / "run").values())
    return {
        "patients": patients,
        "resources": sum(lines.values()),
        "bytes": sum(path.stat().st_size for path in export.iterdir()),
        "hooks": HOOKS,
        "duckdb": version("duckdb"),
        "pyspark": version("pyspark"),
        "engines": figures,
    }


def _run(folder: Path, export: Path, options: tuple[str, ...]) -> dict[str, Any]:
    """The figures of one run; Spark without a master is given a cluster of its own."""
    events, out = folder / "events", folder / "run"
    events.mkdir()
    env = environment(
        folder / "conf",
        spark__eventLog__enabled="true",
        spark__eventLog__dir=f"file://{events}",
        spark__eventLog__compress="false",
        spark__eventLog__rolling__enabled="false",
    )
    used, began = Used(), time.monotonic()
    with ExitStack() as stack:
        if "spark" in options and "--master" not in options:
            options = (*options, "--master", stack.enter_context(cluster(folder)))
        command = [sys.executable, "-m", "cds_service", "population", "run", str(export), "--out", str(out)]
        command += ["--hooks", HOOKS, *options]
        used.until_the_end_of(subprocess.Popen(command, env=dict(env) | {"CDS_SERVICE_KEY": "k" * 40}))
        wall = time.monotonic() - began
    _wait_for_orphans()
    counts = json.loads((out / "run.json").read_text())["counts"]
    return {
        "processor seconds": round(used.seconds, 2),
        "seconds": round(wall, 1),
        "load": round(os.getloadavg()[0], 1),
        "events": counts["events"],
        "findings": counts["findings"],
        "shuffle bytes": _shuffled(events),
    }


class Used:
    """The processor time of all that this process has started, from now on."""

    def __init__(self) -> None:
        self._by_process: dict[int, float] = {}

    @property
    def seconds(self) -> float:
        """All that was seen so far."""
        return sum(self._by_process.values())

    def until_the_end_of(self, process: subprocess.Popen[bytes]) -> None:
        """Looks again and again, until the process has ended.

        Raises:
            CalledProcessError: it failed.
        """
        while process.poll() is None:
            self.look()
            time.sleep(_PAUSE)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args)

    def look(self) -> None:
        """Notes what each of the processes has used so far, those that they have started included."""
        parents, used = {}, {}
        for place in Path("/proc").iterdir():
            if place.name.isdigit():
                with suppress(OSError):
                    fields = (place / "stat").read_text().rpartition(")")[2].split()
                    parents[int(place.name)] = int(fields[1])
                    used[int(place.name)] = (int(fields[11]) + int(fields[12])) / _TICKS
        ours = {os.getpid()}
        while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
            ours |= more
        self._by_process |= {pid: used[pid] for pid in ours - {os.getpid()}}


def _wait_for_orphans() -> None:
    """Waits for all that a run has started, so that what it used is counted."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def _shuffled(events: Path) -> int:
    """The bytes that tasks wrote for others, by the log of Spark."""
    total = 0
    for path in events.iterdir():
        for line in path.read_text().splitlines():
            if '"SparkListenerTaskEnd"' in line:
                metrics = json.loads(line).get("Task Metrics") or {}
                total += metrics.get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0)
    return total


def main() -> None:
    """Measures, and shows the figures."""
    arguments, is_kept = without_keep(sys.argv[1:])
    numbers = [int(argument) for argument in arguments if argument != "--local"]
    ctypes.CDLL(None).prctl(_BECOME_PARENT_OF_ORPHANS, 1)
    with tempfile.TemporaryDirectory() as folder:
        figures = measured(Path(folder), numbers[0] if numbers else _PATIENTS, is_local="--local" in arguments)
    print(json.dumps(figures, indent=1))
    if is_kept:
        leave("population-spark", figures)


if __name__ == "__main__":
    main()
