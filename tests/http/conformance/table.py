"""Which test proves which requirement of CDS Hooks: the ids stand in the names of the tests.

Run as a program it runs these tests and writes ``docs/conformance.md`` with what became of each. What the page says of
a test is held against every later run (``claims.py``).
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import yaml

from tests.support.places import ROOT, TESTS

PAGE = ROOT / "docs" / "conformance.md"
_ID = re.compile(r"(?<![A-Za-z0-9])(J|D|REQ|CTX|PF|FA|RSP|ERR|FB|SEC|EXT|V|T)_(\d\d)(?!\d)")
_AREAS = {
    "J": "JSON and HTTP",
    "D": "Discovery",
    "REQ": "Requests",
    "CTX": "Contexts of order-select, order-sign and patient-view",
    "PF": "Prefetch",
    "FA": "FHIR access",
    "RSP": "Responses",
    "ERR": "Errors",
    "FB": "Feedback",
    "SEC": "Security",
    "EXT": "Extensions",
    "V": "Both versions at once",
    "T": "Traps",
}
_HEAD = """# Conformance to CDS Hooks 2.0 and 3.0

Every requirement that the specification puts to a service, in our words, the tests that prove it, and how they ended
when this page was written by `make conformance`. A test carries the ids that it proves in its name, so the page cannot
name a test that is not there; `make test` runs them all, and fails if a MUST or SHOULD of a service has none. A test
that was skipped or failed is said to be beside its name. *Not used* is what the service never sends; its tests show
that. Requirements of clients are listed where a test shows what the service does about a client that fails.

"""
PASSED, SKIPPED, FAILED = "passed", "skipped", "failed"
_WORST_LAST = (PASSED, SKIPPED, FAILED)
_NAMED = re.compile(r"`(test_\w+)`(?: \((skipped|failed|not run)\))?")


@dataclass(frozen=True)
class Requirement:
    """One line of ``requirements.yaml``; ``without`` is why it has no test, ``never_sent`` what its tests show."""

    id: str
    level: str
    versions: str
    side: str
    text: str
    without: str = ""
    never_sent: bool = False


def requirements() -> dict[str, Requirement]:
    """All requirements by id."""
    data = yaml.safe_load((Path(__file__).with_name("requirements.yaml")).read_text(encoding="utf-8"))
    without, never_sent = data["without-a-test"], data["never-sent"]
    return {
        name: Requirement(name, *map(str, row), without.get(name, ""), name in never_sent)
        for name, row in data["requirements"].items()
    }


def proofs() -> dict[str, list[str]]:
    """The tests of each id, as ``file::name``."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        if "node_modules" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for area, number in dict.fromkeys(_ID.findall(node.name)):
                    found.setdefault(f"{area}-{number}", []).append(f"{path.relative_to(ROOT)}::{node.name}")
    return found


def page(outcomes: Mapping[str, str]) -> str:
    """The page. ``outcomes`` gives ``passed`` or another word for each test, by the name of its function."""
    by_id, known = proofs(), requirements()
    lines = [_HEAD.rstrip()]
    for area, title in _AREAS.items():
        rows = [one for one in known.values() if one.id.startswith(f"{area}-")]
        lines += ["", f"## {title}", "", "| id | level | versions | whose | requirement | tests | result |"]
        lines.append("|---|---|---|---|---|---|---|")
        for one in rows:
            ended = {name: outcomes.get(name, "not run") for name in sorted(map(function, by_id.get(one.id, [])))}
            said = (f"`{name}`" + ("" if word == PASSED else f" ({word})") for name, word in ended.items())
            proof = "<br>".join(said) or one.without
            result = ", ".join(sorted(set(ended.values()))) or "not tested"
            if one.never_sent and result == PASSED:
                result = "not used"
            versions = one.versions.replace("2", "2.0").replace("3", "3.0").replace("+", ", ")
            lines.append(f"| {one.id} | {one.level} | {versions} | {one.side} | {one.text} | {proof} | {result} |")
    return "\n".join(lines) + "\n"


def told(text: str) -> dict[str, str]:
    """What a page says of each test, by the name of its function."""
    return {match[1]: match[2] or PASSED for match in _NAMED.finditer(text)}


def function(test: str) -> str:
    """The name of the function in ``file::name[case]``."""
    return test.rpartition("::")[2] if "[" not in test else function(test.partition("[")[0])


def worst(first: str, second: str) -> str:
    """Of two outcomes the one that a test has of which both are cases."""
    return max(first, second, key=_WORST_LAST.index)


def run(names: Iterable[str]) -> dict[str, str]:
    """The outcome of each test, the worst of its cases, by the name of its function."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--numprocesses", "auto"]
        command += ["--maxprocesses", "4", "--dist", "loadfile", f"--junitxml={report}", *sorted(set(names))]
        subprocess.run(command, cwd=ROOT, check=False)
        return read_report(report)


def read_report(path: Path) -> dict[str, str]:
    """The outcomes in a report as pytest writes it (``--junitxml``)."""
    outcomes: dict[str, str] = {}
    for case in ElementTree.parse(path).iter("testcase"):  # noqa: S314  (our own file)
        bad = case.find("failure") is not None or case.find("error") is not None
        ended = FAILED if bad else SKIPPED if case.find("skipped") is not None else PASSED
        name = function(case.get("name", ""))
        outcomes[name] = worst(outcomes.get(name, PASSED), ended)
    return outcomes


def main() -> None:
    outcomes = run(name for names in proofs().values() for name in names)
    PAGE.write_text(page(outcomes), encoding="utf-8")
    bad = {name: ended for name, ended in outcomes.items() if ended != PASSED}
    print(f"{len(outcomes)} tests, {len(bad)} did not pass; written to {PAGE.relative_to(ROOT)}")
    for name, ended in sorted(bad.items()):
        print(f"{ended}: {name}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
