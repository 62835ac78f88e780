"""Facts of one draft order: drug, route, reason, and each step's dose and schedule.

Imports the shared vocabulary and this room. Doses and schedules are understood, never matched as text
(docs/decisions.md#timing); what is there and cannot be understood is unusable with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from fractions import Fraction
from typing import Any

from cds_service.fhir.dates import read_date
from cds_service.fhir.quantities import read_number, read_quantity
from cds_service.fhir.tree import Node, node, nodes, number_text, pairs, text, words
from cds_service.fhir.units import ucum_of
from cds_service.fhir.wording import length_in_words, timing_in_words
from cds_service.vocabulary.declarations import Concept, FactDeclaration, ValueSet
from cds_service.vocabulary.facts import Evidence, Exact, Fact, Interval, Reason, exact

PRESENT = "present"
_REFERENCE = re.compile(r"[A-Za-z]+/[^/\s]+")
_NOT_STATED = "not-stated"  # the agent of a concept that leaves open which of several is meant

GTS = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"

# Days in one unit of time as FHIR's Timing names them; a month is 28 to 31 days (docs/decisions.md#timing, Z19).
_DAYS: Mapping[str, tuple[Exact, Exact]] = {
    "s": (Fraction(1, 86400), Fraction(1, 86400)),
    "min": (Fraction(1, 1440), Fraction(1, 1440)),
    "h": (Fraction(1, 24), Fraction(1, 24)),
    "d": (1, 1),
    "wk": (7, 7),
    "mo": (28, 31),
    "a": (365, 366),
}
# Timing.code: how often, in days (HL7 v3 GTSAbbreviation).
_TIMING_CODES: Mapping[str, Interval] = {
    **dict.fromkeys(("QD", "AM", "PM", "BED"), Interval.point(1)),
    "BID": Interval.point(Fraction(1, 2)),
    "TID": Interval.point(Fraction(1, 3)),
    "QID": Interval.point(Fraction(1, 4)),
    "QOD": Interval.point(2),
    "WK": Interval.point(7),
    "MO": Interval(28, 31),
}
_UNREADABLE = Fact.unusable(Reason("scheduleNotReadable"))


@dataclass(frozen=True, slots=True)
class Order:
    """One draft order: where it stood in the request, its tree, and the concepts its drug may be named by.

    ``key`` tells it from the other drafts: its ``Type/id``, or its path if it has none, or not alone.
    """

    path: str
    resource: Node
    medications: tuple[Node, ...]
    key: str = ""

    @property
    def reference(self) -> str:
        """``Type/id``; ``""`` for no order at all."""
        kind, identity = text(self.resource, "resourceType"), text(self.resource, "id")
        return f"{kind}/{identity}" if kind or identity else ""

    @property
    def is_named(self) -> bool:
        """Whether an action can name it, and nothing else with it (RSP-42)."""
        return self.key == self.reference and _REFERENCE.fullmatch(self.key) is not None

    @property
    def name(self) -> str:
        """The drug as the order words it."""
        return next(filter(None, map(words, self.medications)), "")

    def dosages(self) -> list[Node]:
        """``dosageInstruction`` in the order of its sequence numbers."""
        return dosages_of(self.resource)


def dosages_of(resource: Node) -> list[Node]:
    """The steps of an order's dosage, in the order of their sequence numbers."""

    def place(item: tuple[int, Node]) -> tuple[Exact, int]:
        number = read_number(number_text(item[1], "sequence"))
        return (number if number is not None else item[0] + 1, item[0])

    steps = nodes(resource, "dosageInstruction")
    return [dosage for _, dosage in sorted(enumerate(steps), key=place)] if len(steps) > 1 else steps


NO_ORDER = Order("", {}, ())  # what a hook without draft orders is about: the patient alone


def read_order(path: str, resource: Node, others: Mapping[str, Node], key: str = "") -> Order:
    """An order with its medication found: in itself, contained, in the draft Bundle, or only displayed.

    ``others`` are the resources of the draft Bundle by ``Type/id`` and by ``fullUrl``. R4 and R5 shapes are read.
    """
    found: list[Node] = []
    concept = resource.get("medicationCodeableConcept")
    if isinstance(concept, dict):
        found.append(concept)
    modern = node(resource, "medication")
    if isinstance(modern.get("concept"), dict):
        found.append(modern["concept"])
    for reference in (node(resource, "medicationReference"), node(modern, "reference")):
        target = text(reference, "reference")
        if target.startswith("#"):
            held = [item for item in nodes(resource, "contained") if text(item, "id") == target[1:]]
        else:
            held = [others[target]] if target in others else []
        found.extend(node(item, "code") for item in held if node(item, "code"))
        if not held and text(reference, "display"):
            found.append({"text": text(reference, "display")})
    return Order(path, resource, tuple(found), key)


