"""Known vulnerabilities of what a deployed service consists of (deploy/requirements.lock).

Exit 1 if there are some. Exit 0 if there are none, or if nobody could say, with a notice: a gate must not depend on a
network, and must not take silence for an answer either.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "deploy/requirements.lock"
_SECONDS = 120


def verdict(report: dict[str, Any] | None) -> tuple[int, list[str]]:
    """Exit code and lines for what ``pip-audit --format json`` told; ``None`` if it told nothing."""
    if report is None:
        return 0, ["not audited: the database of vulnerabilities could not be read"]
    told = report["dependencies"]
    found = [
        f"{one['name']} {one['version']}: {weak['id']}, mended in {', '.join(weak['fix_versions']) or 'no version yet'}"
        for one in told
        for weak in one.get("vulns", ())
    ]
    unknown = [one["name"] for one in told if "skip_reason" in one]
    if unknown:
        found.append(f"not audited, unknown to the database that was asked: {len(unknown)} of {len(told)} packages")
    elif not found:
        found.append(f"{len(told)} packages, no known vulnerability")
    return int(any(one.get("vulns") for one in told)), found


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
    code, lines = verdict(ask())
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(code)
