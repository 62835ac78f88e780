"""The hazard log of a pack: what may harm a patient, what is done against it, and what remains (DCB0129, ISO 14971)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cds_service.content.reviews import Review, review_of


@dataclass(frozen=True, slots=True)
class Estimate:
    """How severe the harm would be, and how likely it is, in the words of the matrix."""

    severity: str
    likelihood: str


@dataclass(frozen=True, slots=True)
class RiskMatrix:
    """``severities`` and ``likelihoods`` with what they mean, from the least on; ``risks`` is a row of levels for each
    likelihood, one for each severity; ``levels`` says what each level asks for.
    """

    severities: Mapping[str, str]
    likelihoods: Mapping[str, str]
    risks: Mapping[str, tuple[int, ...]]
    levels: Mapping[int, str]

    def risk(self, estimate: Estimate) -> int | None:
        """The level of an estimate; ``None`` if the matrix has no place for it."""
        row = self.risks.get(estimate.likelihood, ())
        columns = list(self.severities)
        place = columns.index(estimate.severity) if estimate.severity in columns else len(row)
        return row[place] if place < len(row) else None


@dataclass(frozen=True, slots=True)
class FrameworkControl:
    """A control that is no rule of the content but a part of the software, with the tests that hold it."""

    id: str
    what: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hazard:
    """One row of the log.

    ``gaps`` are known gaps of decisions that it covers, in their own words, by decision. ``rules`` are topic codes;
    they, ``decisions`` and ``framework`` are its controls. ``deployer`` is what only the hospital can do; the residual
    estimate does not count on it.
    """

    id: str
    hazard: str
    causes: tuple[str, ...]
    effect: str
    initial: Estimate
    residual: Estimate
    because: str
    rules: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    framework: tuple[str, ...] = ()
    gaps: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scenarios: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    deployer: tuple[str, ...] = ()
    owner: str = ""
    status: str = "open"


@dataclass(frozen=True, slots=True)
class HazardLog:
    """The whole log. ``about`` says how to read it, ``sign_off`` who has accepted it, ``None`` if nobody has."""

    about: str
    references: tuple[str, ...]
    sign_off: Review | None
    matrix: RiskMatrix
    framework: Mapping[str, FrameworkControl]
    hazards: Mapping[str, Hazard]

    def controls(self) -> Iterator[tuple[Hazard, str]]:
        """Each rule and each decision that is a control, with its hazard."""
        for hazard in self.hazards.values():
            for name in (*hazard.rules, *hazard.decisions):
                yield hazard, name


def compile_hazards(data: Mapping[str, Any]) -> HazardLog | None:
    """The log as written in ``hazards.yaml``; ``None`` where a pack has none. The file is of its schema."""
    if not data:
        return None
    matrix = data["matrix"]
    return HazardLog(
        about=_on_one_line(data["about"]),
        references=tuple(data["references"]),
        sign_off=review_of(data["sign-off"]),
        matrix=RiskMatrix(
            severities=matrix["severities"],
            likelihoods=matrix["likelihoods"],
            risks={name: tuple(row) for name, row in matrix["risks"].items()},
            levels=dict(enumerate(matrix["levels"], 1)),
        ),
        framework={
            name: FrameworkControl(name, _on_one_line(entry["what"]), tuple(entry["tests"]))
            for name, entry in data["framework"].items()
        },
        hazards={name: _hazard(name, entry) for name, entry in data["hazards"].items()},
    )


def _hazard(name: str, entry: Mapping[str, Any]) -> Hazard:
    controls, evidence, residual = entry["controls"], entry["evidence"], entry["residual"]
    return Hazard(
        id=name,
        hazard=_on_one_line(entry["hazard"]),
        causes=tuple(map(_on_one_line, entry["causes"])),
        effect=_on_one_line(entry["effect"]),
        initial=_estimate(entry["initial"]),
        residual=_estimate(residual),
        because=_on_one_line(residual["because"]),
        rules=tuple(controls.get("rules", ())),
        decisions=tuple(controls.get("decisions", ())),
        framework=tuple(controls.get("framework", ())),
        gaps={decision: tuple(gaps) for decision, gaps in entry.get("gaps", {}).items()},
        scenarios=tuple(evidence.get("scenarios", ())),
        tests=tuple(evidence.get("tests", ())),
        deployer=tuple(map(_on_one_line, entry.get("deployer", ()))),
        owner=entry["owner"],
        status=entry["status"],
    )


def _estimate(data: Mapping[str, str]) -> Estimate:
    return Estimate(data["severity"], data["likelihood"])


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
