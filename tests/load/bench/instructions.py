"""How many instructions of the processor a call takes, by cachegrind, and whether that has changed.

``make instructions``, or ``python -m tests.load.bench.instructions [--keep]``; needs valgrind. Other load on the
machine does not disturb the counts, and the same code gives nearly the same ones. Exits 1 if a count differs by more
than 1 % from the one kept in ``docs/measured/instructions.json``; with ``--keep`` the new ones are left to be kept.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.load.bench.goals import COUNTED
from tests.support.bodies import bodies
from tests.support.markdown import table
from tests.support.measured import KEPT, leave
from tests.support.places import ROOT

ALLOWED_PER_CENT = 1
_FEW, _MANY = 5, 105
_REFS = re.compile(r"I\s+refs:\s+([\d,]+)")
_LONGEST_SECONDS = 1800


class NotCountedError(Exception):
    """Instructions cannot be counted; the text says why."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the counts in build/measured, whatever they are")
    asked = parser.parse_args()
    try:
        found = count()
    except NotCountedError as error:
        sys.exit(f"instructions are not counted: {error}")
    kept = kept_counts()
    print(compared(kept, found))
    if asked.keep:
        leave("instructions", {"instructions": found})
    elif changed := too_different(kept, found):
        sys.exit(
            f"more than {ALLOWED_PER_CENT} % from what is kept: {', '.join(changed)}\n"
            "If this is meant, keep the new counts: make instructions INSTRUCTIONS=--keep measured"
        )


def count() -> dict[str, float]:
    """Instructions of each kind of call by its name in ``goals.COUNTED``.

    Raises:
        NotCountedError: there is no valgrind, or a program that was counted failed.
    """
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(os.cpu_count()) as pool:
        files = {}
        for body, text in bodies().items():
            files[body] = Path(name) / f"{body}.json"
            files[body].write_bytes(text)
        program = ["-m", "tests.load.bench.counted_calls"]
        counts = pool.map(
            lambda kind: instructions_a_call([*program, kind[0], str(files[kind[1]])], _FEW, _MANY), COUNTED
        )
        return {row.name: number for row, number in zip(COUNTED.values(), counts, strict=True)}


def instructions_a_call(program: Sequence[str], few: int, many: int) -> float:
    """Instructions of one call of a Python program whose last argument is how many calls it makes.

    They are the difference of two runs, so that what comes before and after the calls does not count. The program is
    run once before, uncounted: then both find its modules compiled, which under cachegrind would take long.

    Raises:
        NotCountedError: there is no valgrind, or the program failed.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise NotCountedError("valgrind is not installed (Debian: apt-get install valgrind)")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        counting = [
            valgrind,
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
            f"--log-file={log}",
        ]
        if _can_fix_addresses():
            counting = ["setarch", "-R", *counting]
        same = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPYCACHEPREFIX": folder}
        same.pop("PYTHONDONTWRITEBYTECODE", None)
        _run([sys.executable, *program, "1"], same)

        def counted(calls: int) -> int:
            _run([*counting, sys.executable, *program, str(calls)], same)
            return int(_REFS.findall(log.read_text())[-1].replace(",", ""))

        return (counted(many) - counted(few)) / (many - few)


def _can_fix_addresses() -> bool:
    """Whether a program can be given the same addresses in each run, on which lookups by their hash depend."""
    if shutil.which("setarch") is None:
        return False
    return subprocess.run(["setarch", "-R", sys.executable, "-c", ""], capture_output=True).returncode == 0


def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_LONGEST_SECONDS)
    if done.returncode:
        raise NotCountedError(f"the program that is counted failed: {done.stderr.strip()[-200:]}")


def kept_counts(file: Path = KEPT / "instructions.json") -> Mapping[str, float]:
    """The counts that are kept; none if they are of another version of Python, whose counts are others."""
    if not file.exists():
        return {}
    whole: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if whole["machine"]["python"] != platform.python_version():
        print(f"the counts that are kept are of Python {whole['machine']['python']}, and are not compared")
        return {}
    counts: dict[str, float] = whole["figures"]["instructions"]
    return counts


def compared(kept: Mapping[str, float], found: Mapping[str, float]) -> str:
    """A table of the counts, and how they have changed."""
    rows = [
        (name, f"{number / 1e6:.3f} M", f"{change(kept[name], number):+.2f} %" if name in kept else "-")
        for name, number in found.items()
    ]
    return table(("instructions", "now", "against those kept"), rows)


def change(before: float, now: float) -> float:
    """By how many per cent a count has grown."""
    return (now / before - 1) * 100


def too_different(kept: Mapping[str, float], found: Mapping[str, float]) -> list[str]:
    """The names of counts that differ too much from those kept, also downwards: what was won could be lost unseen."""
    both = [name for name in found if name in kept]
    return [name for name in both if abs(change(kept[name], found[name])) > ALLOWED_PER_CENT]


if __name__ == "__main__":
    main()
