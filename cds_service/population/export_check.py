"""What an export holds, before it is judged: how much, what of it is wrong, and which orders nobody understands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cds_service.chart.order import Order
from cds_service.chart.sent_entries import patient_in
from cds_service.content.prepared import Prepared
from cds_service.content.site_lines import SiteLines, as_toml, site_lines
from cds_service.fhir.medications import Naming
from cds_service.fhir.order_types import MEDICATION, ORDER_TYPES
from cds_service.fhir.treatments import Medication, MedicationRequest
from cds_service.judge.understanding import NotUnderstood, order_not_understood
from cds_service.population.duck import Machine, problems_of
from cds_service.population.export_files import Export
from cds_service.population.line_problems import LineCounts
from cds_service.population.moments import seen_at
from cds_service.population.read_export import ReadExport, read_export
from cds_service.population.selection import LISTS, RESULT, Selection, medications_of
from cds_service.population.sifting import Each, known_medications, sift
from cds_service.vocabulary.accounting import Kind

FEWEST_PATIENTS = 5
"""A spelling that fewer patients have may tell who they are, and is only counted."""
_DATED = frozenset({RESULT, "AllergyIntolerance", *LISTS, *ORDER_TYPES})
_LIKE_OURS = frozenset({"knownByName", "drugNameElsewhere"})
_MOST_SPELLINGS = 50_000  # that are told apart in one piece of a file


@dataclass(frozen=True, slots=True, order=True)
class OrderedAs:
    """How a drug was ordered that no code tells: its first code, its words, and the key of the pack's ``reasons`` that
    says why it was not understood.
    """

    system: str
    code: str
    words: str
    reason: str

    @property
    def is_like_ours(self) -> bool:
        """Whether the name of a drug of the content stands in its words."""
        return self.reason in _LIKE_OURS


@dataclass(slots=True)
class Met:
    """How often something was ordered, and for how many patients, of whom no more are told apart than have to be."""

    times: int = 0
    patients: set[str] = field(default_factory=set)

    def add(self, times: int, patients: Iterable[str]) -> None:
        """Adds orders, and for whom they are."""
        self.times += times
        for patient in patients:
            if len(self.patients) < FEWEST_PATIENTS:
                self.patients.add(patient)

    @property
    def is_common(self) -> bool:
        """Whether there are patients enough to show it."""
        return len(self.patients) >= FEWEST_PATIENTS


@dataclass(frozen=True, slots=True)
class Orderable:
    """A spelling that is shown, how often it was ordered, and the lines of ``site.toml`` that would map it (``""`` if
    none can).
    """

    spelling: OrderedAs
    times: int
    site_lines: str


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """What an export holds.

    ``problems`` count lines by problem and type, beside those in ``counts``; ``undated`` those without a date that can
    be read, by type. ``orderables`` are the spellings of drugs that no code tells, those like ours first and then the
    most frequent; ``site_lines`` are the lines of all of them as one file. Of fewer patients there are ``rare``
    spellings; these, and those that were too many to be told apart, were ordered ``rare_times``.
    """

    export: Export
    read: ReadExport
    counts: LineCounts
    problems: Counter[tuple[str, str]]
    undated: Counter[str]
    orderables: tuple[Orderable, ...]
    site_lines: str
    rare: int
    rare_times: int


def check_export(content: Prepared, export: Export, machine: Machine, aside: Path, each: Each = map) -> ExportCheck:
    """Reads an export once, as a run does, and judges nothing. What is put aside goes to ``aside``, an empty folder.

    Raises:
        ExportError: a file cannot be read.
        OSError: ``aside`` cannot be written to.
        SortingError: the memory does not suffice.
    """
    medications = known_medications(export.pieces())
    sifted = sift(export, Selection([content]), aside, each, partial(_Looked, content, medications))
    looks = [look for look in sifted.looks if isinstance(look, _Looked)]
    undated = Counter[str]()
    met: dict[OrderedAs, Met] = {}
    why: dict[OrderedAs, NotUnderstood] = {}
    for look in looks:
        undated.update(look.undated)
        why |= look.why
        for spelling, part in look.met.items():
            met.setdefault(spelling, Met()).add(part.times, part.patients)
    common = [spelling for spelling, of in met.items() if of.is_common]
    common.sort(key=lambda s: (not s.is_like_ours, -met[s].times, s))
    lines = {s: site_lines(content.pack, why[s].aside, why[s].candidates) for s in common}
    rare = [of.times for of in met.values() if not of.is_common]
    return ExportCheck(
        export,
        read_export(export, sifted.counts),
        sifted.counts,
        problems_of(sifted, machine),
        undated,
        tuple(Orderable(s, met[s].times, _as_toml([lines[s]])) for s in common),
        _as_toml(lines.values()),
        len(rare),
        sum(rare) + sum(look.not_told_apart for look in looks),
    )


def _as_toml(lines: Iterable[SiteLines | None]) -> str:
    return as_toml(item for item in lines if item is not None)


class _Looked:
    """Looks at the lines of one piece: whether they are dated, and what was ordered in them."""

    def __init__(self, content: Prepared, medications: dict[str, Medication]) -> None:
        self._content = content
        self._medications = medications
        self.undated = Counter[str]()
        self.met: dict[OrderedAs, Met] = {}
        self.why: dict[OrderedAs, NotUnderstood] = {}
        self.not_told_apart = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return _found, (self.undated, self.met, self.why, self.not_told_apart)

    def __call__(self, kind: str, resource: Any, line: bytes) -> None:
        if kind in _DATED and seen_at(kind, resource, line, self._content.zone) is None:
            self.undated[kind] += 1
        if kind == MEDICATION and isinstance(resource, MedicationRequest) and MEDICATION in self._content.pack.relevant:
            naming = resource.naming(self._medications if medications_of(resource) else {})
            if naming.resolved:
                patient = patient_in(resource.subject.reference) if resource.subject is not None else None
                self._look_at(naming, patient or "")

    def _look_at(self, naming: Naming, patient: str) -> None:
        words = {"text": next(iter(naming.texts), "")}
        order = Order("", {"resourceType": MEDICATION}, (words,), naming=naming, type=MEDICATION)
        for item in order_not_understood(self._content.pack, order):
            if item.aside.kind is not Kind.DRUG:
                continue
            aside = item.aside
            spelling = OrderedAs(aside.system, aside.code, aside.words, aside.reason.key)
            if spelling not in self.met and len(self.met) >= _MOST_SPELLINGS:
                self.not_told_apart += 1
            else:
                self.why.setdefault(spelling, item)
                self.met.setdefault(spelling, Met()).add(1, [patient])


def _found(
    undated: Counter[str], met: dict[OrderedAs, Met], why: dict[OrderedAs, NotUnderstood], not_told_apart: int
) -> _Looked:
    """What was looked at in another process; it looks at nothing more."""
    looked = _Looked.__new__(_Looked)
    looked.undated, looked.met, looked.why, looked.not_told_apart = undated, met, why, not_told_apart
    return looked
