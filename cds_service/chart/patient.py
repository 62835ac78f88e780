"""Facts of the patient: age, results, problems, allergies, treatments, how long ago, kidney function.

Imports the shared vocabulary and this room. Each reader takes a declaration and the chart and returns one Fact;
rules about status, date and subject are FHIR's and terminology.md's, codes and limits are the content's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import cast

import msgspec

from cds_service.chart import elements
from cds_service.chart.dates import Span, read_date, years_between
from cds_service.chart.elements import many
from cds_service.chart.prefetch import Chart, Results, Sent
from cds_service.chart.quantities import read_quantity, spell
from cds_service.declarations import Concept, FactDeclaration, ValueSet
from cds_service.facts import Evidence, Fact, Interval, Reason, State

PRESENT = "present"

_FINAL = frozenset({"final", "amended", "corrected"})
_NOT_RESULTS = frozenset({"entered-in-error", "cancelled"})
_ACTIVE = frozenset({"active", "recurrence", "relapse"})
_NOT_MEANT = frozenset({"refuted", "entered-in-error"})
_NOT_GIVEN = frozenset({"cancelled", "entered-in-error", "draft", "stopped", "not-done", "unknown"})
_CLOCK_SKEW = timedelta(days=1)


def _not_read(declaration: FactDeclaration, results: Iterable[Results]) -> Fact:
    missing, reason = [], None
    for search, result in zip(declaration.searches, results, strict=True):
        if result.sent is not Sent.READ:
            missing.append(search.key)
        elif not result.complete:
            reason = Reason("notAllRead")
    return Fact.unknown(*missing, reason=Reason("notSent") if missing else reason)


def _day(span: Span | None, chart: Chart) -> str:
    return span.start.astimezone(chart.zone).date().isoformat() if span else ""


# --- the person -------------------------------------------------------------------------------------------------


def _person(declaration: FactDeclaration, chart: Chart) -> elements.Patient | Fact:
    results = chart.results(declaration.searches[0])
    if not results.resources:
        return _not_read(declaration, [results]) if not results.complete else Fact.absent()
    return cast(elements.Patient, results.resources[0])


def age(declaration: FactDeclaration, chart: Chart) -> Fact:
    """Completed years at ``now``; a partial birth date gives a range."""
    person = _person(declaration, chart)
    if isinstance(person, Fact):
        return person
    if person.birthDate is None:
        return Fact.absent()
    years = years_between(person.birthDate, chart.now)
    if years is None:
        return Fact.unusable(Reason("dateNotReadable"))
    number = spell(Fraction(years[0]))
    evidence = Evidence("Patient", f"{number} {declaration.unit}", "", number, declaration.unit)
    return Fact.of(Interval(Fraction(years[0]), Fraction(years[1])), evidence)


def sex(declaration: FactDeclaration, chart: Chart) -> Fact:
    """Administrative gender as sent; anything but female and male is absent."""
    person = _person(declaration, chart)
    if isinstance(person, Fact):
        return person
    if person.gender not in ("female", "male"):
        return Fact.absent()
    return Fact.of(person.gender, Evidence("Patient", person.gender))


# --- results ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Result:
    observation: elements.Observation
    span: Span | None
    evidence: Evidence


def _results_of(declaration: FactDeclaration, chart: Chart) -> tuple[Results, list[_Result]]:
    """Observations of the fact's codes that are results at all, newest first, undated ones last."""
    value_set = next(iter(declaration.value_sets.values()))
    results = chart.results(declaration.searches[0])
    found = []
    for resource in results.resources:
        observation = cast(elements.Observation, resource)
        if observation.status in _NOT_RESULTS or observation.code is None:
            continue
        if value_set.match(observation.code.pairs()) is None:
            continue
        span = read_date(_effective(observation), chart.zone)
        found.append(_Result(observation, span, _as_sent(observation, _day(span, chart))))
    earliest = datetime.min.replace(tzinfo=chart.now.tzinfo)
    found.sort(key=lambda result: result.span.start if result.span else earliest, reverse=True)
    return results, found


def _effective(observation: elements.Observation) -> str | None:
    period = observation.effectivePeriod
    return observation.effectiveDateTime or observation.effectiveInstant or (period.latest() if period else None)


