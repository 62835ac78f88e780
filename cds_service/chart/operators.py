"""Facts that are reckoned from other facts by an operator, over ranges with units and exactly.

The operands come in the units of their facts; ``content`` has worked out what each is worth in a common one. Where an
operand has no value, the result has none either, for the same reason (docs/decisions.md#rule-4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from msgspec.structs import replace

from cds_service.fhir.quantities import in_digits, in_signs
from cds_service.vocabulary import arithmetic
from cds_service.vocabulary.declarations import FactDeclaration, Operand
from cds_service.vocabulary.facts import Evidence, Fact, Interval, Reason, State


class _Operator(NamedTuple):
    """What is reckoned: ``number`` is the number that a fact gives, ``of`` the result, ``None`` if a divisor can be
    zero.
    """

    of: Callable[..., Interval | None]
    number: Callable[[Fact], Interval | None]


def _value(fact: Fact) -> Interval | None:
    return fact.value if isinstance(fact.value, Interval) else None


def _day(fact: Fact) -> Interval | None:
    """The day of the newest evidence as a number of days; a partial date is any of its days."""
    days = [(item.date, item.last_day or item.date) for item in fact.evidence if item.date]
    if fact.value is None or not days:
        return None
    first, last = (date.fromisoformat(day).toordinal() for day in max(days))
    return Interval(first, last)


_OPERATORS: Mapping[str, _Operator] = {
    "sum": _Operator(arithmetic.plus, _value),
    "difference": _Operator(arithmetic.minus, _value),
    "product": _Operator(arithmetic.times, _value),
    "quotient": _Operator(arithmetic.over, _value),
    "minimum": _Operator(arithmetic.least, _value),
    "maximum": _Operator(arithmetic.greatest, _value),
    "per-kilogram": _Operator(arithmetic.over, _value),
    "days-between": _Operator(lambda start, end: arithmetic.minus(end, start), _day),
    "first-of": _Operator(lambda only: only, _value),
}


def reckoned(declared: FactDeclaration, facts: Mapping[str, Fact]) -> Fact:
    """A fact by its operator, with what was read of each operand as evidence behind the result.

    Where operands have no value: unknown if one is unknown, else unusable if one is unusable, else absent. Unusable too
    if a divisor can be zero, or if a day that is asked for is not known. The first of several is the first that has a
    value, as if the others were not declared; they are asked for where none has one.
    """
    operator, operands = _OPERATORS[declared.element], declared.operands_taken(facts)
    read = [(operand, _labelled(facts[operand.fact], operand)) for operand in operands if operand.fact]
    evidence = [item for _, fact in read for item in fact.evidence]
    if lacking := [fact for _, fact in read if fact.value is None]:
        return _without_value(lacking, evidence)
    numbers = {operand.role: operator.number(fact) for operand, fact in read}
    terms: list[Interval] = []
    for operand in operands:
        number = numbers[operand.role] if operand.fact else operand.constant
        if number is None:
            return Fact.unusable(Reason("dateMissing"), *evidence)
        terms.append(arithmetic.times(number, Interval.point(operand.scale)))
    total = operator.of(*terms)
    if total is None:
        return Fact.unusable(Reason("divisorMayBeZero", {"divisor": declared.operands[-1].label}), *evidence)
    total = arithmetic.times(total, Interval.point(declared.scale))
    return Fact.of(total, _result(declared, total, evidence), *evidence)


def _labelled(fact: Fact, operand: Operand) -> Fact:
    evidence = tuple(item if item.label else replace(item, label=operand.label) for item in fact.evidence)
    return replace(fact, evidence=evidence)


def _without_value(lacking: Sequence[Fact], evidence: Sequence[Evidence]) -> Fact:
    """The fact that stands for a result of which some operands have no value."""
    for state in (State.UNKNOWN, State.UNUSABLE, State.ABSENT):
        of_state = [fact for fact in lacking if fact.state is state]
        if of_state:
            missing = dict.fromkeys(key for fact in of_state for key in fact.missing)
            return Fact(state, None, tuple(evidence), of_state[0].reason, tuple(missing))
    raise AssertionError("a fact without a value has one of these states")


def _result(declared: FactDeclaration, total: Interval, evidence: Sequence[Evidence]) -> Evidence:
    """The result in words. It is of the day of its operands where these are of one day."""
    days = {item.date for item in evidence if item.date}
    reference = evidence[0].reference if evidence else ""
    number = in_digits(total.low) if total.is_point and total.low is not None else ""
    shown = f"{in_signs(total)} {declared.unit_written}".strip()
    return Evidence(reference, shown, days.pop() if len(days) == 1 else "", number, declared.unit)
