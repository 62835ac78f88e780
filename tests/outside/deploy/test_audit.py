"""What the audit of dependencies makes of an answer, of half an answer and of none, and what CI makes of that."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

from tests.support.places import ROOT

_SPEC = importlib.util.spec_from_file_location("audit", ROOT / ".ci/audit.py")
audit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(audit)

SOUND = {"name": "flask", "version": "3.1.0", "vulns": []}
SKIPPED = {"name": "click", "skip_reason": "Dependency not found on PyPI and could not be audited: click (8.1)"}
WEAK = {"name": "jinja2", "version": "3.0.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.6"], "aliases": []}]}
OPEN = {"name": "jinja2", "version": "3.0.0", "vulns": [{"id": "PYSEC-2", "fix_versions": [], "aliases": []}]}


@pytest.mark.parametrize(
    ("told", "code", "said"),
    [
        ([SOUND], audit.AUDITED, ["AUDITED: 1 packages, no known vulnerability"]),
        ([SOUND, WEAK], audit.VULNERABLE, ["VULNERABLE: jinja2 3.0.0: PYSEC-1, mended in 3.1.6"]),
        ([SOUND, OPEN], audit.VULNERABLE, ["VULNERABLE: jinja2 3.0.0: PYSEC-2, mended in no version yet"]),
        ([SOUND, SKIPPED], audit.NOT_AUDITED, ["NOT AUDITED: nothing could be learned of 1 of 2 packages"]),
        ([SKIPPED], audit.NOT_AUDITED, ["NOT AUDITED: nothing could be learned of 2 of 2 packages"]),
        ([], audit.NOT_AUDITED, ["NOT AUDITED: nothing could be learned of 1 of 1 packages"]),
        (
            [SOUND, WEAK, SKIPPED],
            audit.VULNERABLE,
            [
                "VULNERABLE: jinja2 3.0.0: PYSEC-1, mended in 3.1.6",
                "NOT AUDITED: nothing could be learned of 1 of 3 packages",
            ],
        ),
        (None, audit.NOT_AUDITED, ["NOT AUDITED: the database of vulnerabilities could not be read"]),
    ],
)
def test_nothing_found_something_found_and_not_looked_are_three_things(told, code, said):
    report = {"dependencies": told, "fixes": []} if told is not None else None
    assert audit.verdict(report, {"flask"}) == (code, said)
    assert len({audit.AUDITED, audit.VULNERABLE, audit.NOT_AUDITED}) == 3 and audit.AUDITED == 0


def test_it_asks_about_what_is_deployed():
    assert audit.LOCK.name == "requirements.lock" and audit.LOCK.parent.name == "deploy"
    assert {"flask", "cryptography", "granian", "opentelemetry-sdk"} <= audit.pinned(audit.LOCK.read_text())


def test_it_fails_where_nobody_can_be_asked():
    """By a proxy at which nobody listens."""
    nowhere = {
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }
    done = subprocess.run(
        [sys.executable, ROOT / ".ci/audit.py"],
        capture_output=True,
        text=True,
        timeout=180,
        env=os.environ | nowhere | {name.lower(): value for name, value in nowhere.items()} | {"NO_PROXY": ""},
    )
    assert done.returncode == audit.NOT_AUDITED and done.stdout.startswith("NOT AUDITED: "), done


@pytest.fixture
def ended(tmp_path):
    """The exit code and the lines of ``.ci/run`` where the audit ends with a code; everything else is left out."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "sh", "dirname"):
        (programs / name).symlink_to(shutil.which(name))
    for name in ("make", "apt-get", "promtool", "node", "npm", "id"):  # chromium is missing
        (programs / name).write_text('#!/bin/sh\n[ "$1" != "$BAD" ] || exit 7\n[ "$1" != -u ] || echo 0\n')
        (programs / name).chmod(0o755)
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)

    def run(code, bad="nothing"):
        python.write_text(f"#!/bin/sh\nexit {code}\n")
        python.chmod(0o755)
        environment = {"PATH": str(programs), "BAD": bad}
        done = subprocess.run([tmp_path / ".ci/run"], capture_output=True, text=True, timeout=60, env=environment)
        return done.returncode, done.stdout.splitlines()

    return run


def test_ci_passes_without_a_network_and_its_last_line_says_so(ended):
    code, lines = ended(audit.NOT_AUDITED)
    assert code == 0 and lines[-1].startswith("NOT AUDITED: ")


def test_ci_says_nothing_of_the_kind_after_an_audit_and_fails_on_what_was_found(ended):
    assert ended(audit.AUDITED) == (0, [])
    assert ended(audit.VULNERABLE)[0] == audit.VULNERABLE


@pytest.mark.parametrize("verb", ["check", "test"])
def test_ci_fails_with_its_checks_and_tests(ended, verb):
    assert ended(audit.NOT_AUDITED, bad=verb)[0] == 7


def test_ci_goes_on_where_nothing_can_be_installed(ended):
    """What a test then misses, it names."""
    code, lines = ended(audit.AUDITED, bad="-o")
    assert code == 0 and "chromium" in lines[0]