def _as_sent(observation: elements.Observation, day: str) -> Evidence:
    quantity = observation.valueQuantity
    reference = f"Observation/{observation.id}" if observation.id else "Observation"
    if quantity is None:
        return Evidence(reference, "", day)
    unit = quantity.unit or quantity.code or ""
    number = f"{quantity.comparator or ''}{_raw(quantity)[:12]}"
    return Evidence(reference, f"{number} {unit}".strip(), day, number, unit)


def _raw(quantity: elements.Quantity) -> str:
    return bytes(quantity.value).decode("utf-8", "replace")


def _flaw(result: _Result, chart: Chart) -> Reason | None:
    """Why a result cannot be used at all, before its value is looked at."""
    observation = result.observation
    if observation.subject is None or not observation.subject.reference:
        return Reason("subjectMissing")
    if bytes(observation.modifierExtension):
        return Reason("modifierExtension")
    if observation.status not in _FINAL:
        return Reason("statusNotFinal", {"status": observation.status or "-"})
    if result.span is None:
        return Reason("dateMissing")
    if result.span.start > chart.now + _CLOCK_SKEW:
        return Reason("dateInFuture")
    return None


def _newest(
    declaration: FactDeclaration,
    chart: Chart,
    read: Callable[[elements.Observation], Interval | str | Reason],
) -> Fact:
    """The newest final result as ``read`` understands it.

    Preliminary results give way to an older final one. A newest final result that cannot be understood is never
    passed over for an older one: the fact is unusable. Of two at the same instant the lower counts (Z37).
    """
    results, found = _results_of(declaration, chart)
    if results.unreadable:
        return Fact.unusable(Reason("elementNotReadable"))
    flawed: Fact | None = None
    for index, result in enumerate(found):
        flaw = _flaw(result, chart)
        if flaw is not None:
            flawed = flawed or Fact.unusable(flaw, result.evidence)
            continue
        assert result.span is not None  # noqa: S101  (a result without a date has a flaw)
        if declaration.look_back_days is not None and result.span.end < chart.now - timedelta(
            days=declaration.look_back_days
        ):
            return flawed or Fact.unusable(
                Reason("tooOld", {"days": str(declaration.look_back_days), "date": result.evidence.date}),
                result.evidence,
            )
        values = [(read(result.observation), result)]
        for other in found[index + 1 :]:
            if other.span == result.span and _flaw(other, chart) is None:
                values.append((read(other.observation), other))
        for value, owner in values:
            if isinstance(value, Reason):
                return Fact.unusable(value, owner.evidence)
        usable = [(cast("Interval | str", value), owner) for value, owner in values]
        usable.sort(key=lambda pair: _rank(pair[0]))
        return Fact.of(usable[0][0], *(owner.evidence for _, owner in usable))
    if flawed is not None:
        return flawed
    return Fact.absent() if results.complete else _not_read(declaration, [results])


def _rank(value: Interval | str) -> tuple[Fraction, str]:
    if isinstance(value, str):
        return Fraction(0), value
    return (value.low if value.low is not None else Fraction(-1)), ""


def observation(declaration: FactDeclaration, chart: Chart) -> Fact:
    """The newest usable result in the analyte's canonical unit (D5)."""
    analyte = declaration.analyte
    assert analyte is not None  # noqa: S101  (the schema of facts.yaml demands it)
    if not declaration.searches:
        return Fact.unknown(reason=Reason("noCodes"))

    def read(resource: elements.Observation) -> Interval | Reason:
        quantity = resource.valueQuantity
        if quantity is None or not bytes(quantity.value):
            return Reason("valueMissing")
        return read_quantity(
            analyte,
            _raw(quantity),
            quantity.code or "",
            quantity.system or "",
            quantity.unit or "",
            quantity.comparator or "",
        )

    return _newest(declaration, chart, read)


