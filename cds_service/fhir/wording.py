"""A FHIR Dosage in words: "1000 mcg IM every 2 days for 7 doses".

The words are made from the structure, so that the text and the schedule of an order cannot differ. Which words these
are, whoever asks hands in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from cds_service.fhir.quantities import as_range, grouped
from cds_service.fhir.tree import Node, node, nodes, number_text, pairs, strings, text, words
from cds_service.vocabulary.dosage_words import DosageWords

_ON_DAYS = frozenset(["dayOfWeek", "when", "timeOfDay"])
_MOST_EVENTS = 3  # dates that are listed


def dosages_in_words(
    said: DosageWords,
    dosages: Sequence[Node],
    amount_of: Callable[[Node], str] | None = None,
    schedule_of: Callable[[Node], str] | None = None,
) -> str:
    """All steps, one after the other; dose, route and rate are repeated only where one of them changes.

    ``amount_of`` is dose, route and rate of a step in words, ``schedule_of`` how often and how long; as they were sent,
    unless they are given.
    """
    amount_of = amount_of or partial(amount_in_words, said)
    schedule_of = schedule_of or partial(schedule_in_words, said)
    steps = []
    last = ""
    for dosage in dosages:
        amount = amount_of(dosage)
        steps.append(" ".join(filter(None, ["" if amount == last else amount, schedule_of(dosage)])))
        last = amount
    return said.phrases["then"].join(steps)


def set_texts(said: DosageWords, dosages: Sequence[Node], end: str = "") -> None:
    """Sets the text of each dosage to what its structure says, followed by ``end``; it stays where that is nothing."""
    for dosage in dosages:
        in_words = " ".join(filter(None, [dosages_in_words(said, [dosage]), end]))
        if in_words:
            dosage["text"] = in_words


def amount_in_words(said: DosageWords, dosage: Node) -> str:
    """The dose, the route and the rate of a step as they were sent, but a long number of the dose in groups."""
    number, _, unit = dose_in_words(dosage).partition(" ")
    return " ".join(filter(None, [grouped(number), unit, words(node(dosage, "route")), rate_in_words(said, dosage)]))


def timing_in_words(said: DosageWords, timing: Node) -> str:
    """How often: the rhythm and the days of a Timing, or else the words of its code."""
    repeat = node(timing, "repeat")
    in_words = _rhythm(said, repeat)
    if "event" in timing or not _ON_DAYS.isdisjoint(repeat):
        in_words = " ".join(filter(None, [in_words, _on_days(said, timing, repeat)]))
    if in_words:
        return in_words
    code = node(timing, "code")
    return words(code) or next((value for _, value in pairs(code)), "")


def _on_days(said: DosageWords, timing: Node, repeat: Node) -> str:
    """The days of the week, the days that are listed and the times of the day."""
    days = [said.days.get(day, day) for day in strings(repeat, "dayOfWeek")] + strings(timing, "event")[:_MOST_EVENTS]
    hours = [said.when.get(event, event) for event in strings(repeat, "when")]
    hours += [said.say("at", time=time.removesuffix(":00")) for time in strings(repeat, "timeOfDay")]
    on_days = said.say("on-days", days=", ".join(days)) if days else ""
    return " ".join(filter(None, [on_days, said.phrases["and"].join(hours)]))


def dose_in_words(dosage: Node) -> str:
    """The dose of a step as it was sent, with its unit."""
    return quantity_in_words(node(node(dosage, "doseAndRate"), "doseQuantity"))


def quantity_in_words(quantity: Node) -> str:
    """A number as it was sent, with its unit."""
    return f"{number_text(quantity, 'value')} {text(quantity, 'unit') or text(quantity, 'code')}".strip()


def ratio_in_words(ratio: Node) -> str:
    """A Ratio as it was sent: ``500 mL/4 h``."""
    return "/".join(quantity_in_words(node(ratio, part)) for part in ("numerator", "denominator"))


def rate_as_sent(dosage: Node) -> str:
    """How fast a step is given, as it was sent: ``10 mL/h``, ``500 mL/4 h``; ``""`` where no rate is stated."""
    for holder in (node(dosage, "doseAndRate"), dosage):
        if quantity := node(holder, "rateQuantity"):
            return quantity_in_words(quantity)
        if ratio := node(holder, "rateRatio"):
            return ratio_in_words(ratio)
        if limits := node(holder, "rateRange"):
            return as_range([quantity_in_words(node(limits, end)) for end in ("low", "high")])
    return ""


def rate_in_words(said: DosageWords, dosage: Node) -> str:
    """How fast a step is given, as it stands behind its dose: ``at 10 mL/h``."""
    rate = rate_as_sent(dosage)
    return said.say("rate", rate=rate) if rate else ""


def schedule_in_words(said: DosageWords, dosage: Node) -> str:
    """How often, and for how long."""
    timing = node(dosage, "timing")
    return " ".join(filter(None, [timing_in_words(said, timing), length_in_words(said, node(timing, "repeat"))]))


def how_often_in_words(said: DosageWords, dosage: Node) -> str:
    """How often a step is given: as its Timing has it or, where it has none, as its text says."""
    return timing_in_words(said, node(dosage, "timing")) if dosage.get("timing") else text(dosage, "text")


def how_long_in_words(said: DosageWords, dosage: Node) -> str:
    """How long a step goes on."""
    return length_in_words(said, node(node(dosage, "timing"), "repeat"))


def _rhythm(said: DosageWords, repeat: Node) -> str:
    unit = said.units.get(text(repeat, "periodUnit"))
    times, period = number_text(repeat, "frequency") or "1", _span(repeat, "period", "periodMax")
    if unit is None or not period:
        return ""
    if times == "1":
        return unit.each if period == "1" else said.say("every", number=period, units=unit.many)
    if period == "1":
        return said.say("times", times=times, per=unit.per)
    return said.say("times-in", times=times, number=period, units=unit.many)


def length_in_words(said: DosageWords, repeat: Node) -> str:
    """How long a schedule goes on: its count, its length, or the day it ends."""
    count = _span(repeat, "count", "countMax")
    if count:
        return said.say("dose") if count == "1" else said.say("doses", number=count)
    duration = node(repeat, "boundsDuration")
    if duration:
        number = number_text(duration, "value")
        return said.say("length", number=number, units=_time_unit(said, duration, is_one=number == "1"))
    low, high = (node(node(repeat, "boundsRange"), end) for end in ("low", "high"))
    if low and high:
        number = f"{number_text(low, 'value')}-{number_text(high, 'value')}"
        return said.say("length", number=number, units=_time_unit(said, high))
    end = text(node(repeat, "boundsPeriod"), "end")
    return said.say("until", day=end) if end else ""


def _time_unit(said: DosageWords, quantity: Node, *, is_one: bool = False) -> str:
    """A unit of time in words where its code is known, else as it was sent."""
    known = said.units.get(text(quantity, "code"))
    if known is None:
        return text(quantity, "unit") or text(quantity, "code")
    return known.one if is_one else known.many


def _span(repeat: Node, low: str, high: str) -> str:
    return "-".join(filter(None, [number_text(repeat, low), number_text(repeat, high)]))


def orders_words(said: DosageWords, resource: Node) -> str:
    """The dosage of a whole order in words."""
    return dosages_in_words(said, nodes(resource, "dosageInstruction"))
