"""The hazard log held against the content: every hazard that the content names has a row, and every row holds.

What is asked for: a row for each safety decision, each known gap and each rule that keeps suggestions back; controls
and evidence that there are; estimates within the matrix, of which the residual one is no worse than the initial one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from cds_service.content.files import problem_at
from cds_service.content.hazard_log import Estimate, Hazard, HazardLog, RiskMatrix
from cds_service.content.model import Decision, Pack
from cds_service.content.nearest import instead
from cds_service.content.site import Site
from cds_service.vocabulary.problems import Problem
from cds_service.vocabulary.toml_file import Place

FILE = "hazards.yaml"
_KIND = "hazard"
_NOT_IN_USE = ("draft", "retired")


def problems_of_hazards(pack: Pack, folder: Path) -> Iterator[Problem]:
    """What is wrong with the hazard log of a pack, and what has no row in it; ``folder`` is the pack's own."""
    log = pack.hazards
    yield from _without_a_row(pack, log)
    if log is None:
        return
    for place, text in (*_of_matrix(log.matrix), *_of_framework(log), *_of_rows(pack, log), *_of_owners(log)):
        yield problem_at(folder / FILE, place, _KIND, text)


def _of_owners(log: HazardLog) -> Iterator[tuple[Place, str]]:
    if log.sign_off is not None:
        for hazard in log.hazards.values():
            if not hazard.owner.strip():
                yield ("hazards", hazard.id, "owner"), f"the log is signed and nobody owns {hazard.id}"


def problems_of_evidence(
    pack: Pack, folder: Path, scenarios: Collection[str] | None, root: Path | None
) -> Iterator[Problem]:
    """Evidence that is not there: ``scenarios`` are the names of all, tests stand in files below the folder ``root``.

    What is ``None`` is not at hand, as where only the content was installed, and nothing is held against it.
    """
    if pack.hazards is None:
        return
    cited: list[tuple[Place, str]] = [
        (("framework", control.id, "tests", index), test)
        for control in pack.hazards.framework.values()
        for index, test in enumerate(control.tests)
    ]
    for hazard in pack.hazards.hazards.values():
        place: Place = ("hazards", hazard.id, "evidence")
        cited += [((*place, "tests", index), test) for index, test in enumerate(hazard.tests)]
        for index, name in enumerate(hazard.scenarios):
            if scenarios is not None and name not in scenarios:
                yield problem_at(
                    folder / FILE,
                    (*place, "scenarios", index),
                    _KIND,
                    f"there is no scenario {name!r}{instead(name, scenarios)}",
                )
    if root is not None:
        missing = ((place, test) for place, test in cited if not _is_a_test(root, test))
        for place, test in missing:
            yield problem_at(folder / FILE, place, _KIND, f"there is no test {test!r}")


def without_controls(pack: Pack, site: Site) -> Iterator[Problem]:
    """Each hazard of which a site has switched off a control, at the line of the site's file that does it (Z31).

    It is the site's to decide. But the residual risk was estimated with the control.
    """
    told: set[tuple[str, str]] = set()
    for hazard, control in pack.hazards.controls() if pack.hazards is not None else ():
        for place, name in _switched_off(pack, site, control):
            if (hazard.id, name) in told:
                continue
            told.add((hazard.id, name))
            yield site.problem(place, f"switched off, {name} is missing as a control of {hazard.id}: {hazard.hazard}")


def _switched_off(pack: Pack, site: Site, control: str) -> Iterator[tuple[Place, str]]:
    """What a site has switched off that is a control, belongs to it, or that it belongs to."""
    for name in site.off:
        if name == control or control in _topics(pack.decisions[name]):
            yield ("decisions", "off", name), name
    for topic in site.rules_off:
        if topic == control or (control in pack.decisions and topic in _topics(pack.decisions[control])):
            yield ("rules", "off", topic), topic


def _topics(decision: Decision) -> set[str]:
    """The topic codes of the rules that a table has as it is written."""
    return {decision.topic(rule.id) for rule in decision.rules if not rule.is_added}


