"""The events of a timeline, read from FHIR resources as they were sent.

This is the one place that knows how a resource becomes an event of the picture; whoever has events already needs only
``timeline``. Nothing that was sent may break it: what cannot be read becomes an event with a flaw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from math import isfinite
from typing import Any

from cds_service.chart.order import read_order
from cds_service.console.calendar import DosedStep, dosed_steps
from cds_service.console.timeline import Event, Timeline, timeline_of
from cds_service.content.prepared import Prepared
from cds_service.fhir.dates import read_date
from cds_service.fhir.tree import Node, node, nodes, text, words
from cds_service.judge.relevance import is_relevant

LANES = ("Problems", "Procedures", "Orders", "Doses ordered", "Doses given", "Dispensed", "Stated")
_NOT_HAPPENED = ("entered-in-error", "not-done", "cancelled", "declined", "draft")
_ENDED = ("stopped", "completed", "ended")
_HALTED = (*_ENDED, "on-hold")  # the day of the last change is that of the end, or of the hold
_MANY_DOSES = 60
_MOST_ORDERS, _MOST_STEPS = 60, 64  # whose doses are reckoned, so that no record takes long


def sent_resources(body: Any) -> list[Node]:
    """Every resource of the prefetch of a request, each once."""
    prefetch = node(body, "prefetch")
    found: dict[str, Node] = {}
    for key in prefetch:
        answer = node(prefetch, key)
        for resource in [answer, *(node(entry, "resource") for entry in nodes(answer, "entry"))]:
            kind = text(resource, "resourceType")
            if kind and kind != "Bundle":
                found.setdefault(f"{kind}/{text(resource, 'id') or len(found)}", resource)
    return list(found.values())


def drafted(body: Any) -> list[Node]:
    """The draft orders of a request."""
    return [node(entry, "resource") for entry in nodes(node(node(body, "context"), "draftOrders"), "entry")]


def history_of(prepared: Prepared, body: Any, now: datetime) -> Timeline | None:
    """The history of the patient of a request as a picture; ``None`` if nothing of it was sent.

    ``body`` is the request as JSON with its numbers as ``Decimal``, ``now`` the time at which it is answered.
    """
    until = now.astimezone(prepared.zone).date()
    events, left_out = record_events(prepared, sent_resources(body), drafted(body), until)
    return timeline_of("The history of the patient as it was sent", events, until, LANES, left_out)


def record_events(
    prepared: Prepared, resources: Sequence[Node], drafts: Sequence[Node], until: date
) -> tuple[list[Event], list[str]]:
    """The events of a record and of drafts up to the day ``until``, and what is to be said of what is left out.

    ``resources`` are FHIR resources with numbers as ``Decimal``; drugs that the content is not about, or does not know,
    are counted and not drawn.
    """
    reader = _Reader(prepared, resources, until)
    events = [event for resource in resources for event in reader.read(resource)]
    events += [event for draft in drafts for event in reader.draft(draft)]
    return events, list(reader.left_out())


class _Reader:
    """Reads resources one by one."""

    def __init__(self, prepared: Prepared, resources: Sequence[Node], until: date) -> None:
        self._pack, self._zone, self._until = prepared.pack, prepared.zone, until
        self._own_words: Mapping[str, str] = next(
            (fact.schedules for fact in prepared.pack.facts.values() if fact.schedules), {}
        )
        self._medications = {_name(r): r for r in resources if text(r, "resourceType") == "Medication"}
        self._others = self._orders = 0

    def left_out(self) -> Iterator[str]:
        """What was read and made no event."""
        if self._others:
            entries = "1 entry" if self._others == 1 else f"{self._others} entries"
            yield f"Not drawn: {entries} of drugs that the content is not about, or does not know."
        if self._orders > _MOST_ORDERS:
            yield f"Not drawn: the doses ordered by {self._orders - _MOST_ORDERS} of {self._orders} orders."

    def read(self, resource: Node) -> Iterable[Event]:
        """The events of one resource; none of what did not happen, or of a kind that is not drawn."""
        read = _BY_TYPE.get(text(resource, "resourceType"))
        if read is None or text(resource, "status") in _NOT_HAPPENED:
            return ()
        if text(resource, "resourceType").startswith("Medication") and not self._is_ours(resource):
            self._others += 1
            return ()
        return read(self, resource)

    def draft(self, resource: Node) -> Iterator[Event]:
        """A draft order, which stands at the end of the picture."""
        if text(resource, "resourceType") == "MedicationRequest" and self._is_ours(resource):
            yield Event("Orders", f"draft: {self._order_words(resource)}", "draft", _name(resource), self._until)

    def problem(self, resource: Node) -> Iterator[Event]:
        """A problem, from its onset to its abatement."""
        first, flaw = self._day(resource, "onsetDateTime", "onsetPeriod", "recordedDate")
        last, _ = self._day(resource, "abatementDateTime", "abatementPeriod")
        label = words(node(resource, "code")) or "a problem without words"
        yield Event("Problems", label, "problem", _name(resource), first, last, goes_on=last is None, flaw=flaw)

    def procedure(self, resource: Node) -> Iterator[Event]:
        """A procedure, on the day on which it was done."""
        first, flaw = self._day(resource, "performedDateTime", "performedPeriod", "occurrenceDateTime")
        label = words(node(resource, "code")) or "a procedure without words"
        yield Event("Procedures", label, "procedure", _name(resource), first, flaw=flaw)

    def result(self, resource: Node) -> Iterator[Event]:
        """A laboratory result; it is drawn without a number if it has none."""
        first, flaw = self._day(resource, "effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued")
        quantity = node(resource, "valueQuantity")
        value = _number(quantity.get("value"))
        said = " ".join(filter(None, [text(quantity, "comparator"), _said(value), text(quantity, "unit")]))
        said = said or words(node(resource, "valueCodeableConcept")) or text(resource, "valueString") or "no value"
        status = text(resource, "status")
        label = said if status in ("final", "amended", "corrected") else f"{said} ({status or 'no status'})"
        name = words(node(resource, "code")) or "A result without a name"
        lane = ", ".join(filter(None, [name, text(quantity, "unit")]))  # numbers of two units are not joined by a line
        yield Event(lane, label, "result", _name(resource), first, value=value, flaw=flaw)

    def order(self, resource: Node) -> Iterator[Event]:
        """An order over the time that it runs, and the days on which its doses fall due."""
        first, flaw = self._day(resource, "authoredOn")
        name, label, status = _name(resource), self._order_words(resource), text(resource, "status")
        if status and status != "active":
            label = f"{label} ({status})"
        changed, _ = self._day(node(resource, "meta"), "lastUpdated") if status in _HALTED else (None, "")
        steps = self._steps(resource, first, changed)
        ends = [step.end for step in steps[-1:] if step.end is not None]
        ends += [changed] if changed is not None and status in _ENDED else []
        last = min(ends, default=None)
        if last is not None and first is not None:
            last = max(last, first)
        is_over = last is not None and last <= self._until
        goes_on = not is_over and status not in _ENDED
        shown = last if is_over else None
        yield Event("Orders", label, "order", name, first, shown, goes_on=goes_on, flaw=flaw)
        if flaw == "" and first is not None:
            yield from _due(steps, self._order_words(resource), name, min(changed or last or self._until, self._until))

    def given(self, resource: Node) -> Iterator[Event]:
        """A dose that was given."""
        first, flaw = self._day(resource, "effectiveDateTime", "effectivePeriod", "occurenceDateTime")
        dose = node(node(resource, "dosage"), "dose")
        said = " ".join(filter(None, [_said(_number(dose.get("value"))), text(dose, "unit")]))
        label = ", ".join(filter(None, [self._drug(resource), said, words(node(node(resource, "dosage"), "route"))]))
        yield Event("Doses given", label, "dose", _name(resource), first, flaw=flaw)

    def dispensed(self, resource: Node) -> Iterator[Event]:
        """A supply that was handed over."""
        first, flaw = self._day(resource, "whenHandedOver", "whenPrepared")
        yield Event("Dispensed", self._drug(resource), "dispense", _name(resource), first, flaw=flaw)

    def stated(self, resource: Node) -> Iterator[Event]:
        """What somebody said of a treatment, over the time that it is said of."""
        first, flaw = self._day(resource, "effectivePeriod", "effectiveDateTime", "dateAsserted")
        last, _ = self._day({"end": text(node(resource, "effectivePeriod"), "end")}, "end")
        dosage = text(node(resource, "dosage"), "text")
        label = ", ".join(filter(None, [self._drug(resource), dosage, text(resource, "status")]))
        yield Event("Stated", label, "statement", _name(resource), first, last, goes_on=last is None, flaw=flaw)

    def _is_ours(self, resource: Node) -> bool:
        return is_relevant(self._pack, read_order("", resource, self._medications))

    def _drug(self, resource: Node) -> str:
        return read_order("", resource, self._medications).name or "a drug without words"

    def _order_words(self, resource: Node) -> str:
        dosages = [text(dosage, "text") for dosage in nodes(resource, "dosageInstruction")]
        return ", ".join(filter(None, [self._drug(resource), "; ".join(filter(None, dosages))]))

    def _steps(self, resource: Node, first: date | None, halted: date | None) -> list[DosedStep]:
        if first is None or first > self._until:
            return []
        self._orders += 1
        if self._orders > _MOST_ORDERS or len(nodes(resource, "dosageInstruction")) > _MOST_STEPS:
            return []
        until = min(halted or self._until, self._until, date.max - timedelta(days=1)) + timedelta(days=1)
        most = _MANY_DOSES + 1
        return dosed_steps(resource, first, self._zone, self._own_words, until=until, most=most) or []

    def _day(self, resource: Node, *members: str) -> tuple[date | None, str]:
        """The day that the first of the members with a date says, and what is wrong if none can be read."""
        written = ""
        for member in members:
            said = text(node(resource, member), "start") or text(resource, member)
            span = read_date(said, self._zone) if said else None
            if span is not None:
                return span.start.astimezone(self._zone).date(), ""
            written = written or said
        return None, f"its date, {written[:40]!r}, cannot be read" if written else "it has no date"


def _due(steps: Sequence[DosedStep], label: str, name: str, until: date) -> Iterator[Event]:
    """The days on which doses fall due up to ``until``; one period where they are too many to tell apart."""
    days = [day for step in steps for day in step.days if day <= until]
    if len(days) > _MANY_DOSES:
        yield Event("Doses ordered", f"more than {_MANY_DOSES} doses, {label}", "doses", name, days[0], until)
    else:
        yield from (Event("Doses ordered", label, "due", name, day) for day in days)


def _name(resource: Node) -> str:
    return f"{text(resource, 'resourceType')}/{text(resource, 'id') or '-'}"


def _number(value: Any) -> float | None:
    """A JSON number as it can be drawn."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _said(value: float | None) -> str:
    return f"{value:g}" if value is not None else ""


_BY_TYPE: Mapping[str, Callable[[_Reader, Node], Iterable[Event]]] = {
    "Condition": _Reader.problem,
    "Procedure": _Reader.procedure,
    "Observation": _Reader.result,
    "MedicationRequest": _Reader.order,
    "MedicationAdministration": _Reader.given,
    "MedicationDispense": _Reader.dispensed,
    "MedicationStatement": _Reader.stated,
}
