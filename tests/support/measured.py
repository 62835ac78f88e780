"""The raw results of a long run, with the machine and the commit that they are of.

A run leaves them in ``build/measured``; ``make measured`` takes them up into ``docs/measured`` and makes the tables of
the documents from them.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.places import ROOT

LEFT = ROOT / "build" / "measured"
KEPT = ROOT / "docs" / "measured"


def without_keep(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The arguments of a program without ``--keep``, and whether that was among them: its results are to be left."""
    return [argument for argument in arguments if argument != "--keep"], "--keep" in arguments


def leave(name: str, figures: dict[str, Any]) -> None:
    """Writes the figures of a run that ended just now; JSON takes them as they are."""
    LEFT.mkdir(parents=True, exist_ok=True)
    whole = {"measured": name, "on": datetime.now(UTC).date().isoformat(), "commit": commit(), "machine": machine()}
    (LEFT / f"{name}.json").write_text(json.dumps(whole | {"figures": figures}, indent=1) + "\n", encoding="utf-8")


def commit() -> str:
    """The commit that is checked out, with a word if files differ from it; unknown without git."""
    try:
        said = [
            subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", "cds_service", "cards", "tests"))
        ]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said[0] + (", and changes" if said[1] else "")


def machine() -> dict[str, Any]:
    """What it ran on."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = Path("/proc/meminfo").read_text().splitlines()[0].split()[1]
    return {
        "processor": names[0].partition(":")[2].strip() if names else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(int(memory) / 1e6),
        "system": platform.system() + " " + platform.release(),
        "python": platform.python_version(),
    }
