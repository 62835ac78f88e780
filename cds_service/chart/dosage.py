"""Facts of one step of an order's dosage: the dose, and the amount a day. Its schedule is read by ``fhir.schedule``."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial

from msgspec.structs import replace

from cds_service.chart.drug import Drug, recognise_drug
from cds_service.chart.order import Order
from cds_service.fhir.quantities import UCUM, as_range, in_signs, read_number, read_quantity, spell, written
from cds_service.fhir.tree import Node, node, nodes, number_text, text
from cds_service.fhir.units import ucum_of
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Evidence, Fact, Interval, Reason

_LONGEST_EVIDENCE = 60  # characters
# Where a dose stands in R4, and where it stood in earlier versions of FHIR.
_DOSES = ("doseAndRate", "doseQuantity", "doseSimpleQuantity", "doseRange")


def dose_of(declaration: FactDeclaration, order: Order, dosage: Node) -> Fact:
    """The ``dose`` of a step of an order, read once for whoever decides on it or says it."""
    key = dose, declaration.name, id(dosage)  # the order holds its steps
    fact: Fact | None = order.kept.get(key)
    if fact is None:
        drug = recognise_drug(order, declaration.value_sets.values())
        fact = order.kept[key] = dose(declaration, drug, dosage)
    return fact


def dose(declaration: FactDeclaration, drug: Drug | None, dosage: Node) -> Fact:
    """The amount of drug given at once, in the analyte's unit (D8).

    Volumes, sprays, tablets and ampoules count only through the strength of a recognised product; units without meaning
    for the drug, and products of unknown strength, make the dose unusable. So does a dose that is written as text, or
    whose number is ("1,000"). A range stays a range.
    """
    rates = nodes(dosage, "doseAndRate")
    quantities = [node(rate, "doseQuantity") for rate in rates if node(rate, "doseQuantity")]
    ranges = [node(rate, "doseRange") for rate in rates if node(rate, "doseRange")]
    if not quantities and not ranges:
        older = node(dosage, "doseQuantity")  # Epic's published example puts it here
        quantities = [older] if older else []
    if not quantities and not ranges:
        if text(dosage, "text") or any(key in dosage for key in _DOSES):
            return Fact.unusable(Reason("doseNotReadable"))
        return Fact.absent()
    if len(quantities) + len(ranges) > 1:
        return Fact.unusable(Reason("severalDoses"))
    ends = quantities or [node(ranges[0], "low"), node(ranges[0], "high")]
    amounts = [_amount(declaration, drug, quantity) for quantity in ends]
    evidence = partial(_evidence, declaration, ends, amounts)
    for amount in amounts:
        if isinstance(amount, Reason):
            return Fact.unusable(amount, evidence())
    low, high = amounts[0], amounts[-1]
    assert isinstance(low, Interval) and isinstance(high, Interval)  # noqa: S101  (reasons have returned)
    return Fact.shown_by(Interval(low.low, high.high), [evidence])


def _evidence(declaration: FactDeclaration, ends: Sequence[Node], amounts: Sequence[Interval | Reason]) -> Evidence:
    """A dose in words, or a range from one to another."""
    shown, sent = (as_range(words) for words in zip(*map(partial(_written, declaration), ends, amounts), strict=True))
    return Evidence("dosageInstruction", shown[:_LONGEST_EVIDENCE], sent=sent[:_LONGEST_EVIDENCE])


def _written(declaration: FactDeclaration, quantity: Node, amount: Interval | Reason) -> tuple[str, str]:
    """A dose for people in the analyte's unit, and as it was sent if that differs (Z76): ``1000 mcg`` and ``1 mL``."""
    analyte = declaration.analyte
    assert analyte is not None  # noqa: S101  (the schema of facts.yaml demands it)
    value, code, unit = number_text(quantity, "value"), text(quantity, "code"), text(quantity, "unit")
    if isinstance(amount, Reason) or not amount.is_point or amount.low is None:
        return written(analyte, value, code, text(quantity, "system"), unit, text(quantity, "comparator"))
    known = ucum_of(analyte, code) or ucum_of(analyte, unit)
    as_sent = f"{value} {analyte.written[known] if known else unit or code}".strip()
    return f"{spell(amount.low)} {analyte.written[analyte.canonical]}", "" if known == analyte.canonical else as_sent


