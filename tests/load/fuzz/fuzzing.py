"""The long run of every fuzzer: ``make fuzz``, or ``python -m tests.load.fuzz.fuzzing [SECONDS A TARGET] [SEED]``.

Prints a table and every find with the seed that brings it back; exits 1 if there is any.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.load.fuzz.targets import SLOW, TARGETS, Target
from tests.support.finds import place_of, table
from tests.support.measured import leave, without_keep
from tests.support.servers import Service

_SLOW_TIMES = 4
# What a schema cannot say is checked too, such as whose order it is: valid requests may be refused.
_LEFT_OUT = "positive_data_acceptance"
_ROW = tuple[str, int, float, dict[str, str]]


def tried(name: str, target: Target, seconds: float, seed: int) -> _ROW:
    """A target for so long; finds by place, each with its seed."""
    began, cases, found = time.monotonic(), 0, dict[str, str]()
    while time.monotonic() - began < seconds:
        case = seed + cases
        cases += 1
        try:
            target(random.Random(case))  # noqa: S311
        except Exception as error:
            found.setdefault(place_of(error), f"seed {case}: {str(error)[:300]}")
    return name, cases, time.monotonic() - began, found


def schemathesis(examples: int, seed: int) -> _ROW:
    """Requests made from the OpenAPI document, in every phase, against a real server."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        url, log = f"sqlite:///{folder}/store.sqlite3", Path(folder) / "log"
        with Service(url, log, CDS_SERVICE_CONSOLE="off", CDS_SERVICE_LOG_CALLS="0") as service:
            done = subprocess.run(
                [
                    *(Path(sys.executable).with_name("schemathesis"), "run", f"{service.base}/openapi.json"),
                    *("--max-examples", str(examples), "--seed", str(seed), "--workers", "1", "--no-color"),
                    *("--exclude-checks", _LEFT_OUT),
                ],
                capture_output=True,
                text=True,
                cwd=folder,
            )
    generated = re.search(r"(\d+) generated", done.stdout)
    found = {} if done.returncode == 0 else {"schemathesis": done.stdout[-3000:] + done.stderr[-500:]}
    return "OpenAPI (Schemathesis)", int(generated[1]) if generated else 0, time.monotonic() - began, found


def guided(seconds: int, seed: int) -> _ROW:
    """The coverage-guided fuzzer, where it is installed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.load.fuzz.coverage_guided", "-1", str(seconds), str(seed), folder]
        done = subprocess.run(command, capture_output=True, text=True)
        runs, finds = Path(folder) / "runs", Path(folder) / "found"
        cases = int(runs.read_text()) if runs.exists() else 0
        lines = [json.loads(line) for line in finds.read_text().splitlines()] if finds.exists() else []
        found = {line["place"]: f"{line['said']}, bytes {line['data'][:200]}" for line in lines}
        if done.returncode or not cases:
            found["atheris"] = done.stderr[-1000:]
    return "request path (atheris)", cases, time.monotonic() - began, found


def rows(seconds: float, seed: int) -> Iterator[_ROW]:
    for name, target in TARGETS.items():
        yield tried(name, target, seconds * (_SLOW_TIMES if name in SLOW else 1), seed)
    yield schemathesis(max(10, int(seconds * 3)), seed)
    try:
        import atheris  # noqa: F401
    except ImportError:
        print("atheris is not installed: no coverage-guided run", file=sys.stderr)
    else:
        yield guided(max(5, int(seconds * _SLOW_TIMES)), seed)


def main() -> None:
    arguments, is_kept = without_keep(sys.argv[1:])
    seconds = float(arguments[0]) if arguments else 15.0
    seed = int(arguments[1]) if len(arguments) > 1 else int(time.time())
    told = []
    for row in rows(seconds, seed):
        told.append(row)
        print(f"{row[0]}: {row[1]} cases, {len(row[3])} finds", file=sys.stderr)
    print(
        table(
            ("target", "cases", "seconds", "unexplained"),
            [(name, cases, f"{took:.0f}", len(found)) for name, cases, took, found in told],
        )
    )
    print(f"{sum(cases for _, cases, _, _ in told)} cases, seed {seed}")
    if is_kept:
        targets = [
            {"name": name, "cases": cases, "seconds": took, "unexplained": found} for name, cases, took, found in told
        ]
        leave("fuzz", {"seed": seed, "targets": targets})
    finds = [(name, place, said) for name, _, _, found in told for place, said in found.items()]
    for name, place, said in finds:
        print(f"\n{name}: {place}\n{said}")
    sys.exit(1 if finds else 0)


if __name__ == "__main__":
    main()
