"""Facts from results: the newest usable value, and whether the laboratory itself calls it low.

Which status, date and subject a usable result has is defined here (D5, Z32, Z37, Z44); codes and limits are the
content's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import cast

import msgspec

from cds_service.chart.record import Chart, Results, not_read
from cds_service.chart.statuses import FINAL_RESULT, NO_RESULT
from cds_service.fhir import lenient
from cds_service.fhir.dates import Span, day_of, read_date
from cds_service.fhir.lenient import many
from cds_service.fhir.quantities import implausible, read_quantity
from cds_service.vocabulary.declarations import Analyte, FactDeclaration, Search
from cds_service.vocabulary.facts import Evidence, Exact, Fact, Interval, Reason

CLOCK_SKEW = timedelta(days=1)  # a date that is later than now by more than this is wrong


class _Result(msgspec.Struct, frozen=True):
    """One Observation with the ``span`` of its date, which is ``None`` if it has no readable one."""

    observation: lenient.Observation
    span: Span | None
    zone: tzinfo

    @property
    def evidence(self) -> Evidence:
        """The result as it was sent; made on demand, because few results count."""
        return _as_sent(self.observation, day_of(self.span, self.zone))


def _results_of(declaration: FactDeclaration, chart: Chart) -> tuple[Results, list[_Result]]:
    """Observations with a code of the fact and a status that is a result's, newest first, undated ones last."""
    value_set = next(iter(declaration.value_sets.values()))
    search = declaration.searches[0]
    matching = [result for codings, result in chart.once(_dated, search) if value_set.match(codings) is not None]
    return chart.results(search), matching


def _dated(chart: Chart, search: Search) -> list[tuple[list[tuple[str, str]], _Result]]:
    """Every result under a key with its codings, newest first, for all facts that are read from it."""
    dated = []
    for observation in cast("tuple[lenient.Observation, ...]", chart.results(search).resources):
        if observation.status not in NO_RESULT and observation.code is not None:
            span = read_date(observation.when(), chart.zone)
            dated.append((observation.code.pairs(), _Result(observation, span, chart.zone)))
    earliest = datetime.min.replace(tzinfo=chart.now.tzinfo)
    dated.sort(key=lambda item: item[1].span.start if item[1].span else earliest, reverse=True)
    return dated


def _as_sent(observation: lenient.Observation, day: str) -> Evidence:
    quantity = observation.valueQuantity
    reference = observation.own_reference()
    if quantity is None:
        return Evidence(reference, "", day)
    unit = quantity.unit or quantity.code or ""
    number = f"{quantity.comparator or ''}{_raw(quantity)[:12]}"
    return Evidence(reference, f"{number} {unit}".strip(), day, number, unit)


def _raw(quantity: lenient.Quantity) -> str:
    return bytes(quantity.value).decode("utf-8", "replace")


def _flaw(result: _Result, chart: Chart) -> Reason | None:
    """Why a result cannot be used at all, before its value is looked at."""
    observation = result.observation
    if observation.subject is None or not observation.subject.reference:
        return Reason("subjectMissing")
    if bytes(observation.modifierExtension):
        return Reason("modifierExtension")
    if observation.status not in FINAL_RESULT:
        return Reason("statusNotFinal", {"status": observation.status or "-"})
    if result.span is None:
        return Reason("dateMissing")
    if result.span.start > chart.now + CLOCK_SKEW:
        return Reason("dateInFuture")
    return None


def _newest(
    declaration: FactDeclaration,
    chart: Chart,
    read: Callable[[lenient.Observation], Interval | str | Reason],
) -> Fact:
    """The newest final result as ``read`` understands it, or the reason why it cannot be used.

    Preliminary results give way to an older final one. A newest final result that cannot be understood is never
    passed over for an older one: the fact is unusable. Of two at the same instant the lower counts (Z37).
    """
    results, candidates = _results_of(declaration, chart)
    if results.unreadable:
        return Fact.unusable(Reason("elementNotReadable"))
    flawed: Fact | None = None
    for index, result in enumerate(candidates):
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
        for other in candidates[index + 1 :]:
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
    return Fact.absent() if results.complete else not_read(declaration, [results])


def _rank(value: Interval | str) -> tuple[Exact, str]:
    if isinstance(value, str):
        return 0, value
    return (value.low if value.low is not None else -1), ""


