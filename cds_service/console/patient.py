"""The patient of a request as the head of a chart shows one: name, age, sex, problems, medicines, newest results."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from cds_service.chart.conditions import clinical_status
from cds_service.chart.readers import patient_facts
from cds_service.chart.record import Chart
from cds_service.chart.sent_entries import Sent
from cds_service.chart.statuses import PAST
from cds_service.console.medicines import medicines_of
from cds_service.console.plain_words import day_in_words, sent_day_in_words
from cds_service.content.model import Service
from cds_service.content.needs import reads
from cds_service.content.prepared import Prepared
from cds_service.content.render import plain
from cds_service.content.value_words import value_in_words
from cds_service.fhir.lenient import Condition
from cds_service.fhir.tree import node, nodes, strings, text
from cds_service.vocabulary.declarations import Search
from cds_service.vocabulary.facts import Facts, State

_NOT_SO = frozenset(["refuted", "entered-in-error"])
_PROBLEM, _ORDER = "Condition", "MedicationRequest"
_OF_RESULTS = ("observation", "flag")
_MOST_LISTED = 8
_NO_NAME = "A patient without a name"


@dataclass(frozen=True, slots=True)
class KeyResult:
    """The newest result of a fact that the tables read: label, value and day; ``flaw`` says why it is not usable."""

    label: str
    value: str
    day: str
    flaw: str = ""


@dataclass(frozen=True, slots=True)
class HeadList:
    """A list in the head of a chart; ``more`` counts the entries left out, ``none`` says that there is none.

    Where it was ``not_read``, nobody knows whether there are any.
    """

    label: str
    entries: tuple[str, ...]
    more: int
    not_read: bool
    none: str


@dataclass(frozen=True, slots=True)
class Banner:
    """The head of a chart. ``about`` is age, sex and date of birth in words, ``lists`` are problems and medicines.

    ``missing`` are the labels of results of which nobody knows whether there are any.
    """

    name: str
    about: tuple[str, ...]
    lists: tuple[HeadList, ...]
    results: tuple[KeyResult, ...]
    missing: tuple[str, ...]


def banner_of(
    prepared: Prepared,
    service: Service,
    request: Mapping[str, Any],
    chart: Chart,
    results: Sequence[Mapping[str, Any]],
    now: datetime,
) -> Banner:
    """The patient of ``request``, which is the JSON of a call; ``results`` are those of ``explanation.results_of``."""
    facts = patient_facts(prepared.pack.facts, chart)
    about = [
        evidence.display
        for declared in prepared.pack.of_kind.get("patient", ())
        for evidence in facts[declared.name].evidence[:1]
    ]
    patient = next(_patients(request), {})
    if born := text(patient, "birthDate"):
        about.append(f"born {plain(born)}")
    shown = {result["reference"] for series in results for result in series["results"]}
    return Banner(
        name=name_of(patient) or _NO_NAME,
        about=tuple(about),
        lists=tuple(_lists(prepared, service, chart, now)),
        results=(
            *_flagged(prepared, service, facts, shown, now),
            *(newest_result(prepared, series, now) for series in results),
        ),
        missing=tuple(_missing(prepared, service, chart)),
    )


def _patients(request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The Patient resources of a prefetch, alone or in Bundles."""
    prefetch = node(request, "prefetch")
    for key in prefetch:
        sent = node(prefetch, key)
        for resource in (sent, *(node(entry, "resource") for entry in nodes(sent, "entry"))):
            if text(resource, "resourceType") == "Patient":
                yield resource


def prefetched_name(request: Mapping[str, Any]) -> str:
    """The name of the patient of a call, ``""`` if none was prefetched."""
    return name_of(next(_patients(request), {}))


def name_of(patient: Mapping[str, Any]) -> str:
    """The first name of a Patient that says anything, on one line; ``""`` if none does."""
    for name in nodes(patient, "name"):
        given_and_family = " ".join([*strings(name, "given"), *strings(name, "family")])
        if said := plain(text(name, "text") or given_and_family):
            return said
    return ""


def _lists(prepared: Prepared, service: Service, chart: Chart, now: datetime) -> Iterator[HeadList]:
    """The lists that the service asks for."""
    searches = prepared.searches[service.id]
    problems = [search for search in searches if search.resource == _PROBLEM]
    if problems:
        yield _list("Problems", dict.fromkeys(_problems(problems, chart)), problems, chart, "none on record")
    orders = [search for search in searches if search.resource == _ORDER]
    if orders:
        medicines = medicines_of(prepared, searches, chart, prepared.today(now))
        yield _list("Medicines", medicines, orders, chart, "none under way on record")


def _list(label: str, entries: Iterable[str], searches: Iterable[Search], chart: Chart, none: str) -> HeadList:
    first, more = tuple(islice(every := iter(entries), _MOST_LISTED)), sum(1 for _ in every)
    return HeadList(label, first, more, any(chart.results(each).sent is not Sent.READ for each in searches), none)


def _problems(lists: Sequence[Search], chart: Chart) -> Iterator[str]:
    """The problems that are neither over nor denied."""
    for resource in (resource for search in lists for resource in chart.results(search).resources):
        if not isinstance(resource, Condition) or resource.has_abated() or clinical_status(resource) in PAST:
            continue
        verification = resource.verificationStatus
        stated = [("", verification)] if isinstance(verification, str) else verification.pairs() if verification else []
        said = plain(resource.code.words()) if resource.code is not None else ""
        if said and _NOT_SO.isdisjoint(code for _, code in stated):
            yield said


def _flagged(
    prepared: Prepared, service: Service, facts: Facts, shown: Collection[str], now: datetime
) -> Iterator[KeyResult]:
    """Results of which the tables read only what the laboratory calls them; those that are ``shown`` are left out."""
    pack = prepared.pack
    for name in reads(pack, service.decisions):
        declared = pack.facts.get(name)
        if declared is None or declared.kind != "flag" or facts[name].state is not State.VALUE:
            continue
        for evidence in facts[name].evidence[:1]:
            if evidence.reference not in shown:
                value = f"{evidence.display}, {value_in_words(pack, name, str(facts[name].value))}"
                day = sent_day_in_words(pack, evidence.date, prepared.today(now))
                yield KeyResult(declared.label, value, day)


def _missing(prepared: Prepared, service: Service, chart: Chart) -> Iterator[str]:
    """The results that the service asks for and that were not sent, or could not be read at all."""
    asked_for = {search.key for search in prepared.searches[service.id]}
    for name in reads(prepared.pack, service.decisions):
        declared = prepared.pack.facts.get(name)
        if declared is None or declared.kind not in _OF_RESULTS or declared.element:
            continue
        if any(each.key in asked_for and chart.results(each).sent is not Sent.READ for each in declared.searches):
            yield declared.label


def newest_result(prepared: Prepared, series: Mapping[str, Any], now: datetime) -> KeyResult:
    """The newest of one of the ``results`` of ``explain``, as people read it at ``now``."""
    newest = series["results"][-1]
    day = datetime.fromisoformat(newest["at"]).astimezone(prepared.zone).date()
    value = ", ".join(filter(None, [newest["said"] or "no value", newest.get("flag")]))
    return KeyResult(
        series["label"], value, day_in_words(prepared.pack, day, prepared.today(now)), newest.get("because", "")
    )
