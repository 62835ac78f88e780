"""The results under one prefetch key, sorted out for one analyte: its own, those that may be its own, and the others.

Which code, status, subject and date a result must have to be used is defined here (D5, Z32, Z41, Z47); codes, names and
limits are the content's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import cast

import msgspec

from cds_service.chart.record import Chart
from cds_service.chart.statuses import FINAL_RESULT, NO_RESULT, PENDING, RESULT_STATUSES
from cds_service.fhir import lenient
from cds_service.fhir.analyte_names import names_another, names_one_of
from cds_service.fhir.codes import speaks_in
from cds_service.fhir.dates import Span, day_of, last_day_of, read_date
from cds_service.fhir.flags import OTHER_FLAGS
from cds_service.fhir.lenient import many
from cds_service.fhir.quantities import as_range, implausible, read_number, read_quantity, written
from cds_service.vocabulary.accounting import Account, Aside, Kind
from cds_service.vocabulary.declarations import Analyte, FactDeclaration, Search, ValueSet
from cds_service.vocabulary.facts import Evidence, Interval, Reason

CLOCK_SKEW = timedelta(days=1)  # a date that is later than now by more than this is wrong
_LONGEST_NUMBER = 12  # characters of a number that evidence shows


class Result(msgspec.Struct, frozen=True):
    """One Observation, or a part of one.

    ``span`` is that of its date, ``None`` if it has no readable one; ``entry`` is its place among the resources of its
    key. ``analyte`` is what was measured, ``None`` where that is not known for certain.
    """

    observation: lenient.Observation
    span: Span | None
    zone: tzinfo
    entry: int
    analyte: Analyte | None = None

    @property
    def evidence(self) -> Evidence:
        """The result in words; made on demand, because few results count."""
        return self.worded()

    def worded(self) -> Evidence:
        """The result in words."""
        evidence = in_words(self.observation, day_of(self.span, self.zone), self.analyte)
        last_day = last_day_of(self.span, self.zone)
        return msgspec.structs.replace(evidence, last_day=last_day) if last_day else evidence


class Sorted(msgspec.Struct, frozen=True):
    """Results under one key, each list newest first with the undated ones last.

    ``own`` have a code of the analyte, ``bearing`` may be of the analyte, because they have no code in a system that
    was searched, ``elsewhere`` is how many are about something else.
    """

    own: Sequence[Result]
    bearing: Sequence[Result]
    elsewhere: int


def sorted_out(declaration: FactDeclaration, chart: Chart) -> Sorted:
    """The results under the key of a fact, sorted by whether they are the fact's (Z41)."""
    search, value_set = declaration.searches[0], analyte_codes(declaration)
    analyte = declaration.analyte
    key = ("sorted", search.key, value_set.id, analyte.name if analyte is not None else "")
    return chart.keep(key, _sorted_out, search, value_set, analyte, chart)


def _sorted_out(search: Search, value_set: ValueSet, analyte: Analyte | None, chart: Chart) -> Sorted:
    own, bearing, elsewhere = [], [], 0
    for codings, observation, span, entry in chart.once(_dated, search):
        if value_set.match(codings) is not None:
            own.append(Result(observation, span, chart.zone, entry, analyte))
        elif speaks_in(search.systems, codings):
            elsewhere += 1
        else:
            bearing.append(Result(observation, span, chart.zone, entry))
    return Sorted(own, bearing, elsewhere)


def analyte_codes(declaration: FactDeclaration) -> ValueSet:
    """The value set of what was measured."""
    return next(iter(declaration.value_sets.values()))


_Dated = tuple[list[tuple[str, str]], lenient.Observation, Span | None, int]


def _dated(chart: Chart, search: Search) -> list[_Dated]:
    """The codings, the result, the span of its date and its entry of every result under a key, newest first.

    Components and contained Observations stand beside the whole that they are parts of (Z47). Results in error or
    cancelled, and those that are only announced, are none.
    """
    dated: list[_Dated] = []
    for entry, whole in enumerate(cast("tuple[lenient.Observation, ...]", chart.results(search).resources)):
        for observation in _readable_parts(whole) if whole.has_parts else (whole,):
            if observation.status in NO_RESULT or (observation.status in PENDING and is_pending(observation)):
                continue
            span = read_date(observation.when(), chart.zone)
            codings = observation.code.pairs() if observation.code is not None else []
            dated.append((codings, observation, span, entry))
    earliest = datetime.min.replace(tzinfo=chart.now.tzinfo)
    dated.sort(key=lambda item: item[2].start if item[2] else earliest, reverse=True)
    return dated


