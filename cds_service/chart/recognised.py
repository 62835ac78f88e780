"""Which events of a search are of a drug that facts ask for, and which nobody can tell (Z41, Z48)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import msgspec

from cds_service.chart.drug import Drug, drug_names_of, recognise
from cds_service.chart.events import Event, events_of
from cds_service.chart.record import Chart
from cds_service.chart.sent_entries import Results, Sent
from cds_service.fhir.codes import speaks_in
from cds_service.fhir.medication_words import NO_DRUG_WORDS
from cds_service.fhir.medications import MOST_KEPT, Naming, Recognition, name_words
from cds_service.fhir.treatments import Immunization
from cds_service.vocabulary.declarations import FactDeclaration, Search

_OTHERS_DRUG = (Recognition.DRUG, Recognition.NO_DRUG)

NOT_RESOLVED = "medicationNotResolved"
WORDS_ONLY = "toldByWordsOnly"
NOT_KNOWN = "drugNotKnown"


class KnownAs(msgspec.Struct, frozen=True):
    """One event that is not known to be of something else, with its drug, or the reason why its drug is not known."""

    event: Event
    drug: Drug | None
    why: str = ""


class Recognised(NamedTuple):
    """The events of a search that are not known to be of something else, and the others.

    Most are of something else, so they are passed once. ``immunizations`` are those whose words name the drug.
    """

    known: list[KnownAs]
    others: list[Event]
    immunizations: list[Immunization]


class ReadBy:
    """Recognises the events of a search by some value sets.

    Most facts about treatments ask for the same value sets. They have one of these in common (``read_by``), and the
    chart keeps what it makes of the search.
    """

    __slots__ = ("_by_words", "_ids", "_key", "_names", "_search", "_systems", "_value_sets")

    def __init__(self, declaration: FactDeclaration, search: Search) -> None:
        self._by_words = search.resource != "Procedure"
        self._value_sets = tuple(
            value_set
            for value_set in declaration.value_sets.values()
            if not self._by_words or value_set.kind == "medication"
        )
        self._ids = frozenset(value_set.id for value_set in self._value_sets)
        self._systems = declaration.systems
        self._search = search
        self._names = drug_names_of(self._value_sets)
        self._key = (declaration.systems, self._value_sets)

    @property
    def key(self) -> Hashable:
        """What it recognises events by: equal for two that recognise them alike."""
        return self._key

    @property
    def value_set_ids(self) -> frozenset[str]:
        """The ids of the value sets by which it recognises events."""
        return self._ids

    def __call__(self, chart: Chart, search: Search) -> Recognised:
        known, others = [], []
        for event in chart.once(events_of, search).events:
            drug, why = event.naming.kept.get(self) or self.recognise(event.naming)
            if drug is not None or why:
                known.append(KnownAs(event, drug, why))
            else:
                others.append(event)
        named = [item for item in chart.results(search).immunizations if self._is_named(item.naming())]
        return Recognised(known, others, named)

    def recognise(self, naming: Naming) -> tuple[Drug | None, str]:
        """What something is, or why that is not known (Z48); neither if it is known to be something else (Z41).

        That is so if it has a code of a system in which the value sets, or facts about operations of the same search,
        have codes, or the name of another drug that the pack knows. A procedure whose words alone name a drug may be
        one that gave it, or not (Z55).
        """
        kept: tuple[Drug | None, str] | None = naming.kept.get(self)
        if kept is None:
            if len(naming.kept) >= MOST_KEPT:  # of content that is served no more
                naming.kept.clear()
            kept = naming.kept[self] = self._recognise(naming)
        return kept

    def _recognise(self, naming: Naming) -> tuple[Drug | None, str]:
        drug = recognise(naming, self._value_sets) if self._by_words or naming.codings else None
        if drug is not None and (self._by_words or not drug.by_name):
            return drug, ""
        if not naming.resolved:
            return None, NOT_RESOLVED
        if self._covers(naming) or (bool(naming.ingredients) and all(map(self._covers, naming.ingredients))):
            return None, ""
        if not self._by_words and self._is_named(naming):
            return None, WORDS_ONLY
        return None, "" if naming.read(self._names).recognition in _OTHERS_DRUG else NOT_KNOWN

    def _covers(self, naming: Naming) -> bool:
        return speaks_in(self._systems, naming.codings) or speaks_in(self._search.systems, naming.codings)

    def _is_named(self, naming: Naming) -> bool:
        """Whether the name of a drug of the value sets stands in the words, and none of a test or a diagnosis does."""
        words = naming.read(self._names)
        if not any(not self._ids.isdisjoint(name.value_sets) for name in words.names):
            return False
        spoken = {word for written in naming.texts for word in name_words(written)}
        return words.recognition is not Recognition.NO_DRUG and spoken.isdisjoint(NO_DRUG_WORDS)


def read_by(declaration: FactDeclaration, search: Search) -> ReadBy:
    """How a fact recognises the events of a search: one object for all facts that do so alike, kept with the content
    that is served.
    """
    kept: ReadBy | None = declaration.kept.get(search.key)
    if kept is None:
        made = ReadBy(declaration, search)
        kept = declaration.kept[search.key] = search.kept.setdefault(made.key, made)
    return kept


def readers_of(declarations: Sequence[FactDeclaration], search: Search) -> Sequence[ReadBy]:
    """The different ways in which facts recognise the events of a search, kept with the content that is served.

    ``declarations`` are the facts that are read from it.
    """
    kept: tuple[Sequence[FactDeclaration], Sequence[ReadBy]] | None = search.kept.get("readers")
    if kept is None or kept[0] is not declarations:
        readers = tuple(dict.fromkeys(read_by(declared, search) for declared in declarations))
        kept = search.kept["readers"] = declarations, readers
    return kept[1]


# --- all searches of a fact


class FoundBySearches(msgspec.Struct, frozen=True):
    """What the searches of a fact tell of its drug.

    ``recognised`` are the searches, by their resource type, that brought something which may be of the drug.
    ``is_whole`` says that nothing that was searched for is missing, results left aside, of which ``of_results`` are the
    searches.
    """

    recognised: Sequence[tuple[str, Recognised]]
    is_whole: bool
    of_results: Sequence[Search]

    @property
    def is_nothing(self) -> bool:
        """Whether all that was searched for was read, and nothing of it may be of the drug."""
        return self.is_whole and not self.recognised and not self.of_results


def found_by(declaration: FactDeclaration, chart: Chart) -> FoundBySearches:
    """What the searches of a fact tell of its drug, made once a call for all facts that recognise events alike."""
    readers: tuple[ReadBy, ...] | None = declaration.kept.get(FoundBySearches)
    if readers is None:
        readers = tuple(read_by(declaration, search) for search in declaration.searches)
        declaration.kept[FoundBySearches] = readers
    return chart.keep(readers, _found, declaration.searches, readers, chart)


def _found(searches: Sequence[Search], readers: Sequence[ReadBy], chart: Chart) -> FoundBySearches:
    recognised = []
    is_whole = True
    of_results = []
    for search, reader in zip(searches, readers, strict=True):
        if search.resource == "Observation":
            of_results.append(search)
            continue
        results = chart.results(search)
        is_whole = is_whole and is_all_read(search, results)
        if not results.is_empty:
            by_reader = chart.once(reader, search)
            if by_reader.known or by_reader.immunizations:
                recognised.append((search.resource, by_reader))
    return FoundBySearches(recognised, is_whole, of_results)


def is_all_read(search: Search, results: Results) -> bool:
    """Whether all that was searched for was read; what is optional and was not sent is as if there were none (Z55)."""
    return results.complete or (search.optional and results.sent is not Sent.READ)