def dose_in_words(declaration: FactDeclaration, order: Order, dosage: Node) -> str:
    """The dose of a step for people, ``""`` where none is stated."""
    return next((item.display for item in dose_of(declaration, order, dosage).evidence), "")


def dose_as_ordered(declaration: FactDeclaration, order: Order, dosage: Node) -> str:
    """The dose of a step in the unit of mass that it was ordered in: ``5 mg``.

    Where products were ordered it is the largest unit in which the dose is a whole number. As ``dose_in_words`` has it
    where the dose could not be read; ``""`` where none is stated.
    """
    value, analyte = dose_of(declaration, order, dosage).value, declaration.analyte
    assert analyte is not None  # noqa: S101  (the schema of facts.yaml demands it)
    if not isinstance(value, Interval) or value.low is None or value.high is None:
        return dose_in_words(declaration, order, dosage)
    stated = [*nodes(dosage, "doseAndRate"), dosage]  # one of these holds the dose, or it could not be read
    quantities = [node(one, "doseQuantity") or node(node(one, "doseRange"), "low") for one in stated]
    units = [ucum_of(analyte, text(one, "code")) or ucum_of(analyte, text(one, "unit")) for one in quantities]
    ends = [Fraction(value.low), Fraction(value.high)]
    whole = [unit for unit, factor in analyte.factors.items() if all((end / factor).denominator == 1 for end in ends)]
    largest = max(whole, key=analyte.factors.__getitem__, default=analyte.canonical)
    unit = next(filter(None, units), largest)
    written_ends = dict.fromkeys(spell(end / analyte.factors[unit]) for end in ends)
    return f"{'-'.join(written_ends)} {analyte.written[unit]}"


def _amount(declaration: FactDeclaration, drug: Drug | None, quantity: Node) -> Interval | Reason:
    """One Quantity in the analyte's canonical unit, by the strength of the product where it counts products."""
    analyte = declaration.analyte
    assert analyte is not None  # noqa: S101  (the schema of facts.yaml demands it)
    value, code, unit = number_text(quantity, "value"), text(quantity, "code"), text(quantity, "unit")
    if not ucum_of(analyte, code) and not ucum_of(analyte, unit) and drug is not None and drug.concept.strength:
        strength, number = drug.concept.strength, read_number(value)
        each = strength.amount_in(_counted(declaration, code, text(quantity, "system"), unit))
        is_exact = text(quantity, "comparator") in ("", "=")
        if number is not None and number >= 0 and each is not None and is_exact:
            return Interval.point(number * each * analyte.factors[strength.unit])
    return read_quantity(analyte, value, code, text(quantity, "system"), unit, text(quantity, "comparator"))


def _counted(declaration: FactDeclaration, code: str, system: str, unit: str) -> str:
    """What a unit counts, such as ``{ampoule}``; ``""`` if it counts nothing, or its code and its text differ.

    A text stands in for a code that is not known only if the code is of another system than UCUM, as for results (Z23).
    """
    by_code, by_text = (declaration.counted.get(spelling.casefold(), "") for spelling in (code, unit))
    if by_code and by_text and by_code != by_text:
        return ""
    if by_code or (code and system in ("", UCUM)):
        return by_code
    return by_text


def daily(declaration: FactDeclaration, dose_of_step: Fact, interval_of_step: Fact) -> Fact:
    """The amount a day: the dose of a step divided by the days between its doses. One piece of evidence says both.

    Where an analyte writes the unit and the doses are not a day apart, it says the amount, and behind it what was sent:
    ``10 mg a day (sent as 70 mg weekly)``.
    """
    for fact in (dose_of_step, interval_of_step):
        if not isinstance(fact.value, Interval):
            return fact
    amount, days = dose_of_step.value, interval_of_step.value
    assert isinstance(amount, Interval) and isinstance(days, Interval)  # noqa: S101  (others have returned)
    (how_much, *others), (how_often, *_) = dose_of_step.evidence, interval_of_step.evidence
    both = replace(how_much, display=f"{how_much.display} {how_often.display}".strip())
    a_day = amount.divided_by(days)
    if declaration.analyte is not None and days != Interval.point(1):
        sent = f"{how_much.as_sent} {how_often.display}".strip()
        both = replace(how_much, display=f"{in_signs(a_day)} {declaration.unit_written}", sent=sent)
    return Fact.of(a_day, both, *others)