def _readable_parts(whole: lenient.Observation) -> list[lenient.Observation]:
    """The parts of a result, and the result itself if it is more than the group of its parts."""
    if whole.status in NO_RESULT:
        return []
    return [whole, *whole.parts()] if _has_value(whole) else whole.parts()


def is_pending(observation: lenient.Observation) -> bool:
    """Whether a result has been announced and is not there yet, which says nothing of the patient."""
    return observation.status in PENDING and not _has_value(observation)


def _has_value(observation: lenient.Observation) -> bool:
    return bool(
        observation.valueQuantity
        or observation.valueRange
        or observation.valueString
        or bytes(observation.valueInteger)
    )


def flaw_of(result: Result, chart: Chart) -> Reason | None:
    """Why a result cannot be used at all, before its value is looked at; ``None`` if it can."""
    observation = result.observation
    if observation.unread:
        return Reason("elementNotReadable")
    if observation.subject is None or not observation.subject.reference:
        return Reason("subjectMissing")
    if bytes(observation.modifierExtension):
        return Reason("modifierExtension")
    if observation.status not in FINAL_RESULT:
        key = "statusNotFinal" if observation.status in RESULT_STATUSES else "statusNotKnown"
        return Reason(key, {"status": observation.status or "-"})
    if result.span is None:
        return Reason("dateMissing" if observation.when() is None else "dateNotReadable")
    if result.span.start > chart.now + CLOCK_SKEW:
        return Reason("dateInFuture")
    return None


def contradiction(declaration: FactDeclaration, observation: lenient.Observation) -> Reason | None:
    """Why the name of a result contradicts its code: it names another analyte (Z41).

    What the displays of the codes begin with, before the brackets of LOINC, is the name of no other analyte.
    """
    codes = analyte_codes(declaration)
    if observation.code is None or not names_another(observation.code.texts(), codes.names, codes.components):
        return None
    return Reason("codeAndNameDisagree", {"name": observation.code.words()})


def is_named(declaration: FactDeclaration, observation: lenient.Observation) -> bool:
    """Whether a result whose code is not known has the name of the analyte, or no name that could be another's."""
    concept = observation.code
    if concept is None:
        return False
    return not concept.words() or names_one_of(concept.texts(), analyte_codes(declaration).names)


def is_about(declaration: FactDeclaration, observation: lenient.Observation) -> bool:
    """Whether a result is one of the analyte by its code, or has the name of it where its code is not known."""
    codings = observation.code.pairs() if observation.code is not None else []
    if analyte_codes(declaration).match(codings) is not None:
        return True
    words = observation.code.words() if observation.code is not None else ""
    return (
        bool(words) and not speaks_in(declaration.searches[0].systems, codings) and is_named(declaration, observation)
    )


def amount_of(declaration: FactDeclaration, observation: lenient.Observation) -> Interval | Reason:
    """The ``valueQuantity`` in the analyte's canonical unit, or why there is none (Z43, Z44)."""
    analyte = declaration.analyte
    assert analyte is not None  # noqa: S101  (the schema of facts.yaml demands it)
    quantity = observation.valueQuantity
    if quantity is None and observation.valueRange is not None:
        return _range_of(analyte, observation.valueRange)
    if quantity is None and bytes(observation.valueInteger):
        return Reason("unitMissing")
    if quantity is None or not bytes(quantity.value):
        return Reason("valueMissing")
    amount = read(analyte, quantity)
    if isinstance(amount, Reason) or declaration.plausible is None:
        return amount
    stated = amount.low if amount.high is None else amount.high  # the number that stands beside a comparator
    is_plausible = stated is not None and stated in declaration.plausible
    return amount if is_plausible else implausibility(declaration, observation) or amount


