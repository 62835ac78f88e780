"""What the audit of dependencies makes of an answer, of half an answer and of none."""

import importlib.util

import pytest

from tests.support.places import ROOT

_SPEC = importlib.util.spec_from_file_location("audit", ROOT / ".ci/audit.py")
audit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(audit)

SOUND = {"name": "flask", "version": "3.1.0", "vulns": []}
SKIPPED = {"name": "click", "skip_reason": "Dependency not found on PyPI and could not be audited: click (8.1)"}
WEAK = {"name": "jinja2", "version": "3.0.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.6"], "aliases": []}]}


@pytest.mark.parametrize(
    ("told", "code", "said"),
    [
        ([SOUND], 0, ["1 packages, no known vulnerability"]),
        ([SOUND, WEAK], 1, ["jinja2 3.0.0: PYSEC-1, mended in 3.1.6"]),
        ([SOUND, SKIPPED], 0, ["not audited, unknown to the database that was asked: 1 of 2 packages"]),
        ([WEAK, SKIPPED], 1, ["jinja2 3.0.0: PYSEC-1, mended in 3.1.6", "not audited, unknown to"]),
        (None, 0, ["not audited: the database"]),
    ],
)
def test_findings_fail_and_silence_is_said(told, code, said):
    report = {"dependencies": told, "fixes": []} if told is not None else None
    ended, lines = audit.verdict(report)
    assert ended == code and len(lines) == len(said)
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True))


def test_it_asks_about_what_is_deployed():
    assert audit.LOCK.name == "requirements.lock" and audit.LOCK.parent.name == "deploy" and audit.LOCK.exists()
