"""Facts from results: the newest usable value, what stands beside it in doubt, and whether the laboratory calls it low.

Which results count at all is defined in ``chart.observations``; codes and limits are the content's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from cds_service.chart.observations import (
    Result,
    amount_of,
    analyte_codes,
    bare_number,
    contradiction,
    flag_not_understood,
    flaw_of,
    implausibility,
    is_below_own_range,
    is_flagged_low,
    is_named,
    sorted_out,
)
from cds_service.chart.record import Chart, not_read, repeats_a_member
from cds_service.chart.sent_entries import Results
from cds_service.fhir import lenient
from cds_service.fhir.dates import Span
from cds_service.fhir.quantities import read_number
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Evidence, Exact, Fact, Interval, Reason, State

Reading = Callable[[lenient.Observation], Interval | str | Reason]
_LOW = "low"  # the verdict of a laboratory
_NO_VALUE = "valueMissing"
_UNREADABLE_ENTRY = Reason("elementNotReadable")


def observation(declaration: FactDeclaration, chart: Chart) -> Fact:
    """The newest usable result in the analyte's canonical unit (D5).

    With ``element: older`` it is the newest one from before the look-back instead (Z46), absent if there is none. With
    ``element: previous`` it is the newest one from before that newest usable result, by the same rules.
    """
    if not declaration.searches:
        return Fact.unknown(reason=Reason("noCodes"))

    def amount(resource: lenient.Observation) -> Interval | Reason:
        return amount_of(declaration, resource)

    if declaration.element == "older":
        return _newest_before_look_back(declaration, chart, amount)
    if declaration.element == "previous":
        return _previous(declaration, chart, amount)
    return _newest(declaration, chart, amount)


def flag(declaration: FactDeclaration, chart: Chart) -> Fact:
    """``low`` or ``not-low``: what the laboratory itself says of its newest result (D1), by no cut-off of ours.

    Low is an interpretation of the value set (L, LL and the like), or a value below the report's own
    ``referenceRange.low``, both taken in the analyte's unit. Without such an interpretation, a number that no patient
    has says nothing (Z44), nor does a result without a value. A newer result that says nothing does not undo one that
    is low, and is named beside it (Z45).
    """

    return _newest(declaration, chart, partial(_verdict, declaration))


def _verdict(declaration: FactDeclaration, resource: lenient.Observation) -> str | Reason:
    """What the laboratory says of a result, or why that cannot be told."""
    if is_flagged_low(declaration, resource):
        return "low"
    amount = amount_of(declaration, resource)
    if isinstance(amount, Reason) and amount.key == _NO_VALUE and not resource.interpretation:
        return amount
    if (flaw := implausibility(declaration, resource)) is not None:
        return flaw
    below = is_below_own_range(declaration, resource)
    if below is True:
        return "low"
    if (unknown := flag_not_understood(declaration, resource)) is not None:
        return unknown
    return below if isinstance(below, Reason) else "not-low"


def low_flagged(declaration: FactDeclaration, chart: Chart) -> Iterator[tuple[Result, date]]:
    """Every usable result that the laboratory calls low, whatever its age, with its day; the newest first (Z58)."""
    for candidate in _candidates(declaration, chart) if declaration.searches else ():
        if candidate.span is None or _flaw(declaration, candidate, chart) is not None:
            continue
        if _verdict(declaration, candidate.observation) == "low":
            yield candidate, _day(candidate.span.start, chart.zone)


def _previous(declaration: FactDeclaration, chart: Chart, value_of: Reading) -> Fact:
    """The newest usable result of those that are certainly older than the newest usable one.

    Unknown if a page of results was read that may have left it out. Where there is no newest usable one, the fact is
    as that one is.
    """
    usable, _ = _usable_and_refused(declaration, chart, value_of)
    if not usable:
        return _newest(declaration, chart, value_of)
    previous = _newest(declaration, chart, value_of, before=usable[0][1].span)
    results, asked = chart.results(declaration.searches[0]), declaration.searches[0].count
    sent = len(results.resources) + len(results.set_aside) + results.elsewhere
    is_cut = previous.state is State.ABSENT and 0 < asked <= sent
    return Fact.unknown(reason=Reason("notAllRead")) if is_cut else previous


def _newest(declaration: FactDeclaration, chart: Chart, value_of: Reading, before: Span | None = None) -> Fact:
    """The newest final result as ``value_of`` understands it, or the reason why it cannot be used.

    A result that is not final, or whose code, date or subject is in doubt, gives way to an older final one, and is
    named beside it. A newest final result that cannot be understood makes the fact unusable, unless another fact tells
    of it (``doubts-apart``, Z45): then it gives way likewise, if it has a value. One without a verdict gives way to the
    verdict ``low``. Of two results at the same instant the lower counts (Z37). With ``before`` only results count that
    are older than that.
    """
    results = chart.results(declaration.searches[0])
    usable, refused = _usable_and_refused(declaration, chart, value_of, before)
    if usable and usable[0][0] == _LOW:
        return _with_refused(usable, refused)
    if refused and not declaration.doubts_apart:
        of_value = next((item for item in refused if item.spoils), None)
        if of_value is not None:
            return Fact.unusable(of_value.reason, of_value.result.evidence)
    if refused and refused[0].reason.key == _NO_VALUE:
        return Fact.unusable(refused[0].reason, refused[0].result.evidence)
    if usable and results.unreadable and not declaration.doubts_apart:
        return Fact.unusable(_UNREADABLE_ENTRY)
    if usable:
        return _with_refused(usable, refused)
    if refused:
        return Fact.unusable(refused[0].reason, refused[0].result.evidence)
    return _none_usable(declaration, chart, results, before)


def _with_refused(usable: Sequence[tuple[Interval | str, Result]], refused: Sequence[_Refused]) -> Fact:
    """What can be used, and beside it the newest of what could not."""
    fact = Fact.shown_by(usable[0][0], [owner.worded for _, owner in usable])
    return replace(fact, reason=refused[0].reason, beside=refused[0].result.evidence) if refused else fact


class _Refused(NamedTuple):
    """A result that was set aside and could be newer than the newest usable one.

    It ``spoils`` that one if it is final and its value was not understood.
    """

    reason: Reason
    result: Result
    spoils: bool


def _usable_and_refused(
    declaration: FactDeclaration, chart: Chart, value_of: Reading, before: Span | None = None
) -> tuple[list[tuple[Interval | str, Result]], list[_Refused]]:
    """The values of the newest instant within the look-back at which one can be used, and what could be newer.

    The lowest value stands first. What was refused stands newest first, those without a readable date at the end.
    """
    search = declaration.searches[0]
    usable: list[tuple[Interval | str, Result]] = []
    refused: list[_Refused] = []
    newest: Span | None = None
    for candidate in _candidates(declaration, chart):
        span = candidate.span
        if not _is_before(span, before):
            continue
        if newest is not None and span is not None and span.end < newest.start:
            continue
        if _is_old(span, declaration, chart):
            continue
        flaw = _flaw(declaration, candidate, chart)
        value = flaw or value_of(candidate.observation)
        is_newest = newest is None or span == newest
        if is_newest and flaw is None and repeats_a_member(chart, search, candidate.observation.id or ""):
            value = Reason("memberTwice")
        if isinstance(value, Reason):
            refused.append(_Refused(value, candidate, spoils=flaw is None))
        elif is_newest:
            newest = span
            usable.append((value, candidate))
    usable.sort(key=lambda pair: _rank(pair[0]))
    return usable, refused


def _is_before(span: Span | None, before: Span | None) -> bool:
    """Whether a date is certainly before another; one that is not known may be, and every date is before none."""
    return before is None or span is None or (span.end <= before.start and span != before)


def _none_usable(declaration: FactDeclaration, chart: Chart, results: Results, before: Span | None = None) -> Fact:
    """What is known where no result of the analyte within the look-back can be used, and none was refused (Z41)."""
    if results.unreadable:
        return Fact.unusable(_UNREADABLE_ENTRY)
    if not results.complete:
        return not_read(declaration, [results])
    for bearing in sorted_out(declaration, chart).bearing:
        if not _is_old(bearing.span, declaration, chart) and _is_before(bearing.span, before):
            return Fact.unusable(_code_flaw(bearing.observation), bearing.evidence)
    own = [result for result in _candidates(declaration, chart) if _is_before(result.span, before)]
    if results.of_others and not results.resources:
        return Fact.unknown(reason=Reason("otherPatient"))
    if own and not declaration.doubts_apart:
        return Fact.unusable(_too_old(declaration, own[0]), own[0].evidence)
    return Fact.absent(reason=_too_old(declaration, own[0]) if own else None)


def _newest_before_look_back(declaration: FactDeclaration, chart: Chart, value_of: Reading) -> Fact:
    """The newest usable value from before the look-back (Z46)."""
    for candidate in _candidates(declaration, chart):
        if _is_old(candidate.span, declaration, chart) and _flaw(declaration, candidate, chart) is None:
            value = value_of(candidate.observation)
            if not isinstance(value, Reason):
                return Fact.of(value, candidate.evidence)
    return Fact.absent()


# --- results in doubt -------------------------------------------------------------------------------------------


def doubtful(declaration: FactDeclaration, chart: Chart) -> Fact:
    """What may be said of results that were set aside and could be newer than the newest usable one (Z45).

    With ``element: value`` it is the least number that one of them may mean, in the analyte's canonical unit: as it was
    sent, or, where its unit is not understood or its number is not plausible, in the first of the units of ``perhaps``
    in which the number is plausible. Where the newest has no value, it is that of the last one that has. With
    ``element: flag`` it is ``low`` if the laboratory flags one of them as low, or if one lies below its own reference
    range, else ``not-low``. The reason says why the result was set aside. Absent if there is none in doubt; unusable if
    none of those in doubt has a number.
    """
    if not declaration.searches:
        return Fact.absent()

    def amount(resource: lenient.Observation) -> Interval | Reason:
        return amount_of(declaration, resource)

    usable, refused = _usable_and_refused(declaration, chart, amount)
    if not refused:
        unreadable = chart.results(declaration.searches[0]).unreadable
        return Fact.unusable(_UNREADABLE_ENTRY) if unreadable else Fact.absent()
    return _flag_of(declaration, refused) if declaration.element == "flag" else _least_of(declaration, usable, refused)


def _flag_of(declaration: FactDeclaration, refused: Sequence[_Refused]) -> Fact:
    for reason, aside, _ in refused:
        if is_flagged_low(declaration, aside.observation) or _is_below_by_number(aside.observation):
            return replace(Fact.of("low", aside.evidence), reason=reason)
    return replace(Fact.of("not-low", refused[0].result.evidence), reason=refused[0].reason)


def _least_of(
    declaration: FactDeclaration, usable: Sequence[tuple[Interval | str, Result]], refused: Sequence[_Refused]
) -> Fact:
    if refused[0].reason.key == _NO_VALUE and usable:
        last_value, last = usable[0]
        return Fact.of(last_value, last.evidence)
    readings = [
        (value, reason, aside)
        for reason, aside, _ in refused
        if (value := _possible_amount(declaration, aside.observation)) is not None
    ]
    if not readings:
        return Fact.unusable(refused[0].reason, refused[0].result.evidence)
    least, reason, aside = min(readings, key=lambda item: _rank(item[0]))
    return replace(Fact.of(least, aside.evidence), reason=reason)


def _possible_amount(declaration: FactDeclaration, resource: lenient.Observation) -> Interval | None:
    """The number that a result in doubt may mean, in the analyte's canonical unit; ``None`` if it has none."""
    analyte = declaration.analyte
    if analyte is not None:
        amount = amount_of(declaration, resource)
        if isinstance(amount, Interval):
            return amount
    number = read_number(bare_number(resource))
    if number is None or number < 0 or analyte is None or declaration.plausible is None:
        return None
    for unit in declaration.plausible.perhaps:
        possible = number * analyte.factors[unit]
        if possible in declaration.plausible:
            return Interval.point(possible)
    return Interval.point(number)