# --- the drug ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drug:
    """What an order's drug was recognised as; ``by_name`` when only its exact name said so (Z29).

    ``conflict`` if its codes name two agents; then ``agent`` is empty.
    """

    concept: Concept
    agent: str
    form: str
    by_name: bool
    conflict: bool = False


def recognise_drug(order: Order, value_sets: Iterable[ValueSet]) -> Drug | None:
    """The drug of an order by its codes, or by exact name where nothing is coded; ``None`` if it is none of ours.

    Several codings may name ingredient and product: the one that says most is taken, and the agent is
    the one that any of them states. A value set that settles the matter (what is excluded, combinations) leaves no
    conflict: one code of it is enough.
    """
    coded = [pair for concept in order.medications for pair in pairs(concept)]
    names = [] if coded else [words(concept).strip().casefold() for concept in order.medications]
    known: list[Concept] = []
    for value_set in value_sets:
        if coded:
            found = [c for c in (value_set.find(*pair) for pair in coded) if c is not None]
        else:
            found = [value_set.names[name] for name in names if name in value_set.names]
        if found and value_set.settles:
            return Drug(found[0], found[0].agent, found[0].form, by_name=not coded)
        known += found
    if not known:
        return None
    known.sort(key=lambda c: (c.strength is not None, bool(c.form)), reverse=True)
    agents = {c.agent for c in known} - {_NOT_STATED} or {_NOT_STATED}
    form = next((c.form for c in known if c.form), "")
    conflict = len(agents) > 1
    return Drug(known[0], "" if conflict else agents.pop(), form, not coded, conflict)


def agent(declaration: FactDeclaration, order: Order) -> Fact:
    """Which drug it is, as the value sets name agents."""
    drug = recognise_drug(order, declaration.value_sets.values())
    if drug is None:
        return Fact.absent()
    said = Evidence(order.reference, _said(order, drug))
    if drug.conflict:
        return Fact.unusable(Reason("codesDisagree"), said)
    return Fact.of(drug.agent, said)


def form(declaration: FactDeclaration, order: Order) -> Fact:
    """The product's form, where its code says it."""
    drug = recognise_drug(order, declaration.value_sets.values())
    if drug is None or not drug.form:
        return Fact.absent()
    return Fact.of(drug.form, Evidence(order.reference, _said(order, drug)))


def in_value_set(declaration: FactDeclaration, order: Order) -> Fact:
    """``present`` if a code (or the exact name) of the drug is in the value set."""
    drug = recognise_drug(order, declaration.value_sets.values())
    return Fact.of(PRESENT, Evidence(order.reference, _said(order, drug))) if drug else Fact.absent()


def recognised_by(declaration: FactDeclaration, order: Order) -> Fact:
    """``code`` or ``name``."""
    drug = recognise_drug(order, declaration.value_sets.values())
    if drug is None:
        return Fact.absent()
    return Fact.of("name", Evidence(order.reference, _said(order, drug))) if drug.by_name else Fact.of("code")


def status(order: Order) -> Fact:
    """``stopped`` or ``ordered``: a stopped order is judged as a stop and as nothing else (Z14)."""
    if text(order.resource, "status") == "stopped":
        return Fact.of("stopped", Evidence(f"{order.reference} status", "stopped"))
    return Fact.of("ordered")


def _said(order: Order, drug: Drug) -> str:
    name = order.name or drug.concept.display
    return name if drug.by_name else f"{name} ({drug.concept.code})"


# --- route, reason ----------------------------------------------------------------------------------------------


def route(declaration: FactDeclaration, order: Order) -> Fact:
    """The name of the route value set all dosages agree on; ``mixed`` if they differ; unusable if not coded so."""
    found: dict[str, Evidence] = {}
    unread = ""
    for dosage in order.dosages():
        concept = node(dosage, "route")
        if not concept:
            continue
        name = next((n for n, vs in declaration.value_sets.items() if vs.match(pairs(concept))), "")
        if name:
            found.setdefault(name, Evidence(f"{order.reference} route", words(concept) or pairs(concept)[0][1]))
        else:
            unread = words(concept) or next((code for _, code in pairs(concept)), "-")
    if unread:
        return Fact.unusable(Reason("routeNotKnown", {"route": unread}))
    if not found:
        return Fact.absent()
    return Fact.of(next(iter(found)) if len(found) == 1 else "mixed", *found.values())