def flag(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``low`` or ``not-low``: what the laboratory itself said of its newest result (D1); no cut-off of ours.

    Low is an interpretation L, LL or their kin, or a value below the report's own ``referenceRange.low`` in the
    same unit.
    """
    value_set = declaration.value_sets["interpretation"]

    def read(resource: elements.Observation) -> str | Reason:
        for concept in many(resource.interpretation):
            if value_set.match(concept.pairs()):
                return "low"
        quantity = resource.valueQuantity
        for limits in many(resource.referenceRange):
            if quantity is not None and limits.low is not None:
                analyte = declaration.analyte
                assert analyte is not None  # noqa: S101  (the schema demands it)
                value, low = (
                    read_quantity(analyte, _raw(q), q.code or "", q.system or "", q.unit or "", q.comparator or "")
                    for q in (quantity, limits.low)
                )
                if isinstance(value, Reason) or isinstance(low, Reason):
                    return value if isinstance(value, Reason) else cast(Reason, low)
                if value.high is not None and low.low is not None and value.high < low.low:
                    return "low"
                return "not-low"
        return "not-low"

    return _newest(declaration, chart, read)


# --- problems, allergies ----------------------------------------------------------------------------------------


def _status(concept: elements.CodeableConcept | None) -> str:
    return next((code for _, code in concept.pairs()), "") if concept else ""


def _is_current(resource: elements.Condition | elements.AllergyIntolerance) -> bool:
    """Active and not refuted (terminology.md 5). Without a clinicalStatus a Condition counts only as an encounter
    diagnosis (Z32); an AllergyIntolerance without one counts, because missing it must not hide it."""
    if _status(resource.verificationStatus) in _NOT_MEANT:
        return False
    status = _status(resource.clinicalStatus)
    if status or isinstance(resource, elements.AllergyIntolerance):
        return status in _ACTIVE or not status
    return any(code == "encounter-diagnosis" for c in many(resource.category) for _, code in c.pairs())


def condition(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``present`` if a current problem or encounter diagnosis is in the value set.

    With ``naming`` only entries count whose text or display holds one of those words (Z3, E53.8).
    """
    return _listed(declaration, chart)


def allergy(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``present`` if an allergy or intolerance that is active and not refuted is in the value set (Z5)."""
    return _listed(declaration, chart)


def _listed(declaration: FactDeclaration, chart: Chart) -> Fact:
    value_set = next(iter(declaration.value_sets.values()))
    results = chart.results(declaration.searches[0])
    evidence, unusable = [], None
    for resource in results.resources:
        entry = cast("elements.Condition | elements.AllergyIntolerance", resource)
        if entry.code is None or value_set.match(entry.code.pairs()) is None or not _is_current(entry):
            continue
        words = entry.code.all_words().casefold()
        if declaration.naming and not any(name.casefold() in words for name in declaration.naming):
            continue
        evidence_of = _entry_evidence(entry, value_set, chart)
        subject = entry.patient if isinstance(entry, elements.AllergyIntolerance) else entry.subject
        if subject is None or not subject.reference:
            unusable = unusable or Fact.unusable(Reason("subjectMissing"), evidence_of)
        elif bytes(entry.modifierExtension):
            unusable = unusable or Fact.unusable(Reason("modifierExtension"), evidence_of)
        else:
            evidence.append(evidence_of)
    if evidence:
        return Fact.of(PRESENT, *evidence)
    if unusable is not None:
        return unusable
    return Fact.absent() if results.complete else _not_read(declaration, [results])


def _entry_evidence(
    entry: elements.Condition | elements.AllergyIntolerance, value_set: ValueSet, chart: Chart
) -> Evidence:
    kind = type(entry).__name__
    concept = cast(elements.CodeableConcept, entry.code)
    known = cast(Concept, value_set.match(concept.pairs()))
    words = concept.words() or known.display
    began = None
    if isinstance(entry, elements.Condition):
        began = entry.onsetDateTime or (entry.onsetPeriod.start if entry.onsetPeriod else None)
    span = read_date(began or entry.recordedDate, chart.zone)
    return Evidence(f"{kind}/{entry.id}" if entry.id else kind, f"{words} ({known.code})", _day(span, chart))


# --- treatments -------------------------------------------------------------------------------------------------


def treatment(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``present`` if a dose was ordered, given or recorded within the look-back (D7, Z8, Z14).

    An active order is under way whatever its date; anything else needs a date within the look-back.
    Orders, administrations and procedures count with any status that does not deny them; ``statuses`` and ``form``
    narrow the orders further. A medication named only by a reference that is not here leaves the answer open.
    """
    earliest = chart.now - timedelta(days=declaration.look_back_days or 0)
    read = [chart.results(search) for search in declaration.searches]
    evidence: list[Evidence] = []
    unresolved = False
    for results in read:
        for resource in results.resources:
            entry = cast("elements.Medicated | elements.Procedure", resource)
            if (entry.status or "unknown") in _NOT_GIVEN or getattr(entry, "doNotPerform", None):
                continue
            concept = entry.code if isinstance(entry, elements.Procedure) else entry.concept()
            if concept is None:
                unresolved = True
                continue
            if entry.subject is None or not entry.subject.reference:
                continue
            span = read_date(_when(entry), chart.zone)
            under_way = isinstance(entry, elements.MedicationRequest) and entry.status == "active"
            if not under_way and (span is None or span.end < earliest):
                continue
            known = recognise(concept, declaration.value_sets.values())
            if known is None or (declaration.form and known.form != declaration.form):
                continue
            if (
                declaration.statuses
                and isinstance(entry, elements.MedicationRequest)
                and entry.status not in declaration.statuses
            ):
                continue
            kind = type(entry).__name__
            words = concept.words() or known.display
            evidence.append(Evidence(f"{kind}/{entry.id}" if entry.id else kind, words, _day(span, chart)))
    if evidence:
        return Fact.of(PRESENT, *evidence)
    if any(not results.complete for results in read):
        return _not_read(declaration, read)
    return Fact.unknown(reason=Reason("medicationNotResolved")) if unresolved else Fact.absent()


def recognise(concept: elements.CodeableConcept, value_sets: Iterable[ValueSet]) -> Concept | None:
    """The concept a medication's codes name, or, where nothing is coded, its exact name (Z29)."""
    pairs = concept.pairs()
    for value_set in value_sets:
        known = value_set.match(pairs) if pairs else value_set.names.get(concept.words().strip().casefold())
        if known is not None:
            return known
    return None


def _when(entry: elements.Medicated | elements.Procedure) -> str | None:
    if isinstance(entry, elements.MedicationRequest):
        return entry.authoredOn
    if isinstance(entry, elements.Procedure):
        period = entry.performedPeriod or entry.occurrencePeriod
        return entry.performedDateTime or entry.occurrenceDateTime or (period.latest() if period else None)
    given = cast(elements.MedicationAdministration, entry)
    period = given.effectivePeriod or given.occurencePeriod
    return given.effectiveDateTime or given.occurenceDateTime or (period.latest() if period else None)


def procedure(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``present`` if a procedure of the value set was done at any time."""
    results = chart.results(declaration.searches[0])
    value_set = next(iter(declaration.value_sets.values()))
    evidence, unusable = [], None
    for resource in results.resources:
        entry = cast(elements.Procedure, resource)
        if (entry.status or "unknown") in _NOT_GIVEN or entry.code is None:
            continue
        known = value_set.match(entry.code.pairs())
        if known is None:
            continue
        said = Evidence(
            f"Procedure/{entry.id}" if entry.id else "Procedure",
            f"{entry.code.words() or known.display} ({known.code})",
            _day(read_date(_when(entry), chart.zone), chart),
        )
        if entry.subject is None or not entry.subject.reference:
            unusable = unusable or Fact.unusable(Reason("subjectMissing"), said)
        elif bytes(entry.modifierExtension):
            unusable = unusable or Fact.unusable(Reason("modifierExtension"), said)
        else:
            evidence.append(said)
    if evidence:
        return Fact.of(PRESENT, *evidence)
    if unusable is not None:
        return unusable
    return Fact.absent() if results.complete else _not_read(declaration, [results])


# --- how long ago ------------------------------------------------------------------------------------------------


def recency(declaration: FactDeclaration, chart: Chart) -> Fact:
    """Whole days from the newest (``element: newest``) or the oldest such entry to ``now``.

    Entries are final results, and orders, administrations and procedures that were not denied, with a code of the
    value sets and a date; ``statuses`` and ``form`` narrow the orders. A partial date gives a range of days. Where
    not every entry was read the answer is open, except that results come newest first (Z22).
    """
    read = [chart.results(search) for search in declaration.searches]
    dated: list[tuple[Span, Evidence]] = []
    for results in read:
        for resource in results.resources:
            entry = _dated_entry(declaration, resource, chart)
            if entry is not None:
                dated.append(entry)
    newest_first = declaration.element == "newest"
    for search, results in zip(declaration.searches, read, strict=True):
        sorted_so_far = newest_first and search.resource == "Observation" and results.sent is Sent.READ
        if not results.complete and not (sorted_so_far and dated):
            return _not_read(declaration, read)
    if not dated:
        return Fact.absent()
    span, evidence = (max if newest_first else min)(dated, key=lambda item: item[0].start)
    today = chart.now.astimezone(chart.zone).date()
    first = span.start.astimezone(chart.zone).date()
    last = (span.end - timedelta(microseconds=1)).astimezone(chart.zone).date() if span.end > span.start else first
    days = Interval(Fraction(max((today - last).days, 0)), Fraction(max((today - first).days, 0)))
    return Fact.of(days, evidence)


def _dated_entry(declaration: FactDeclaration, resource: msgspec.Struct, chart: Chart) -> tuple[Span, Evidence] | None:
    entry = cast("elements.Observation | elements.Medicated | elements.Procedure", resource)
    if entry.subject is None or not entry.subject.reference or bytes(entry.modifierExtension):
        return None
    if isinstance(entry, elements.Observation):
        if entry.status not in _FINAL:
            return None
        concept, when = entry.code, _effective(entry)
    else:
        if (entry.status or "unknown") in _NOT_GIVEN or getattr(entry, "doNotPerform", None):
            return None
        if isinstance(entry, elements.MedicationRequest) and entry.status not in (
            declaration.statuses or (entry.status,)
        ):
            return None
        concept = entry.code if isinstance(entry, elements.Procedure) else entry.concept()
        when = _when(entry)
    known = recognise(concept, declaration.value_sets.values()) if concept is not None else None
    if concept is None or known is None or (declaration.form and known.form != declaration.form):
        return None
    span = read_date(when, chart.zone)
    if span is None or span.start > chart.now + _CLOCK_SKEW:
        return None
    kind = type(entry).__name__
    reference = f"{kind}/{entry.id}" if entry.id else kind
    return span, Evidence(reference, concept.words() or known.display, _day(span, chart))


def later(event: Fact, since: Fact) -> Fact:
    """``later`` if something recorded is newer than another thing, by the dates of their evidence, else ``not-later``.

    Where either is not there, nothing is later. Dates of one day do not say which came first.
    """
    for fact in (event, since):
        if fact.state is not State.VALUE:
            return fact
    days = [max((item.date for item in fact.evidence), default="") for fact in (event, since)]
    if not all(days):
        return Fact.unusable(Reason("dateMissing"), *event.evidence)
    return Fact.of("later" if days[0] > days[1] else "not-later", *event.evidence, *since.evidence)


# --- kidney -----------------------------------------------------------------------------------------------------


def estimated_gfr(declaration: FactDeclaration, creatinine: Fact, age_fact: Fact, sex_fact: Fact) -> Fact:
    """eGFR in mL/min/{1.73_m2} from creatinine in mg/dL, age in years and sex, by CKD-EPI 2021.

    The form of the equation is here, its constants in ``facts.yaml`` (Z20). Where sex is not stated both are
    computed and the answer is the range between them, so that a band counts only if both agree. Under the
    declared least age nothing is computed.
    """
    for fact in (creatinine, age_fact):
        if fact.state is not State.VALUE:
            return fact
    scr, years = cast(Interval, creatinine.value), cast(Interval, age_fact.value)
    constants = declaration.constants
    if not scr.is_point or not scr.low or years.low is None or years.low < constants["least-age"]:
        return Fact.unusable(Reason("notComputed"), *creatinine.evidence)
    sexes = [cast(str, sex_fact.value)] if sex_fact.state is State.VALUE else ["female", "male"]

    def estimate(of_sex: str, at_age: Fraction) -> float:
        kappa, alpha = (float(constants[f"{name}-{of_sex}"]) for name in ("kappa", "alpha"))
        ratio = float(cast(Fraction, scr.low)) / kappa
        result = (
            float(constants["factor"])
            * min(ratio, 1.0) ** alpha
            * max(ratio, 1.0) ** float(constants["exponent"])
            * float(constants["age-base"]) ** float(at_age)
        )
        return float(result * float(constants["female-factor"]) if of_sex == "female" else result)

    values = [Fraction(estimate(s, y)) for s in sexes for y in {years.low, cast(Fraction, years.high)}]
    read = creatinine.evidence[0]
    shown = spell(Fraction(round(min(values), 2)))
    computed = Evidence(read.reference, f"{shown} {declaration.unit}", read.date, shown, declaration.unit)
    return Fact.of(Interval(min(values), max(values)), computed, *creatinine.evidence)


def newer(reported: Fact, computed: Fact) -> Fact:
    """The newer of two facts by the date of their evidence; the reported one on the same day (Z11)."""
    if reported.state is not State.VALUE or computed.state is not State.VALUE:
        if reported.state is State.VALUE:
            return reported
        if computed.state is State.VALUE:
            return computed
        return computed if reported.state is State.ABSENT else reported
    return computed if computed.evidence[0].date > reported.evidence[0].date else reported
