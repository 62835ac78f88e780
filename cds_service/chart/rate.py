"""How fast a drug is given, in which volume, and how much of it a volume of the product holds: what an order states.

Nothing is reckoned here from other parts of the order; a pack derives that by operators (``chart.operators``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from cds_service.chart.drug import Drug, recognise, recognise_drug
from cds_service.chart.order import Order
from cds_service.fhir.quantities import as_range, in_signs, read_number, read_quantity, read_unit
from cds_service.fhir.tree import Node, node, nodes, number_text, text
from cds_service.fhir.ucum import is_volume
from cds_service.fhir.units import GRAMMAR, ucum_of
from cds_service.fhir.wording import quantity_in_words, rate_as_sent, ratio_in_words
from cds_service.vocabulary.declarations import Analyte, FactDeclaration
from cds_service.vocabulary.facts import Evidence, Fact, Interval, Reason, exact

_LONGEST_EVIDENCE = 60  # characters
_EXACT = ("", "=")  # comparators


def rate(declaration: FactDeclaration, dosage: Node) -> Fact:
    """How much is given in a time, in the analyte's unit: ``rateQuantity``, ``rateRatio`` or ``rateRange`` of one step.

    A ratio is its numerator divided by its denominator, so that 500 mL in 4 h are 125 mL/h. Unusable if a step states
    several rates, or one that is not understood, or if it is put into words only. Absent if none is stated, or one in a
    unit of another rate of the pack, which reads it: mL/h is no rate of a drug, and mEq/h none of a volume.
    """
    stated = [(kind, of_kind) for kind in _RATES for of_kind in rates_of(dosage, kind)]
    if not stated:
        in_words_only = text(dosage, "text") and not nodes(dosage, "doseAndRate")
        unread = in_words_only or any(key in holder for holder in _holders(dosage) for key in _RATES)
        return Fact.unusable(Reason("rateNotReadable")) if unread else Fact.absent()
    if len(stated) > 1:
        return Fact.unusable(Reason("severalRates"))
    kind, of_kind = stated[0]
    analyte = _analyte(declaration)
    amount = _RATES[kind](analyte, of_kind)
    others = (_RATES[kind](other, of_kind) for other in declaration.beside)
    if isinstance(amount, Reason) and any(isinstance(other, Interval) for other in others):
        return Fact.absent()
    own = kind == "rateQuantity" and ucum_of(analyte, _unit(of_kind)) == analyte.canonical
    return _fact(analyte, amount, "dosageInstruction", rate_as_sent(dosage), own=own)


def rates_of(dosage: Node, kind: str) -> list[Node]:
    """What a step states as its rate in one of the three forms, where R4 has it or where STU3 had it."""
    return [node(holder, kind) for holder in _holders(dosage) if node(holder, kind)]


def _holders(dosage: Node) -> list[Node]:
    return [*nodes(dosage, "doseAndRate"), dosage]


def volume(declaration: FactDeclaration, dosage: Node) -> Fact:
    """The volume given at once in the analyte's unit, where the dose of a step is a volume; absent if it is none.

    Unusable if it may be one: if its unit is not understood.
    """
    analyte = _analyte(declaration)
    found: list[tuple[list[Node], str]] = []
    for holder in nodes(dosage, "doseAndRate") or [dosage]:
        limits = node(holder, "doseRange")
        stated = (node(holder, "doseQuantity"), node(limits, "low"), node(limits, "high"))
        ends = [quantity for quantity in stated if quantity]
        if ends and not all(_is_no_volume(declaration, end) for end in ends):
            found.append((ends, as_range([quantity_in_words(end) for end in ends])))
    if not found:
        return Fact.absent()
    if len(found) > 1:
        return Fact.unusable(Reason("severalDoses"))
    quantities, sent = found[0]
    amount = _between([_quantity(analyte, quantity) for quantity in quantities])
    own = all(ucum_of(analyte, _unit(quantity)) == analyte.canonical for quantity in quantities)
    return _fact(analyte, amount, "dosageInstruction", sent, own=own)


def _is_no_volume(declaration: FactDeclaration, quantity: Node) -> bool:
    """Whether the unit of a dose is understood as something else: an amount, or a count of products."""
    spellings = [spelling for spelling in (text(quantity, "code"), text(quantity, "unit")) if spelling]
    return any(
        spelling.casefold() in declaration.counted
        or is_volume(spelling) is False
        or GRAMMAR.read("mass", spelling, ()) != ""
        for spelling in spellings
    )


def concentration(declaration: FactDeclaration, order: Order) -> Fact:
    """How much of the drug a volume of the product holds, in the analyte's unit.

    It is stated by the strength of the ingredient (``Medication.ingredient.strength``), or known of the product by its
    code (``strength`` in the value set). Unusable if both are there and differ, or if the strength is not understood.
    Absent if none is stated, or none by volume.
    """
    value_sets, analyte = declaration.value_sets.values(), _analyte(declaration)
    drug = recognise_drug(order, value_sets)
    strengths = [
        strength
        for ingredient, naming in zip(order.ingredients, order.naming.ingredients, strict=False)
        if len(order.ingredients) == 1 or recognise(naming, value_sets) is not None
        for strength in (node(ingredient, "strength") or node(ingredient, "strengthRatio"),)
        if strength and not _is_no_volume(declaration, node(strength, "denominator"))
    ]
    if drug is None:
        return Fact.absent()
    if len(strengths) > 1:
        return Fact.unusable(Reason("strengthsDisagree"))
    of_product = _of_product(analyte, drug)
    if not strengths:
        return Fact.absent() if of_product is None else _fact(analyte, of_product, order.reference, "")
    stated = _ratio(analyte, strengths[0])
    sent = ratio_in_words(strengths[0])
    if isinstance(stated, Interval) and of_product is not None and stated != of_product:
        return Fact.unusable(Reason("strengthsDisagree"), Evidence(order.reference, sent[:_LONGEST_EVIDENCE]))
    return _fact(analyte, stated, order.reference, sent)


def _of_product(analyte: Analyte, drug: Drug) -> Interval | None:
    """What a value set knows of a product by volume."""
    strength = drug.concept.strength
    factor = analyte.factors.get(f"{strength.unit}/{strength.per}") if strength is not None else None
    return Interval.point(exact(strength.amount * factor)) if strength is not None and factor is not None else None


# --- quantities -------------------------------------------------------------------------------------------------


def _quantity(analyte: Analyte, quantity: Node) -> Interval | Reason:
    parts = (text(quantity, key) for key in ("code", "system", "unit", "comparator"))
    return read_quantity(analyte, number_text(quantity, "value"), *parts)


def _between(ends: Sequence[Interval | Reason]) -> Interval | Reason:
    """The range from the first to the last of one or two quantities."""
    for end in ends:
        if isinstance(end, Reason):
            return end
    known = [end for end in ends if isinstance(end, Interval)]
    return Interval(known[0].low, known[-1].high, known[0].low_open, known[-1].high_open)


def _range(analyte: Analyte, limits: Node) -> Interval | Reason:
    """A Range; where one of its ends is missing it has no limit there, and nothing is below zero."""
    low, high = node(limits, "low"), node(limits, "high")
    if not low and not high:
        return Reason("rateNotReadable")
    bottom = _quantity(analyte, low) if low else Interval.point(0)
    top = _quantity(analyte, high) if high else Interval(0, None)
    return _between([bottom, top])


def _ratio(analyte: Analyte, ratio: Node) -> Interval | Reason:
    """A Ratio of two quantities, each exact, read as one in the unit that theirs make."""
    parts = (node(ratio, "numerator"), node(ratio, "denominator"))
    above, below = (read_number(number_text(part, "value")) for part in parts)
    if above is None or not below or above < 0 or below < 0:
        return Reason("valueNotNumber")
    if any(text(part, "comparator") not in _EXACT for part in parts):
        return Reason("comparatorNotKnown")
    codes, units = ([text(part, key) for part in parts] for key in ("code", "unit"))
    code = "/".join(codes) if all(codes) else ""
    unit = "/".join(units) if all(units) or code else "/".join(map(_unit, parts))
    known = read_unit(analyte, code, "", unit)
    if isinstance(known, Reason):
        return known
    return Interval.point(exact(Fraction(above) / below * analyte.factors[known]))


_RATES: Mapping[str, Callable[[Analyte, Node], Interval | Reason]] = {
    "rateQuantity": _quantity,
    "rateRatio": _ratio,
    "rateRange": _range,
}


def _unit(quantity: Node) -> str:
    return text(quantity, "code") or text(quantity, "unit")


def _fact(analyte: Analyte, amount: Interval | Reason, reference: str, sent: str, *, own: bool = False) -> Fact:
    """The fact of an amount that was read, or why it was not.

    Evidence has it as it was ``sent`` too, unless it was sent in the analyte's ``own`` unit (Z76).
    """
    if isinstance(amount, Reason):
        return Fact.unusable(amount, Evidence(reference, sent[:_LONGEST_EVIDENCE]))
    shown = f"{in_signs(amount)} {analyte.written[analyte.canonical]}"
    return Fact.of(amount, Evidence(reference, shown, sent="" if own else sent[:_LONGEST_EVIDENCE]))


def _analyte(declaration: FactDeclaration) -> Analyte:
    assert declaration.analyte is not None  # noqa: S101  (the schema of facts.yaml demands it)
    return declaration.analyte