def _range_of(analyte: Analyte, limits: lenient.ValueRange) -> Interval | Reason:
    """A Range in the analyte's canonical unit; a limit without a unit has that of the other."""
    low = read(analyte, limits.low, limits.high) if limits.low is not None else Interval(0, None)
    high = read(analyte, limits.high, limits.low) if limits.high is not None else Interval(None, None)
    if isinstance(low, Reason) or isinstance(high, Reason):
        return low if isinstance(low, Reason) else cast(Reason, high)
    if limits.low is None and limits.high is None:
        return Reason("valueMissing")
    return Interval(low.low, high.high)


def implausibility(declaration: FactDeclaration, observation: lenient.Observation) -> Reason | None:
    """Why a number that could be read is none that a patient has (Z44)."""
    quantity, analyte = observation.valueQuantity, declaration.analyte
    if quantity is None or declaration.plausible is None or analyte is None:
        return None
    code, system, unit = quantity.code or "", quantity.system or "", quantity.unit or ""
    sent = in_words(observation, "", analyte).as_sent
    return implausible(analyte, declaration.plausible, raw_number(quantity), code, system, unit, sent)


def read(analyte: Analyte, quantity: lenient.Quantity, unit_of: lenient.Quantity | None = None) -> Interval | Reason:
    """A Quantity in the analyte's canonical unit; where it has no unit, in that of ``unit_of`` (Z58)."""
    code, system, unit = quantity.code or "", quantity.system or "", quantity.unit or ""
    if unit_of is not None and not code and not unit:
        code, system, unit = unit_of.code or "", unit_of.system or "", unit_of.unit or ""
    return read_quantity(analyte, raw_number(quantity), code, system, unit, quantity.comparator or "")


def is_flagged_low(declaration: FactDeclaration, observation: lenient.Observation) -> bool:
    """Whether the laboratory itself calls the result low, by a code or by exact words (D1, Z58)."""
    value_set = declaration.value_sets["interpretation"]
    return any(
        value_set.match_or_name(concept.pairs(), concept.texts()) is not None
        for concept in many(observation.interpretation)
    )


def flag_not_understood(declaration: FactDeclaration, observation: lenient.Observation) -> Reason | None:
    """Why an interpretation of the laboratory says nothing: it is no code of a known system and no known word (Z58)."""
    value_set = declaration.value_sets["interpretation"]
    for concept in many(observation.interpretation):
        texts = [text.strip().casefold() for text in concept.texts()]
        codes = [code.casefold() for system, code in concept.pairs() if system in value_set.systems]
        if not any(text in OTHER_FLAGS for text in (*codes, *texts)):
            return Reason("flagNotKnown", {"flag": concept.words() or next((c for _, c in concept.pairs()), "")})
    return None


def is_below_own_range(declaration: FactDeclaration, observation: lenient.Observation) -> bool | Reason:
    """Whether a result lies below the lower limit that its own report gives, or why that cannot be told.

    A limit without a unit has that of the value (Z58). Without a limit the answer is no.
    """
    quantity, analyte = observation.valueQuantity, declaration.analyte
    assert analyte is not None  # noqa: S101  (the schema of facts.yaml demands it)
    for limits in many(observation.referenceRange):
        if quantity is not None and limits.low is not None:
            value, low = read(analyte, quantity), read(analyte, limits.low, quantity)
            for amount in (value, low):
                if isinstance(amount, Reason):
                    return amount
            assert isinstance(value, Interval) and isinstance(low, Interval)  # noqa: S101  (reasons have returned)
            return value.high is not None and low.low is not None and value.high < low.low
    return False


def in_words(observation: lenient.Observation, day: str, analyte: Analyte | None = None) -> Evidence:
    """The value of a result as people read it, with the day of its date (Z76)."""
    reference = observation.own_reference()
    limits, quantity = observation.valueRange, observation.valueQuantity
    if quantity is None and limits is not None:
        ends = [limit for limit in (limits.low, limits.high) if limit is not None]
        unit_of = next((limit for limit in ends if limit.unit or limit.code), None)
        values = [_written(limit, analyte, unit_of) for limit in ends]
        number = "-".join(_raw_digits(limit) for limit in ends)
        shown, sent = (as_range([value[part] for value in values]) for part in (0, 1))
        return Evidence(reference, shown, day, number, _unit_sent(unit_of), sent=sent)
    if quantity is None:
        integer = bytes(observation.valueInteger).decode("utf-8", "replace")[:_LONGEST_NUMBER]
        return Evidence(reference, observation.valueString or integer, day)
    shown, sent = _written(quantity, analyte)
    number = f"{quantity.comparator or ''}{_raw_digits(quantity)}"
    return Evidence(reference, shown, day, number, _unit_sent(quantity), sent=sent)