def _is_below_by_number(resource: lenient.Observation) -> bool:
    """Whether a number lies below the lower limit of its own report, both taken as they were sent in one unit."""
    number = read_number(bare_number(resource))
    for limits in lenient.many(resource.referenceRange):
        low, quantity = limits.low, resource.valueQuantity
        if low is None or number is None:
            continue
        limit = read_number(bytes(low.value).decode("utf-8", "replace"))
        unit = (quantity.unit or quantity.code) if quantity is not None else None
        if limit is not None and number < limit and ((low.unit or low.code) in (None, "", unit)):
            return True
    return False


# --- what counts ------------------------------------------------------------------------------------------------


def _candidates(declaration: FactDeclaration, chart: Chart) -> Sequence[Result]:
    """Results of the analyte, and those that may be: without a known code, but named as it or flagged as low (Z41).

    Newest first; those without a date stand at the end.
    """
    found = sorted_out(declaration, chart)
    flags = "interpretation" in declaration.value_sets
    may_be = [
        result
        for result in found.bearing
        if is_named(declaration, result.observation) or (flags and is_flagged_low(declaration, result.observation))
    ]
    if not may_be:
        return found.own
    earliest = datetime.min.replace(tzinfo=chart.now.tzinfo)
    return sorted([*found.own, *may_be], key=lambda r: r.span.start if r.span else earliest, reverse=True)