def _without_a_row(pack: Pack, log: HazardLog | None) -> Iterator[Problem]:
    hazards: list[Hazard] = list(log.hazards.values()) if log is not None else []
    controls = {name for hazard in hazards for name in (*hazard.rules, *hazard.decisions)}
    for decision in pack.decisions.values():
        if decision.status in _NOT_IN_USE:
            continue
        if decision.safety and not controls & {decision.id, *_topics(decision)}:
            text = f"no row of {FILE} names the safety decision {decision.id}"
            yield problem_at(decision.path, ("safety",), _KIND, text)
        covered = {gap for hazard in hazards for gap in hazard.gaps.get(decision.id, ())}
        for index, gap in enumerate(decision.known_gaps):
            if gap not in covered:
                text = f"no row of {FILE} names this known gap of {decision.id}: {gap}"
                yield problem_at(decision.path, ("known-gaps", index), _KIND, text)
        for rule in decision.rules:
            if rule.then.withhold and decision.topic(rule.id) not in controls:
                text = f"no row of {FILE} names {decision.topic(rule.id)}, which keeps suggestions back"
                yield problem_at(decision.path, ("rules", rule.index), _KIND, text)


def _of_matrix(matrix: RiskMatrix) -> Iterator[tuple[Place, str]]:
    place: Place = ("matrix", "risks")
    for name in matrix.risks.keys() ^ matrix.likelihoods.keys():
        yield (*place, name), f"the likelihood {name!r} has not both a meaning and a row"
    for name, row in matrix.risks.items():
        if len(row) != len(matrix.severities):
            yield (*place, name), f"{len(row)} risks for {len(matrix.severities)} severities"
        for level in row:
            if level not in matrix.levels:
                yield (*place, name), f"the risk {level} has no meaning among the levels"
        if list(row) != sorted(row):
            yield (*place, name), "a greater severity gives a lower risk"


def _of_framework(log: HazardLog) -> Iterator[tuple[Place, str]]:
    used = {name for hazard in log.hazards.values() for name in hazard.framework}
    for name in log.framework:
        if name not in used:
            yield ("framework", name), f"no hazard names the control {name!r}"


def _of_rows(pack: Pack, log: HazardLog) -> Iterator[tuple[Place, str]]:
    topics = {topic for decision in pack.decisions.values() for topic in _topics(decision)}
    known: Mapping[str, Collection[str]] = {"rules": topics, "decisions": pack.decisions, "framework": log.framework}
    for hazard in log.hazards.values():
        row: Place = ("hazards", hazard.id)
        named = {"rules": hazard.rules, "decisions": hazard.decisions, "framework": hazard.framework}
        for member, names in named.items():
            for index, name in enumerate(names):
                if name not in known[member]:
                    yield (*row, "controls", member, index), f"no {_SINGULAR[member]} is called {name!r}"
        for decision, gaps in hazard.gaps.items():
            for index, gap in enumerate(gaps):
                if decision not in pack.decisions or gap not in pack.decisions[decision].known_gaps:
                    yield (*row, "gaps", decision, index), f"{decision} has no known gap {gap!r}"
        yield from _of_estimates(log.matrix, hazard, row)


_SINGULAR = {"rules": "rule", "decisions": "decision", "framework": "control of the framework"}


def _of_estimates(matrix: RiskMatrix, hazard: Hazard, row: Place) -> Iterator[tuple[Place, str]]:
    risks = {}
    for member, estimate in (("initial", hazard.initial), ("residual", hazard.residual)):
        risks[member] = matrix.risk(estimate)
        if risks[member] is None:
            yield (*row, member), f"{_words(estimate)} is outside of the matrix"
    initial, residual = risks["initial"], risks["residual"]
    if initial is not None and residual is not None and residual > initial:
        yield (*row, "residual"), f"the residual risk {residual} is greater than the initial risk {initial}"
    if hazard.initial != hazard.residual and not (hazard.rules or hazard.decisions or hazard.framework):
        yield (*row, "residual"), "without any control the residual estimate must be the initial one"


def _words(estimate: Estimate) -> str:
    return f"severity {estimate.severity!r} with likelihood {estimate.likelihood!r}"


def _is_a_test(root: Path, test: str) -> bool:
    """Whether a test such as ``tests/unit/test_units.py::test_a_spelling`` stands in its file."""
    file, _, name = test.partition("::")
    try:
        text = (root / file).read_text(encoding="utf-8")
    except OSError:
        return False
    return re.search(rf"^def {re.escape(name)}\(", text, re.MULTILINE) is not None