def _written(
    quantity: lenient.Quantity, analyte: Analyte | None, unit_of: lenient.Quantity | None = None
) -> tuple[str, str]:
    """A Quantity for people, and as it was sent if that differs; where it has no unit, with that of ``unit_of``."""
    of = quantity if quantity.unit or quantity.code or unit_of is None else unit_of
    comparator = quantity.comparator or ""
    if analyte is None:
        return f"{comparator}{_raw_digits(quantity)} {_unit_sent(of)}".strip(), ""
    return written(analyte, raw_number(quantity), of.code or "", of.system or "", of.unit or "", comparator)


def _unit_sent(quantity: lenient.Quantity | None) -> str:
    return (quantity.unit or quantity.code or "") if quantity is not None else ""


def _raw_digits(quantity: lenient.Quantity) -> str:
    return raw_number(quantity)[:_LONGEST_NUMBER]


def raw_number(quantity: lenient.Quantity) -> str:
    """The JSON text of the value of a Quantity."""
    return bytes(quantity.value).decode("utf-8", "replace")


def bare_number(observation: lenient.Observation) -> str:
    """The digits of a value however it was sent: as a number, as a text that is or begins with a number."""
    quantity = observation.valueQuantity
    text = raw_number(quantity).strip('"') if quantity is not None else ""
    text = text or observation.valueString or bytes(observation.valueInteger).decode("utf-8", "replace")
    first = text.strip().lstrip("<>= ").split(" ", 1)[0]
    return first if read_number(first) is not None else ""


# --- the account ------------------------------------------------------------------------------------------------

_KINDS = {
    "elementNotReadable": Kind.SHAPE,
    "subjectMissing": Kind.SUBJECT,
    "modifierExtension": Kind.SHAPE,
    "statusNotFinal": Kind.STATUS,
    "statusNotKnown": Kind.STATUS,
    "dateMissing": Kind.DATE,
    "dateNotReadable": Kind.DATE,
    "dateInFuture": Kind.DATE,
    "codeNotKnown": Kind.CODE,
    "codeMissing": Kind.CODE,
    "codeAndNameDisagree": Kind.CODE,
    "flagNotKnown": Kind.CODE,
    "unitNotKnown": Kind.UNIT,
    "unitMissing": Kind.UNIT,
    "unitsDisagree": Kind.UNIT,
}


def account(search: Search, declarations: Sequence[FactDeclaration], chart: Chart, *, whole: bool) -> Account:
    """What became of every entry under a key of results; ``declarations`` are the facts that are read from it (Z41).

    An entry with several parts is set aside if one of them is, and else read if one of them is. Without ``whole`` what
    is older than a usable result of the same fact is not looked into, and counts as read.
    """
    if not whole:
        return _newest_account(search, declarations, chart)
    results = chart.results(search)
    read_entries: set[int] = set()
    in_part: list[Aside] = []
    asides: dict[int, Aside] = {}
    own = _owned(search, declarations, chart)
    for result in sorted_out(declarations[0], chart).bearing if len(own) == 1 else _bearing(search, own, chart):
        asides.setdefault(result.entry, _code_aside(result.observation))
    for owner, result in [(owner, result) for owner, results_of in own for result in results_of]:
        entry = result.entry
        aside, partly = _looked_into(owner, result, chart)
        if aside is not None:
            asides.setdefault(entry, aside)
            continue
        read_entries.add(entry)
        in_part += partly
    for entry, resource in enumerate(cast("tuple[lenient.Observation, ...]", results.resources)):
        if entry not in asides and (resource.status in NO_RESULT or is_pending(resource)):
            reason = Reason("statusNotFinal", {"status": resource.status or "-"})
            asides[entry] = Aside(Kind.STATUS, reason, resource.own_reference(), code=resource.status or "")
    read_entries -= set(asides)
    kept, total = len(results.resources), results.elsewhere + len(results.set_aside)
    elsewhere = results.elsewhere + kept - len(read_entries) - len(asides)
    set_aside = (*results.set_aside, *asides.values())
    return Account(kept + total, len(read_entries), elsewhere, set_aside, tuple(in_part))