def has_route(declaration: FactDeclaration, order: Order) -> Fact:
    """``present`` if any dosage has a route of the value set."""
    value_set = next(iter(declaration.value_sets.values()))
    for dosage in order.dosages():
        concept = node(dosage, "route")
        if value_set.match(pairs(concept)):
            return Fact.of(PRESENT, Evidence(f"{order.reference} route", words(concept) or pairs(concept)[0][1]))
    return Fact.absent()


def reason(declaration: FactDeclaration, order: Order) -> Fact:
    """``present`` if a reason code of the order is in the value set; ``naming`` as for conditions."""
    value_set = next(iter(declaration.value_sets.values()))
    concepts = nodes(order.resource, "reasonCode")
    concepts += [node(item, "concept") for item in nodes(order.resource, "reason")]
    for concept in concepts:
        known = value_set.match(pairs(concept))
        said = " | ".join([words(concept), *(text(c, "display") for c in nodes(concept, "coding"))]).casefold()
        if known and (not declaration.naming or any(name.casefold() in said for name in declaration.naming)):
            return Fact.of(
                PRESENT,
                Evidence(f"{order.reference} reason", f"{words(concept) or known.display} ({known.code})"),
            )
    return Fact.absent()


# --- dose and schedule of one step ------------------------------------------------------------------------------


def dose(declaration: FactDeclaration, drug: Drug | None, dosage: Node) -> Fact:
    """The amount of drug given at once, in the analyte's unit (D8).

    Volumes, sprays and tablets count only through the strength of a recognised product; units without meaning
    for the drug, and products of unknown strength, make the dose unusable. A range stays a range.
    """
    rates = nodes(dosage, "doseAndRate")
    quantities = [node(rate, "doseQuantity") for rate in rates if node(rate, "doseQuantity")]
    ranges = [node(rate, "doseRange") for rate in rates if node(rate, "doseRange")]
    if not quantities and not ranges:
        older = node(dosage, "doseQuantity")  # Epic's published example puts it here
        quantities = [older] if older else []
    if not quantities and not ranges:
        if "doseAndRate" in dosage or text(dosage, "text"):
            return Fact.unusable(Reason("doseNotReadable"))
        return Fact.absent()
    if len(quantities) + len(ranges) > 1:
        return Fact.unusable(Reason("severalDoses"))
    ends = quantities or [node(ranges[0], "low"), node(ranges[0], "high")]
    read = [_amount(declaration, drug, quantity) for quantity in ends]
    said = "-".join(f"{number_text(q, 'value')} {text(q, 'unit') or text(q, 'code')}".strip() for q in ends)
    evidence = Evidence("dosageInstruction", said[:60])
    for amount in read:
        if isinstance(amount, Reason):
            return Fact.unusable(amount, evidence)
    low, high = read[0], read[-1]
    assert isinstance(low, Interval) and isinstance(high, Interval)  # noqa: S101  (reasons have returned)
    return Fact.of(Interval(low.low, high.high), evidence)


def _amount(declaration: FactDeclaration, drug: Drug | None, quantity: Node) -> Interval | Reason:
    analyte = declaration.analyte
    assert analyte is not None  # noqa: S101  (the schema of facts.yaml demands it)
    value, code, unit = number_text(quantity, "value"), text(quantity, "code"), text(quantity, "unit")
    if not ucum_of(analyte, code) and not ucum_of(analyte, unit) and drug is not None and drug.concept.strength:
        strength = drug.concept.strength
        number = read_number(value)
        if number is not None and number >= 0 and declaration.counted.get(code or unit) == strength.per:
            return Interval.point(number * strength.amount * analyte.factors[strength.unit])
    return read_quantity(analyte, value, code, text(quantity, "system"), unit, text(quantity, "comparator"))


