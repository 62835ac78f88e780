"""The guard of instruction counts: that it counts what it should, and notices what was made dearer or cheaper."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys

import pytest

from tests.load.bench.goals import RELEVANT_SMALL
from tests.load.bench.instructions import NotCountedError, change, instructions_a_call, kept_counts, too_different
from tests.support.bodies import bodies
from tests.support.places import ROOT

PROGRAM = "import sys\nfor _ in range(int(sys.argv[1])): sum(range({work}))\n"


def counted(folder, work):
    """Instructions of a call that does so much work."""
    program = folder / f"work{work}.py"
    program.write_text(PROGRAM.format(work=work))
    return instructions_a_call(["-S", str(program)], 1, 101)


@pytest.mark.skipif(
    shutil.which("valgrind") is None, reason="valgrind is not installed (Debian: apt-get install valgrind)"
)
def test_a_cost_of_two_per_cent_is_noticed_and_the_same_work_is_not(tmp_path):
    before = counted(tmp_path, 5000)
    assert before > 5000
    assert too_different({"work": before}, {"work": counted(tmp_path, 5000)}) == []
    assert too_different({"work": before}, {"work": counted(tmp_path, 5100)}) == ["work"]


def test_a_count_may_differ_by_one_per_cent_up_and_down():
    kept = {"a": 1000.0, "b": 1000.0, "c": 1000.0, "d": 1000.0}
    assert too_different(kept, {"a": 1009.0, "b": 991.0, "c": 1011.0, "d": 989.0, "new": 5.0}) == ["c", "d"]
    assert change(1000, 1011) == pytest.approx(1.1)


@pytest.mark.parametrize("what", ["evaluate", "call"])
def test_the_program_that_is_counted_makes_its_calls(what, tmp_path):
    file = tmp_path / "body.json"
    file.write_bytes(bodies()[RELEVANT_SMALL.name])
    command = [sys.executable, "-m", "tests.load.bench.counted_calls", what, str(file), "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    calls = [line for line in done.stderr.splitlines() if '"event":"call"' in line]
    assert len(calls) == (3 if what == "call" else 0)


def test_a_program_that_fails_is_not_counted(tmp_path):
    with pytest.raises(NotCountedError):
        instructions_a_call([str(tmp_path / "none.py")], 1, 2)


def test_without_valgrind_nothing_is_counted_and_the_reason_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotCountedError, match="valgrind is not installed"):
        instructions_a_call(["program.py"], 1, 2)


@pytest.mark.parametrize(("python", "kept"), [(platform.python_version(), {"a call": 5.0}), ("3.0.0", {})])
def test_counts_of_another_python_are_not_compared(tmp_path, python, kept):
    file = tmp_path / "instructions.json"
    file.write_text(json.dumps({"machine": {"python": python}, "figures": {"instructions": {"a call": 5.0}}}))
    assert kept_counts(file) == kept
    assert kept_counts(tmp_path / "none.json") == {}
