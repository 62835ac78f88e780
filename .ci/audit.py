"""Known vulnerabilities of what a deployed service consists of (deploy/requirements.lock).

The exit code and the first words tell three things apart: 0 ``AUDITED``, every package was looked up and nothing is
known; 1 ``VULNERABLE``, something is known; 2 ``NOT AUDITED``, nobody could say for some package or for any. Silence is
no answer, so the third is no success. ``.ci/run`` goes on after it, because a gate must not depend on a network, and
ends with its words.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Set
from pathlib import Path
from typing import Any

AUDITED, VULNERABLE, NOT_AUDITED = 0, 1, 2
LOCK = Path(__file__).parents[1] / "deploy/requirements.lock"
_PIN = re.compile(r"^([\w.-]+)==\S+ \\$", re.MULTILINE)  # without a marker: of every machine
_SECONDS = 120


def pinned(lock: str) -> set[str]:
    """The names of the packages that a lock file pins for every machine."""
    return set(_PIN.findall(lock))


def verdict(report: dict[str, Any] | None, names: Set[str]) -> tuple[int, list[str]]:
    """Exit code and lines for what ``pip-audit --format json`` told of packages; ``None`` if it told nothing."""
    if report is None:
        return NOT_AUDITED, ["NOT AUDITED: the database of vulnerabilities could not be read"]
    told = {one["name"]: one for one in report["dependencies"]}
    unknown = {name for name, one in told.items() if "vulns" not in one} | names - told.keys()
    found = [
        f"VULNERABLE: {name} {one['version']}: {weak['id']}, "
        f"mended in {', '.join(weak['fix_versions']) or 'no version yet'}"
        for name, one in told.items()
        for weak in one.get("vulns", ())
    ]
    of = f"{len(unknown)} of {len(told.keys() | names)} packages"
    lines = found + ([f"NOT AUDITED: nothing could be learned of {of}"] if unknown else [])
    if found:
        return VULNERABLE, lines
    if unknown:
        return NOT_AUDITED, lines
    return AUDITED, [f"AUDITED: {len(told)} packages, no known vulnerability"]


def ask() -> dict[str, Any] | None:
    """What pip-audit tells of the lock file; ``None`` if it could ask nobody."""
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner=off"]
    command += ["--requirement", str(LOCK), "--format=json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        report: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return None
    return report


if __name__ == "__main__":
    code, lines = verdict(ask(), pinned(LOCK.read_text(encoding="utf-8")))
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(code)
