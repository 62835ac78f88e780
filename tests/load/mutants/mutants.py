"""Mutants of the code: one small wrong change each, made in a copy of the tree, and whether a test notices.

``make mutants`` takes a sample by a seed, of the code that reads requests, tokens and charts. cosmic-ray finds the
places and makes the changes; it stands in a virtual environment of its own. What no test notices is a survivor: it gets
a test, or it stands in ``surviving.yaml`` with the reason why it makes no difference. Others end the run with 1.

    python -m tests.load.mutants.mutants COSMIC_RAY [SECONDS [SEED]]
"""

from __future__ import annotations

import difflib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.places import ROOT

SURVIVING = Path(__file__).with_name("surviving.yaml")
TREE = ROOT / "build/mutants/tree"
_TRUST, _CONFORMANCE = "tests/outside/trust", "tests/http/conformance"
# Of each area the tests that are asked, one group after the other until one notices; the quickest stand first.
AREAS = {
    "trust": (
        [f"{_TRUST}/test_tokens.py", f"{_TRUST}/test_hostile_tokens.py", f"{_TRUST}/test_clients_file.py"],
        [_TRUST, "tests/http/test_logs.py"],
    ),
    "protocol": (
        ["tests/unit/test_uuids.py", f"{_CONFORMANCE}/test_request.py", f"{_CONFORMANCE}/test_errors.py"],
        [f"{_CONFORMANCE}/test_{name}.py" for name in ("context", "json", "feedback", "encodings", "discovery")],
        ["tests/http/test_openapi.py", "tests/http/test_what_a_request_may_cost.py", f"{_TRUST}/test_gate.py"],
    ),
    "chart": (
        ["tests/unit"],
        ["tests/content/test_scenarios.py"],
        [f"tests/content/test_{name}.py" for name in ("answers", "accounts", "courses", "yielding", "content_edges")],
    ),
}
# Changes that a person could make; most others fail at the first call.
OPERATORS = (
    "AddNot",
    "NumberReplacer",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceBinaryOperator_Add_Sub",
    "ReplaceBinaryOperator_Sub_Add",
    "ReplaceComparisonOperator_Eq_NotEq",
    "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_LtE_Lt",
    "ReplaceComparisonOperator_Gt_GtE",
    "ReplaceComparisonOperator_GtE_Gt",
    "ReplaceComparisonOperator_In_NotIn",
    "ZeroIterationForLoop",
)
_LONGEST_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Place:
    """Where a change can be made: the operator's ``occurrence`` in a module."""

    area: str
    module: str
    operator: str
    occurrence: int


@dataclass(frozen=True, slots=True)
class Change:
    """A change as it is listed: the lines that it takes out of a module and those that it puts there."""

    module: str
    was: str
    becomes: str


def places(cosmic_ray: str) -> list[Place]:
    """Every place in the copy of the tree."""
    found = []
    for area in AREAS:
        session = TREE.parent / f"{area}.sqlite"
        config = TREE.parent / f"{area}.toml"
        session.unlink(missing_ok=True)
        config.write_text(
            f'[cosmic-ray]\nmodule-path = "cds_service/{area}"\ntimeout = 60.0\nexcluded-modules = []\n'
            'test-command = "true"\n[cosmic-ray.distributor]\nname = "local"\n'
        )
        subprocess.run([cosmic_ray, "init", config, session], cwd=TREE, check=True, timeout=_LONGEST_SECONDS)
        with sqlite3.connect(session) as connection:
            query = "SELECT module_path, operator_name, occurrence FROM mutation_specs ORDER BY 1, 2, 3"
            rows = connection.execute(query).fetchall()
        wanted = {f"core/{name}" for name in OPERATORS}
        found += [Place(area, module, operator, number) for module, operator, number in rows if operator in wanted]
    return found


def sampled(found: list[Place], seed: int) -> Iterator[Place]:
    """All places in an order that the seed gives, one area after the other in turn."""
    order = random.Random(seed)  # noqa: S311
    queues = [[place for place in found if place.area == area] for area in AREAS]
    for queue in queues:
        order.shuffle(queue)
    while any(queues):
        for queue in queues:
            if queue:
                yield queue.pop()


def changed(cosmic_ray: str, place: Place) -> Change:
    """Makes the change in the copy of the tree."""
    path = TREE / place.module
    before = path.read_text(encoding="utf-8").splitlines()
    command = [cosmic_ray, "apply", place.module, place.operator, str(place.occurrence)]
    subprocess.run(command, cwd=TREE, check=True, capture_output=True, timeout=_LONGEST_SECONDS)
    after = path.read_text(encoding="utf-8").splitlines()
    lines = list(difflib.ndiff(before, after))
    taken, put = (" ".join(line[2:].strip() for line in lines if line.startswith(sign)) for sign in ("- ", "+ "))
    return Change(place.module, taken, put)


class UnendedError(Exception):
    """Tests did not end in time: a mutant that never ends, or a machine that is too busy."""


def passes(tests: list[str]) -> bool:
    """Whether the tests pass in the copy of the tree.

    Raises:
        UnendedError: they did not end.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(TREE), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=TREE, env=environment, capture_output=True, timeout=_LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        raise UnendedError from None
    return done.returncode == 0


def listed() -> dict[Change, str]:
    """The survivors that make no difference, with the reason."""
    entries = yaml.safe_load(SURVIVING.read_text(encoding="utf-8"))
    return {Change(one["module"], one["was"], one["becomes"]): one["reason"] for one in entries}


def copy_tree() -> None:
    """What git knows of, as it stands now."""
    shutil.rmtree(TREE, ignore_errors=True)
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (TREE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, TREE / name)


def main(cosmic_ray: str, seconds: str = "600", seed: str = "1") -> int:
    copy_tree()
    found = places(str(Path(cosmic_ray).absolute()))
    for area, groups in AREAS.items():
        if not passes(groups[0]):
            print(f"the tests of {area} do not pass as they are")
            return 1
    ends, tried, survivors, unended = time.monotonic() + float(seconds), Counter[str](), [], 0
    for place in sampled(found, int(seed)):
        if time.monotonic() > ends:
            break
        source = TREE / place.module
        original = source.read_text(encoding="utf-8")
        change = changed(str(Path(cosmic_ray).absolute()), place)
        tried[place.area] += 1
        try:
            if change not in listed() and all(map(passes, AREAS[place.area])):
                survivors.append(change)
                print(f"{change.module}\n  was:     {change.was}\n  becomes: {change.becomes}", flush=True)
        except UnendedError:
            unended += 1
            print(f"{change.module}: its tests did not end\n  becomes: {change.becomes}", flush=True)
        source.write_text(original, encoding="utf-8")
    said = ", ".join(f"{count} of {area}" for area, count in tried.items())
    print(f"seed {seed}: {said}; {len(survivors)} that no test notices, {unended} whose tests did not end")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
