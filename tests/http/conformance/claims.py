"""Holds docs/conformance.md to the run at hand: what it calls passed must not have been skipped or have failed there.

Hooks of pytest, which ``tests/conftest.py`` takes up. In CI a contradiction fails the run; elsewhere, where programs
may be missing, it is a line at the end.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest

from tests.http.conformance.table import FAILED, PAGE, PASSED, SKIPPED, function, told, worst

_seen: dict[str, str] = {}


def contradictions(page: str, outcomes: Mapping[str, str]) -> list[str]:
    """A line for each test that the page calls passed and that ended otherwise in a run."""
    claimed = told(page)
    return [
        f"docs/conformance.md says passed, here it {'was skipped' if ended == SKIPPED else ended}: {name}"
        for name, ended in sorted(outcomes.items())
        if claimed.get(name) == PASSED and ended != PASSED
    ]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    ended = FAILED if report.failed else SKIPPED if report.skipped else PASSED
    name = function(report.nodeid)
    _seen[name] = worst(_seen.get(name, PASSED), ended)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("CI") and not hasattr(session.config, "workerinput") and contradicted_here():
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def contradicted_here() -> list[str]:
    """What :func:`contradictions` says of this run as far as it has come."""
    return contradictions(PAGE.read_text(encoding="utf-8"), _seen)
