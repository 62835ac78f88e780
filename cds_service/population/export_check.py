"""What an export holds, before it is judged: how much, what of it is wrong, and what in it nobody understands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cds_service.chart.order import Order
from cds_service.chart.sent_entries import patient_in
from cds_service.content.model import Pack
from cds_service.content.prepared import Prepared
from cds_service.content.site_lines import SiteLines, as_toml, site_lines
from cds_service.fhir.medications import Naming
from cds_service.fhir.order_types import MEDICATION, ORDER_TYPES
from cds_service.fhir.treatments import Medication, MedicationRequest
from cds_service.judge.relevance import is_relevant
from cds_service.judge.understanding import order_not_understood
from cds_service.population.duck import Machine, problems_of
from cds_service.population.export_files import Export
from cds_service.population.known_results import KnownResults, names_of_results
from cds_service.population.line_problems import LineCounts
from cds_service.population.moments import seen_at
from cds_service.population.read_export import ReadExport, read_export
from cds_service.population.records import UNDATED
from cds_service.population.selection import LISTS, RESULT, Selection, medications_of
from cds_service.population.sifting import Each, known_medications, sift
from cds_service.population.spellings import Rare, SentAs, SpellingCounts
from cds_service.vocabulary.accounting import Kind
from cds_service.vocabulary.facts import Reason

_DATED = frozenset({RESULT, "AllergyIntolerance", *LISTS, *ORDER_TYPES})
_LIKE_OURS = frozenset({"knownByName", "drugNameElsewhere"})


@dataclass(frozen=True, slots=True)
class NotRecognised:
    """A spelling that is shown, how often it was met, why it is not understood, and the lines of ``site.toml`` that
    would map it, if any can. ``is_judged`` of a drug: orders of it are in a run all the same.
    """

    spelling: SentAs
    times: int
    why: Reason
    proposed: tuple[SiteLines, ...] = ()
    is_judged: bool = False

    @property
    def is_like_ours(self) -> bool:
        """Whether the name of a drug of the content stands in its words."""
        return self.spelling.reason in _LIKE_OURS


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """What an export holds.

    ``problems`` count lines by problem and type, those without a date among them. ``missing`` are the types that rules
    ask for and of which there is no line, each with what the content calls the facts that are read from it.
    ``orderables`` are the spellings of drugs that no code tells: those of orders that are judged all the same, then
    those like ours, then the others, the most frequent first. ``results`` are those of results that are not understood.
    ``site_lines`` are the lines of all of them as one file. ``recognised`` counts the results that searches bring, by
    the key of each search, and ``names`` are what the content calls these. What is rare is only counted, because it may
    tell who the patients are.
    """

    export: Export
    read: ReadExport
    counts: LineCounts
    problems: Counter[tuple[str, str]]
    missing: Mapping[str, tuple[str, ...]]
    orderables: tuple[NotRecognised, ...]
    results: tuple[NotRecognised, ...]
    site_lines: str
    rare_orderables: Rare
    rare_results: Rare
    recognised: Counter[str]
    names: Mapping[str, str]

    @property
    def is_sound(self) -> bool:
        """Whether all was read and is there, every line can be used as it is, and no type is missing."""
        return self.read.is_whole and not (self.problems or self.missing)


def check_export(content: Prepared, export: Export, machine: Machine, aside: Path, each: Each = map) -> ExportCheck:
    """Reads an export once, as a run does, and judges nothing. What is put aside goes to ``aside``, an empty folder.

    Raises:
        ExportError: a file cannot be read.
        OSError: ``aside`` cannot be written to.
        SortingError: the memory does not suffice.
    """
    pack, medications = content.pack, known_medications(export.pieces())
    sifted = sift(export, Selection([content]), aside, each, partial(_Looked, content, medications))
    found = _Found()
    for look in sifted.looks:
        if isinstance(look, _Looked):
            found.merge(look.found)
    undated = Counter({(UNDATED, kind): times for kind, times in found.undated.items()})
    others = sorted(_shown(pack, found.not_judged), key=lambda row: not row.is_like_ours)
    rows = (*_shown(pack, found.judged, is_judged=True), *others)
    results = tuple(_shown(pack, found.results))
    return ExportCheck(
        export,
        read_export(export, sifted.counts),
        sifted.counts,
        +(sifted.counts.problems + problems_of(sifted, machine) + undated),
        types_missing(pack, sifted.counts),
        rows,
        results,
        as_toml(lines for row in (*rows, *results) for lines in row.proposed),
        Rare.of(found.judged, found.not_judged),
        Rare.of(found.results),
        found.recognised,
        dict(names_of_results(pack)),
    )


def types_missing(pack: Pack, counts: LineCounts) -> dict[str, tuple[str, ...]]:
    """The types of resource that rules ask for and of which an export has none, with the facts that rest on each, as
    the content calls them. Some servers leave types out where there are none, and others where nobody may read them.
    """
    missing: dict[str, dict[str, None]] = {}
    for key, search in pack.searches.items():
        if not search.optional and not counts.types[search.resource]:
            missing.setdefault(search.resource, {}).update({fact.label: None for fact in pack.readers[key]})
    return {kind: tuple(labels) for kind, labels in sorted(missing.items())}


def _shown(pack: Pack, spellings: SpellingCounts, *, is_judged: bool = False) -> list[NotRecognised]:
    """What may be shown of what was met."""
    rows = []
    for spelling in spellings.common():
        item = spellings.example[spelling]
        lines = site_lines(pack, item.aside, item.candidates)
        proposed = (lines,) if lines is not None else ()
        rows.append(NotRecognised(spelling, spellings.times(spelling), item.aside.reason, proposed, is_judged))
    return rows


@dataclass(slots=True)
class _Found:
    """What was found by looking at lines: orders that are judged though no code tells their drug, those that are not,
    results that are not understood, and how many are brought by each search.
    """

    undated: Counter[str] = field(default_factory=Counter)
    judged: SpellingCounts = field(default_factory=SpellingCounts)
    not_judged: SpellingCounts = field(default_factory=SpellingCounts)
    results: SpellingCounts = field(default_factory=SpellingCounts)
    recognised: Counter[str] = field(default_factory=Counter)

    def merge(self, other: _Found) -> None:
        self.undated.update(other.undated)
        self.recognised.update(other.recognised)
        self.judged.merge(other.judged)
        self.not_judged.merge(other.not_judged)
        self.results.merge(other.results)


class _Looked:
    """Looks at the lines of one piece: whether they are dated, what was ordered in them, and what was measured."""

    def __init__(self, content: Prepared, medications: dict[str, Medication]) -> None:
        self._content = content
        self._medications = medications
        self._results = KnownResults(content)
        self.found = _Found()

    def __reduce__(self) -> tuple[Any, ...]:
        return _looked, (self.found,)

    def __call__(self, kind: str, resource: Any, line: bytes) -> None:
        if kind in _DATED and seen_at(kind, resource, line, self._content.zone) is None:
            self.found.undated[kind] += 1
        if kind == RESULT:
            known = self._results(bytes(resource.code), line)
            for key in known.keys:
                self.found.recognised[key] += 1
            for item in known.missed:
                self.found.results.add(item, _patient_of(resource))
        elif kind == MEDICATION and isinstance(resource, MedicationRequest) and kind in self._content.pack.relevant:
            naming = resource.naming(self._medications if medications_of(resource) else {})
            if naming.resolved:
                self._look_at(naming, resource)

    def _look_at(self, naming: Naming, resource: MedicationRequest) -> None:
        pack, words = self._content.pack, {"text": next(iter(naming.texts), "")}
        order = Order("", {"resourceType": MEDICATION}, (words,), naming=naming, type=MEDICATION)
        for item in order_not_understood(pack, order):
            if item.aside.kind is Kind.DRUG:
                met = self.found.judged if is_relevant(pack, order) else self.found.not_judged
                met.add(item, _patient_of(resource))


def _patient_of(resource: Any) -> str:
    """The id of the patient whose line it is; ``""`` if it names none."""
    return patient_in(resource.subject.reference) or "" if resource.subject is not None else ""


def _looked(found: _Found) -> _Looked:
    """What looked at lines in another process; it looks at nothing more."""
    looked = _Looked.__new__(_Looked)
    looked.found = found
    return looked
