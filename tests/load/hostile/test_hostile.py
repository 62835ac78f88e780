"""Calls that mean harm: refused or answered without a visit, and no family dearer than a call that is right."""

from __future__ import annotations

import subprocess
import sys


def test_hostile_calls_are_refused_call_nobody_and_cost_less_than_a_right_call():
    """In a process whose log and processor time are its own. These are few; ``make hostile`` fires ten thousand."""
    command = [sys.executable, "-m", "tests.load.hostile.hostile", "150", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "150 calls; a right call" in done.stdout
    assert "a right call costs the service" in done.stdout