def observation(declaration: FactDeclaration, chart: Chart) -> Fact:
    """The newest usable result in the analyte's canonical unit (D5)."""
    analyte = declaration.analyte
    assert analyte is not None  # noqa: S101  (the schema of facts.yaml demands it)
    if not declaration.searches:
        return Fact.unknown(reason=Reason("noCodes"))

    return _newest(declaration, chart, lambda resource: _amount(declaration, analyte, resource))


@dataclass(frozen=True, slots=True)
class Point:
    """One result in time.

    ``value`` is in the analyte's canonical unit; it is ``None`` where ``flaw`` says why the result cannot be used.
    """

    when: datetime
    value: Interval | None
    evidence: Evidence
    flaw: Reason | None = None


def history(declaration: FactDeclaration, chart: Chart) -> list[Point]:
    """Every dated result of the fact's codes, oldest first, whatever its age; shown to people, read by no rule."""
    analyte = declaration.analyte
    if analyte is None or not declaration.searches:
        return []
    points = []
    for result in _results_of(declaration, chart)[1]:
        if result.span is None:
            continue
        value: Interval | Reason = _flaw(result, chart) or _amount(declaration, analyte, result.observation)
        usable = None if isinstance(value, Reason) else value
        flaw = value if isinstance(value, Reason) else None
        points.append(Point(result.span.start, usable, result.evidence, flaw))
    return points[::-1]


def _amount(declaration: FactDeclaration, analyte: Analyte, resource: lenient.Observation) -> Interval | Reason:
    """The ``valueQuantity`` in the analyte's canonical unit, or why there is none."""
    quantity = resource.valueQuantity
    if quantity is None or not bytes(quantity.value):
        return Reason("valueMissing")
    amount = _read(analyte, quantity)
    return amount if isinstance(amount, Reason) else _implausible(declaration, analyte, resource) or amount


def _read(analyte: Analyte, quantity: lenient.Quantity) -> Interval | Reason:
    code, system, unit = quantity.code or "", quantity.system or "", quantity.unit or ""
    return read_quantity(analyte, _raw(quantity), code, system, unit, quantity.comparator or "")


def _in_unit_of(quantity: lenient.Quantity, limit: lenient.Quantity) -> lenient.Quantity:
    """The limit of a result that leaves out its unit has that of the value beside it (Z58)."""
    if limit.unit or limit.code:
        return limit
    return lenient.Quantity(limit.value, limit.comparator, quantity.unit, quantity.system, quantity.code)


def _implausible(declaration: FactDeclaration, analyte: Analyte, resource: lenient.Observation) -> Reason | None:
    """Why a number that could be read is none that a patient has (Z44)."""
    quantity = resource.valueQuantity
    if quantity is None or declaration.plausible is None:
        return None
    code, system, unit = quantity.code or "", quantity.system or "", quantity.unit or ""
    sent = _as_sent(resource, "").display
    return implausible(analyte, declaration.plausible, _raw(quantity), code, system, unit, sent)


def flag(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``low`` or ``not-low``: what the laboratory itself says of its newest result (D1), by no cut-off of ours.

    Low is an interpretation of the value set (L, LL and the like), or a value below the report's own
    ``referenceRange.low``, both taken in the analyte's unit; an interpretation that is coded in no system of the value
    set may also be one of its names (Z58). Without such an interpretation, a number that no patient has says nothing
    (Z44).
    """
    value_set = declaration.value_sets["interpretation"]
    analyte = declaration.analyte
    assert analyte is not None  # noqa: S101  (the schema of facts.yaml demands it)

    def read(resource: lenient.Observation) -> str | Reason:
        for concept in many(resource.interpretation):
            if value_set.match_or_name(concept.pairs(), concept.texts()):
                return "low"
        if (flaw := _implausible(declaration, analyte, resource)) is not None:
            return flaw
        quantity = resource.valueQuantity
        for limits in many(resource.referenceRange):
            if quantity is not None and limits.low is not None:
                value, low = _read(analyte, quantity), _read(analyte, _in_unit_of(quantity, limits.low))
                if isinstance(value, Reason) or isinstance(low, Reason):
                    return value if isinstance(value, Reason) else cast(Reason, low)
                if value.high is not None and low.low is not None and value.high < low.low:
                    return "low"
                return "not-low"
        return "not-low"

    return _newest(declaration, chart, read)
