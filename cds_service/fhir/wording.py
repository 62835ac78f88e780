"""A FHIR Dosage in words: "1000 mcg IM every 2 days for 7 doses".

The words are made from the structure, so that the text and the schedule of an order cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cds_service.fhir.quantities import as_range
from cds_service.fhir.schedule_words import WHEN
from cds_service.fhir.tree import Node, node, nodes, number_text, pairs, strings, text, words

_UNITS = {"s": "second", "min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month", "a": "year"}
_ON_DAYS = frozenset(["dayOfWeek", "when", "timeOfDay"])
_MOST_EVENTS = 3  # dates that are listed
_EACH = {"d": "daily", "wk": "weekly", "mo": "monthly", "a": "yearly"}


def dosages_in_words(
    dosages: Sequence[Node],
    amount_of: Callable[[Node], str] | None = None,
    schedule_of: Callable[[Node], str] | None = None,
) -> str:
    """All steps, joined by ``then``; dose and route are repeated only where they change.

    ``amount_of`` is dose and route of a step in words, ``schedule_of`` how often and how long; as they were sent,
    unless they are given.
    """
    amount_of, schedule_of = amount_of or amount_in_words, schedule_of or schedule_in_words
    steps = []
    last = ""
    for dosage in dosages:
        amount = amount_of(dosage)
        steps.append(" ".join(filter(None, ["" if amount == last else amount, schedule_of(dosage)])))
        last = amount
    return ", then ".join(steps)


def amount_in_words(dosage: Node) -> str:
    """The dose, the route and the rate of a step as they were sent."""
    return " ".join(filter(None, [dose_in_words(dosage), words(node(dosage, "route")), rate_in_words(dosage)]))


def timing_in_words(timing: Node) -> str:
    """How often: the rhythm and the days of a Timing, or else the words of its code."""
    repeat = node(timing, "repeat")
    in_words = _rhythm(repeat)
    if "event" in timing or not _ON_DAYS.isdisjoint(repeat):
        in_words = " ".join(filter(None, [in_words, _on_days(timing, repeat)]))
    if in_words:
        return in_words
    code = node(timing, "code")
    return words(code) or next((value for _, value in pairs(code)), "")


def _on_days(timing: Node, repeat: Node) -> str:
    """The days of the week, the days that are listed and the times of the day."""
    days = [*strings(repeat, "dayOfWeek"), *strings(timing, "event")[:_MOST_EVENTS]]
    hours = [WHEN.get(event, event) for event in strings(repeat, "when")]
    hours += [f"at {time.removesuffix(':00')}" for time in strings(repeat, "timeOfDay")]
    return " ".join(filter(None, [f"on {', '.join(days)}" if days else "", " and ".join(hours)]))


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


def rate_in_words(dosage: Node) -> str:
    """How fast a step is given, as it stands behind its dose: ``at 10 mL/h``."""
    rate = rate_as_sent(dosage)
    return f"at {rate}" if rate else ""


def schedule_in_words(dosage: Node) -> str:
    """How often, and for how long."""
    timing = node(dosage, "timing")
    return " ".join(filter(None, [timing_in_words(timing), length_in_words(node(timing, "repeat"))]))


def _rhythm(repeat: Node) -> str:
    unit = text(repeat, "periodUnit")
    times, period = number_text(repeat, "frequency") or "1", _span(repeat, "period", "periodMax")
    if unit not in _UNITS or not period:
        return ""
    if times == "1":
        return _EACH.get(unit, f"every {_UNITS[unit]}") if period == "1" else f"every {period} {_UNITS[unit]}s"
    per = f"a {_UNITS[unit]}" if period == "1" else f"in {period} {_UNITS[unit]}s"
    return f"{times} times {per}"


def length_in_words(repeat: Node) -> str:
    """How long a schedule goes on: its count, its length, or the day it ends."""
    count = _span(repeat, "count", "countMax")
    if count:
        return f"for {count} doses"
    duration = node(repeat, "boundsDuration")
    if duration:
        number = number_text(duration, "value")
        return f"for {number} {_time_unit(duration, is_one=number == '1')}"
    low, high = (node(node(repeat, "boundsRange"), end) for end in ("low", "high"))
    if low and high:
        return f"for {number_text(low, 'value')}-{number_text(high, 'value')} {_time_unit(high)}"
    end = text(node(repeat, "boundsPeriod"), "end")
    return f"until {end}" if end else ""


def _time_unit(quantity: Node, *, is_one: bool = False) -> str:
    """A unit of time in words where its code is known, else as it was sent."""
    known = _UNITS.get(text(quantity, "code"))
    if known is None:
        return text(quantity, "unit") or text(quantity, "code")
    return known if is_one else f"{known}s"


def _span(repeat: Node, low: str, high: str) -> str:
    return "-".join(filter(None, [number_text(repeat, low), number_text(repeat, high)]))


def orders_words(resource: Node) -> str:
    """The dosage of a whole order in words."""
    return dosages_in_words(nodes(resource, "dosageInstruction"))