def _flaw(declaration: FactDeclaration, candidate: Result, chart: Chart) -> Reason | None:
    """Why a candidate cannot be used, before its value is looked at; ``None`` if it can."""
    concept = candidate.observation.code
    if candidate.analyte is None and (concept is None or analyte_codes(declaration).match(concept.pairs()) is None):
        return _code_flaw(candidate.observation)
    return contradiction(declaration, candidate.observation) or flaw_of(candidate, chart)


def _code_flaw(resource: lenient.Observation) -> Reason:
    concept = resource.code
    code = next((f"{code} ({system})" for system, code in concept.pairs()), concept.words()) if concept else ""
    return Reason("codeNotKnown", {"code": code}) if code else Reason("codeMissing")


def _is_old(span: Span | None, declaration: FactDeclaration, chart: Chart) -> bool:
    """Whether a date is before the look-back, whose first day still counts; days are the hospital's (Z46)."""
    if declaration.look_back_days is None or span is None:
        return False
    last_moment = span.end - timedelta(microseconds=1) if span.end > span.start else span.end
    return _day(last_moment, chart.zone) < chart.today - timedelta(days=declaration.look_back_days)


def _day(moment: datetime, zone: tzinfo) -> date:
    return moment.astimezone(zone).date()


def _too_old(declaration: FactDeclaration, result: Result) -> Reason:
    if declaration.look_back_days == 1:
        return Reason("olderThanADay", {"date": result.evidence.date})
    return Reason("tooOld", {"days": str(declaration.look_back_days), "date": result.evidence.date})


def _rank(value: Interval | str) -> tuple[Exact, str]:
    if isinstance(value, str):
        return 0, value
    return (value.low if value.low is not None else -1), ""


# --- everything on record ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Point:
    """One result in time.

    ``value`` is in the analyte's canonical unit; it is ``None`` where ``flaw`` says why the result cannot be used.
    ``is_low`` is set where the laboratory calls it low (D1).
    """

    when: datetime
    value: Interval | None
    evidence: Evidence
    flaw: Reason | None = None
    is_low: bool = False


def history(declaration: FactDeclaration, chart: Chart) -> list[Point]:
    """Every dated result of the fact's codes, oldest first, whatever its age; shown to people, read by no rule."""
    if declaration.analyte is None or not declaration.searches:
        return []
    points = []
    for result in _candidates(declaration, chart):
        if result.span is None:
            continue
        value = _flaw(declaration, result, chart) or amount_of(declaration, result.observation)
        usable, flaw = (None, value) if isinstance(value, Reason) else (value, None)
        has_flags = "interpretation" in declaration.value_sets
        is_low = usable is not None and has_flags and _verdict(declaration, result.observation) == "low"
        points.append(Point(result.span.start, usable, result.evidence, flaw, is_low))
    return points[::-1]