def _looked_into(owner: FactDeclaration, result: Result, chart: Chart) -> tuple[Aside | None, list[Aside]]:
    """Why a result of a fact cannot be used, if it cannot, and otherwise what of it was not understood."""
    observation = result.observation
    reason = contradiction(owner, observation) or flaw_of(result, chart)
    flags = "interpretation" in owner.value_sets
    flagged_low = flags and is_flagged_low(owner, observation)
    value = reason or amount_of(owner, observation)
    if isinstance(value, Reason) and not (owner.kind == "flag" and flagged_low and reason is None):
        return _aside(value, observation.code.pairs() if observation.code is not None else [], observation), []
    unknown = flag_not_understood(owner, observation) if flags and not flagged_low else None
    return None, [_flag_aside(unknown, observation)] if unknown is not None else []


def _newest_account(search: Search, declarations: Sequence[FactDeclaration], chart: Chart) -> Account:
    """The account of the results on which something may rest: of each analyte those down to the newest usable one, or
    all of them where a history is read from them too.
    """
    results = chart.results(search)
    own = _owned(search, declarations, chart)
    bearing = sorted_out(declarations[0], chart).bearing if len(own) == 1 else _bearing(search, own, chart)
    asides = {result.entry: _code_aside(result.observation) for result in bearing}
    in_part: list[Aside] = []
    looks_back = any(fact.kind == "history" for fact in declarations)
    for owner, newest_first in own:
        settled = False
        for result in newest_first:
            if settled and result.span is not None and not looks_back:
                continue
            aside, partly = _looked_into(owner, result, chart)
            if aside is not None:
                asides.setdefault(result.entry, aside)
            else:
                settled = True
                in_part += partly
    entries = len(results.resources) + results.elsewhere + len(results.set_aside)
    set_aside = (*results.set_aside, *asides.values())
    return Account(entries, entries - len(set_aside), 0, set_aside, tuple(in_part))


def _owned(
    search: Search, declarations: Sequence[FactDeclaration], chart: Chart
) -> list[tuple[FactDeclaration, Sequence[Result]]]:
    """The results of each analyte that is read from a key, with the first of the facts that are read from them."""
    measuring = [fact for fact in declarations if fact.analyte is not None]
    owners = {analyte_codes(fact).id: fact for fact in reversed(measuring)}
    return [(fact, sorted_out(fact, chart).own) for fact in owners.values()]


def _bearing(search: Search, own: Sequence[tuple[FactDeclaration, Sequence[Result]]], chart: Chart) -> list[Result]:
    """The results that are of none of several analytes for certain, and may be of one."""
    known = {id(result) for _, results in own for result in results}
    return [result for result in sorted_out(own[0][0], chart).bearing if id(result) not in known] if own else []


def _flag_aside(reason: Reason, observation: lenient.Observation) -> Aside:
    concept = next(iter(many(observation.interpretation)), lenient.CodeableConcept())
    system, code = next(iter(concept.pairs()), ("", ""))
    return Aside(Kind.CODE, reason, observation.own_reference(), system, code, concept.words())


def _code_aside(observation: lenient.Observation) -> Aside:
    codings = observation.code.pairs() if observation.code is not None else []
    system, code = codings[0] if codings else ("", "")
    words = observation.code.words() if observation.code is not None else ""
    key = "codeNotKnown" if code or words else "codeMissing"
    return Aside(Kind.CODE, Reason(key, {"code": code or words}), observation.own_reference(), system, code, words)


def _aside(reason: Reason, codings: Sequence[tuple[str, str]], observation: lenient.Observation) -> Aside:
    kind = _KINDS.get(reason.key, Kind.VALUE)
    reference, quantity = observation.own_reference(), observation.valueQuantity
    if kind is Kind.UNIT and quantity is not None:
        return Aside(kind, reason, reference, quantity.system or "", quantity.code or "", quantity.unit or "")
    if kind is Kind.STATUS:
        return Aside(kind, reason, reference, code=observation.status or "")
    system, code = codings[0] if codings else ("", "")
    return Aside(kind, reason, reference, system, code, observation.code.words() if observation.code else "")
