"""The page of conformance: every requirement is on it, every MUST and SHOULD of a service has a test that passed."""

import os
import subprocess
import sys

import pytest

from tests.http.conformance.claims import contradictions
from tests.http.conformance.table import FAILED, PAGE, PASSED, SKIPPED, page, proofs, read_report, requirements, told
from tests.support.places import ROOT

PROVED = "test_REQ_13_the_same_call_again_is_the_same_answer"


@pytest.fixture(scope="module")
def written():
    return PAGE.read_text(encoding="utf-8")


def test_every_requirement_has_a_test_or_a_reason_and_not_both():
    proved = proofs()
    for one in requirements().values():
        assert (one.id in proved) != bool(one.without), one.id


def test_no_test_names_a_requirement_that_is_not_there():
    assert set(proofs()) <= set(requirements())


def test_what_stands_without_a_test_is_a_clients_or_not_used_or_ends_at_the_proxy():
    for one in requirements().values():
        if one.without and one.side != "client" and one.level != "MAY":
            assert one.without.startswith("Not used: ") or "proxy" in one.without, one.id


def test_the_page_is_what_the_tests_say_now(written):
    """``make conformance`` writes it. Ids, names and words are compared; how a test ended is the page's to say."""
    assert written == page(told(written))
    assert "not run" not in written, "a test is younger than the page"


def test_no_test_on_the_page_failed_and_what_a_service_must_do_is_passed(written):
    assert FAILED not in told(written).values()
    rows = [line.split(" | ") for line in written.splitlines() if line.startswith("| ") and "`test_" in line]
    assert len(rows) > 150
    for row in rows:
        number, level, side, result = row[0].removeprefix("| "), row[1], row[3], row[-1].removesuffix(" |")
        never = requirements()[number].never_sent
        assert level == "MAY" or side == "client" or result == ("not used" if never else PASSED), number


def test_a_word_on_the_page_that_its_tests_do_not_bear_out_is_noticed(written):
    skipped = page(told(written) | {PROVED: SKIPPED})
    assert f"`{PROVED}` (skipped)" in skipped and "| skipped |" in skipped
    assert skipped.replace("| skipped |", "| passed |") != page(told(skipped))
    assert "(not run)" in page({name: ended for name, ended in told(written).items() if name != PROVED})


def test_what_is_never_sent_is_not_called_passed(written):
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in written.splitlines()}
    never = [one.id for one in requirements().values() if one.never_sent]
    assert never and all(rows[number].endswith("| not used |") for number in never)
    assert "D-15" in never and "| not used |" not in rows["REQ-13"]


@pytest.mark.parametrize(("ended", "word"), [(SKIPPED, "was skipped"), (FAILED, "failed")])
def test_a_page_that_calls_passed_what_was_not_is_contradicted(written, ended, word):
    lines = contradictions(written, {PROVED: ended, "test_of_something_else": FAILED})
    assert lines == [f"docs/conformance.md says passed, here it {word}: {PROVED}"]
    assert contradictions(page(told(written) | {PROVED: SKIPPED}), {PROVED: SKIPPED}) == []
    assert contradictions(written, {PROVED: PASSED}) == []


@pytest.mark.parametrize(("ci", "code"), [("1", 1), ("", 0)])
def test_a_run_in_ci_that_skips_what_the_page_calls_passed_fails(tmp_path, ci, code):
    """A run of pytest in a folder that takes up the same hooks, with a test of that name which is skipped."""
    (tmp_path / "conftest.py").write_text(
        "from tests.http.conformance.claims import contradicted_here, pytest_runtest_logreport, pytest_sessionfinish\n"
        "def pytest_terminal_summary(terminalreporter):\n"
        "    terminalreporter.write_line(str(contradicted_here()))\n"
    )
    (tmp_path / "test_one.py").write_text(f"import pytest\ndef {PROVED}(): pytest.skip('no program')\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:schemathesis",
            "-c",
            "/dev/null",
            f"--rootdir={tmp_path}",
            f"--junitxml={tmp_path}/report.xml",
            tmp_path,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(ROOT), "CI": ci},
    )
    assert f"says passed, here it was skipped: {PROVED}" in done.stdout
    assert done.returncode == code, done.stdout
    assert read_report(tmp_path / "report.xml") == {PROVED: SKIPPED}


def test_the_worst_case_of_a_test_counts(tmp_path):
    cases = {"test_a[1]": "<failure/>", "test_a[2]": "<skipped/>", "test_a[3]": "", "test_b[x::y]": "<error/>"}
    body = "".join(f'<testcase name="{name}">{inside}</testcase>' for name, inside in cases.items())
    (tmp_path / "report.xml").write_text(f"<testsuites>{body}</testsuites>")
    assert read_report(tmp_path / "report.xml") == {"test_a": FAILED, "test_b": FAILED}