def interval(dosage: Node) -> Fact:
    """Days between doses as a range (D9), from Timing.repeat or Timing.code."""
    timing = node(dosage, "timing")
    repeat = node(timing, "repeat")
    said = Evidence("dosageInstruction", timing_in_words(timing))
    days_of_week = _strings(repeat, "dayOfWeek")
    period = _range(repeat, "period", "periodMax")
    frequency = _range(repeat, "frequency", "frequencyMax")
    unit = _DAYS.get(text(repeat, "periodUnit"))
    if isinstance(period, Reason) or isinstance(frequency, Reason):
        return _UNREADABLE
    if period is not None and unit is not None:
        span = period.times(Interval(*unit))
        times = frequency or Interval.point(1)
        if days_of_week and frequency is None:
            times = Interval.point(len(days_of_week))
        return Fact.of(span.divided_by(times), said) if times.low else _UNREADABLE
    if period is not None or text(repeat, "periodUnit"):
        return _UNREADABLE
    if days_of_week:
        return Fact.of(Interval.point(exact(Fraction(7, len(set(days_of_week))))), said)
    for system, code in pairs(node(timing, "code")):
        if system == GTS and code in _TIMING_CODES:
            return Fact.of(_TIMING_CODES[code], said)
    return _UNREADABLE if timing else Fact.absent()


def daily(dose_fact: Fact, every: Fact) -> Fact:
    """The amount a day: the dose of a step over its interval in days."""
    for fact in (dose_fact, every):
        if not isinstance(fact.value, Interval):
            return fact
    amount, length = dose_fact.value, every.value
    assert isinstance(amount, Interval) and isinstance(length, Interval)  # noqa: S101  (others have returned)
    return Fact.of(amount.divided_by(length), *dose_fact.evidence, *every.evidence)


def days(dosage: Node, zone: tzinfo) -> Fact:
    """How many days the step lasts, from its bounds, or from its count and interval; absent if it is unbounded."""
    repeat = node(node(dosage, "timing"), "repeat")
    bounds = _bounds(repeat, zone)
    if bounds is not None:
        return bounds
    count = _range(repeat, "count", "countMax")
    if isinstance(count, Reason):
        return _UNREADABLE
    if count is None:
        return Fact.absent()
    every = interval(dosage)
    if isinstance(every.value, Interval):
        return Fact.of(count.times(every.value), _length_said(repeat))
    return _UNREADABLE


def doses(dosage: Node, zone: tzinfo) -> Fact:
    """How many doses the step gives, from its count, or from its bounds and interval; absent if it is unbounded."""
    repeat = node(node(dosage, "timing"), "repeat")
    count = _range(repeat, "count", "countMax")
    if isinstance(count, Reason):
        return _UNREADABLE
    if count is not None:
        return Fact.of(count, _length_said(repeat))
    bounds = _bounds(repeat, zone)
    if bounds is None:
        return Fact.absent()
    every = interval(dosage)
    if isinstance(bounds.value, Interval) and isinstance(every.value, Interval):
        return Fact.of(bounds.value.divided_by(every.value), _length_said(repeat))
    return _UNREADABLE


def _bounds(repeat: Node, zone: tzinfo) -> Fact | None:
    """The bounds of a Timing in days; ``None`` if there are none. A start alone bounds nothing."""
    duration = node(repeat, "boundsDuration")
    if duration:
        amount = _duration(duration)
        return _UNREADABLE if amount is None else Fact.of(amount, _length_said(repeat))
    limits = node(repeat, "boundsRange")
    if limits:
        low, high = _duration(node(limits, "low")), _duration(node(limits, "high"))
        return Fact.of(Interval(low.low, high.high), _length_said(repeat)) if low and high else _UNREADABLE
    period = node(repeat, "boundsPeriod")
    if text(period, "end"):
        start, end = read_date(text(period, "start"), zone), read_date(text(period, "end"), zone)
        if start is None or end is None or end.end < start.start:
            return _UNREADABLE
        return Fact.of(Interval.point((end.end - start.start).days), _length_said(repeat))
    return None


def _length_said(repeat: Node) -> Evidence:
    return Evidence("dosageInstruction", length_in_words(repeat))


def _duration(quantity: Node) -> Interval | None:
    number = read_number(number_text(quantity, "value"))
    unit = _DAYS.get(text(quantity, "code") or text(quantity, "unit"))
    return Interval.point(number).times(Interval(*unit)) if number is not None and number > 0 and unit else None


def _range(repeat: Node, low_key: str, high_key: str) -> Interval | Reason | None:
    if low_key not in repeat:
        return None
    low = read_number(number_text(repeat, low_key))
    high = read_number(number_text(repeat, high_key)) if high_key in repeat else low
    if low is None or high is None or low <= 0 or high < low:
        return Reason("scheduleNotReadable")
    return Interval(low, high)


def _strings(parent: Node, key: str) -> list[str]:
    value: Any = parent.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
