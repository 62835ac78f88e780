"""The record of the patient of a course: what is dated up to a moment, and how each thing that is recorded joins it.

Everything raises ``ValueError`` with a sentence for who wrote the course.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any

from cds_service.replay.scenario import dated, merged
from cds_service.replay.short_forms import DOSE_KEYS, ShortForms

_MOST_DOSES = 400
_LONGEST_ID = 64
_NOON = "12:00"
_KNOWN_FROM = (
    "authoredOn",
    "recordedDate",
    "recorded",
    "issued",
    "effectiveDateTime",
    "performedDateTime",
    "whenHandedOver",
    "dateAsserted",
    "onsetDateTime",
)
_PERIODS = ("effectivePeriod", "performedPeriod")


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happens: its day, its time as written (``""`` for none), and its place in the course.

    A hook without a time fires at noon in UTC.
    """

    day: date
    time: str
    index: int

    def stamp(self, days: int = 0) -> str:
        """The FHIR dateTime of this moment, or of so many days later: a day alone where no time is written."""
        day = (self.day + timedelta(days=days)).isoformat()
        return f"{day}T{self.time}:00Z" if self.time else day

    def instant(self) -> datetime:
        """The moment as a time."""
        return datetime.combine(self.day, time_of_day.fromisoformat(self.time or _NOON), UTC)


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """A resource as it is from a moment on; of one day, ``index`` says what was written down first."""

    day: date
    time: str
    index: int
    resource: Mapping[str, Any]

    def is_known_at(self, moment: Moment) -> bool:
        """Whether it was on record by then: it stands above the moment and is not dated after it."""
        if self.day != moment.day:
            return self.day < moment.day
        return self.index < moment.index and self.time <= (moment.time or _NOON)


class Record:
    """The record of ``patient``; it begins with what ``resources`` say, each from the day on which it was known."""

    def __init__(self, forms: ShortForms, patient: str, resources: Iterable[Mapping[str, Any]]) -> None:
        self.forms = forms
        self.patient = patient
        self._entries = [RecordEntry(known_from(resource), "", -1, resource) for resource in resources]
        self._numbers: Counter[str] = Counter()
        self._orders: dict[str, str] = {}

    def add(self, moment: Moment, resource: Mapping[str, Any], days: int = 0) -> None:
        """Adds a resource, or another version of it, from a moment on, or from so many days later on."""
        self._entries.append(RecordEntry(moment.day + timedelta(days=days), moment.time, moment.index, resource))

    def at(self, moment: Moment) -> list[Mapping[str, Any]]:
        """The resources as they are at a moment: nothing that is dated later, or written down below it."""
        known = [entry for entry in self._entries if entry.is_known_at(moment)]
        newest = {reference(e.resource): e.resource for e in sorted(known, key=lambda e: (e.day, e.index))}
        return list(newest.values())

    def latest(self) -> date:
        """The day of the latest entry that a moment made."""
        return max((entry.day for entry in self._entries if entry.index >= 0), default=date.min)

    def identified(self, words: str) -> str:
        """A new id of the patient for what ``words`` name; the same course gives the same ids."""
        slug = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
        self._numbers[slug] += 1
        return self._checked(f"{self.patient}-{slug}-{self._numbers[slug]}")

    def name_order(self, name: str) -> str:
        """The id of a new order that the course calls ``name``."""
        if name in self._orders:
            raise ValueError(f"two orders are named {name!r}")
        identifier = self._checked(f"{self.patient}-{name}")
        self._orders[name] = f"MedicationRequest/{identifier}"
        return identifier

    def order(self, name: str, moment: Moment) -> Mapping[str, Any]:
        """The order of that name as it is at a moment."""
        wanted = self._orders.get(name)
        found = [r for r in self.at(moment) if name in (r["id"], _short(r)) or wanted == reference(r)]
        orders = [resource for resource in found if resource["resourceType"] == "MedicationRequest"]
        if not orders:
            raise ValueError(f"no order {name!r} is on record by then; there are {', '.join(self._orders) or 'none'}")
        return orders[0]

    def complete_renewed(self, moment: Moment, order: Mapping[str, Any]) -> None:
        """Completes the order on record that a signed one renews."""
        renewed = order.get("priorPrescription", {}).get("reference")
        for resource in self.at(moment):
            if reference(resource) == renewed:
                self.add(moment, merged(dict(resource), self.forms.plain("completed", _dated(moment))))

    def newest(self, name: str, moment: Moment) -> Mapping[str, Any]:
        """The newest problem of that short name."""
        code = self.forms.named("problem", name, {})["code"]
        found = [r for r in self.at(moment) if r["resourceType"] == "Condition" and r["code"] == code]
        if not found:
            raise ValueError(f"the problem {name!r} is not on record by then")
        return found[-1]

    def _checked(self, identifier: str) -> str:
        if len(identifier) > _LONGEST_ID or not re.fullmatch(r"[A-Za-z0-9.-]+", identifier):
            raise ValueError(f"{identifier!r} would be no id of FHIR: at most 64 letters, digits, - and .")
        return identifier


def reference(resource: Mapping[str, Any]) -> str:
    """``Type/id``."""
    return f"{resource['resourceType']}/{resource['id']}"


def _short(resource: Mapping[str, Any]) -> str:
    """The id of a resource without that of its patient, by which files of patients are named in a course."""
    subject = str(resource.get("subject", {}).get("reference", "")).partition("/")[2]
    return str(resource["id"]).removeprefix(f"{subject}-")


def known_from(resource: Mapping[str, Any]) -> date:
    """The day from which a resource was on record: the latest of the days that it says itself, else any day."""
    said = [resource.get(member) for member in _KNOWN_FROM]
    said += [resource[member].get("start") for member in _PERIODS if isinstance(resource.get(member), dict)]
    days = [date.fromisoformat(text[:10]) for text in said if isinstance(text, str) and len(text) >= 10]
    return max(days, default=date.min)


def record_moment(record: Record, moment: Moment, said: Mapping[str, Any]) -> None:
    """Adds to the record whatever a moment records: each key of ``RECORDED`` that it has."""
    for key, write in RECORDED.items():
        if key in said:
            for item in said[key] if isinstance(said[key], list) else [said[key]]:
                write(record, moment, item, said)


def _named(kind: str) -> Callable[[Record, Moment, Any, Mapping[str, Any]], None]:
    def write(record: Record, moment: Moment, name: Any, said: Mapping[str, Any]) -> None:
        values = {"patient": record.patient, "day": moment.stamp()}
        _add_named(record, moment, kind, name, values, said)

    return write


def _add_named(
    record: Record, moment: Moment, kind: str, name: Any, values: Mapping[str, Any], said: Mapping[str, Any]
) -> None:
    resource = record.forms.named(kind, name, values)
    resource["id"] = record.identified(str(name))
    record.add(moment, _with(resource, said, moment))


def _result(record: Record, moment: Moment, results: Any, said: Mapping[str, Any]) -> None:
    if not isinstance(results, dict):
        raise ValueError("a result is written as its name and its value: {name: number unit}")
    for name, text in results.items():
        values = {"patient": record.patient, "day": moment.stamp(), **record.forms.result(str(text))}
        _add_named(record, moment, "result", name, values, said)


def _given(record: Record, moment: Moment, item: Any, said: Mapping[str, Any]) -> None:
    for days in _days(said):
        values = _of_drug(record, moment, item) | {"day": moment.stamp(days)}
        resource = {**record.forms.plain("given", values), "id": record.identified("dose")}
        record.add(moment, _with(resource, said, moment), days)


def _dispensed(record: Record, moment: Moment, item: Any, said: Mapping[str, Any]) -> None:
    resource = record.forms.plain("dispensed", _of_drug(record, moment, item) | {"day": moment.stamp()})
    resource["id"] = record.identified("dispense")
    record.add(moment, _with(resource, said, moment))


def _stated(record: Record, moment: Moment, item: Any, said: Mapping[str, Any]) -> None:
    values = _of_drug(record, moment, item, ("since", "until", "status"))
    values |= {"day": moment.stamp(), "status": values.get("status") or ("completed" if "until" in item else "active")}
    resource = {**record.forms.plain("stated", values), "id": record.identified("statement")}
    record.add(moment, _with(resource, said, moment))


def _of_drug(record: Record, moment: Moment, item: Any, more: Sequence[str] = ()) -> dict[str, Any]:
    """What fills a dose: of an order on record by its name, or of a drug with its dose and route."""
    if isinstance(item, str) and not more:
        order = record.order(item, moment)
        first: Mapping[str, Any] = next(iter(order.get("dosageInstruction", [])), {})
        rate: Mapping[str, Any] = next(iter(first.get("doseAndRate", [])), {})
        values = {"drug": order.get("medicationCodeableConcept"), "order": reference(order), "dosage": first or None}
        return values | {"route": first.get("route"), "dose": rate.get("doseQuantity"), "patient": record.patient}
    if not isinstance(item, dict) or "drug" not in item:
        raise ValueError("a dose, a dispense or a statement names an order, or its drug as {drug: name}")
    only(item, ("drug", *DOSE_KEYS, *more), "what is said of a drug")
    forms = record.forms
    values = {"drug": forms.drug(item["drug"]), "dosage": forms.dosage(item), "patient": record.patient}
    values |= {"route": forms.route(item.get("route")), "dose": forms.dose(item.get("dose"))}
    return values | {key: item[key] for key in more if key in item}


def _days(said: Mapping[str, Any]) -> Iterator[int]:
    """The days of doses, from that of the moment: ``days`` themselves, or ``times`` and every how many days."""
    days = said.get("days")
    if days is None:
        times, every = said.get("times", 1), said.get("every", 1)
        if not isinstance(times, int) or not isinstance(every, int) or not 1 <= times <= _MOST_DOSES or every < 1:
            raise ValueError("times and every are whole numbers: so many doses, every so many days")
        days = range(0, times * every, every)
    elif not isinstance(days, list) or not all(isinstance(day, int) and day >= 0 for day in days):
        raise ValueError("days are whole numbers of days from that of the moment, such as [0, 2, 4]")
    return iter(days)


def _ordered(record: Record, moment: Moment, item: Any, said: Mapping[str, Any]) -> None:
    if not isinstance(item, dict) or "drug" not in item:
        raise ValueError("an order of others names its drug as {drug: name}")
    resource = record.forms.plain("ordered", _of_drug(record, moment, item))
    sign(record, moment, _with(resource, said, moment), said.get("name", "") or item["drug"].replace(" ", "-"))


def sign(record: Record, moment: Moment, order: Mapping[str, Any], name: str) -> None:
    """Adds an order that was signed at a moment; ``name`` is what the course calls it from then on."""
    signed = record.forms.plain("signed", {"day": moment.stamp()})
    resource = {**order, **signed, "id": record.name_order(name)}
    record.add(moment, resource)


def change(record: Record, moment: Moment, order: Mapping[str, Any]) -> None:
    """Adds the new version of an order on record that was signed again; one that it stops is stopped from then on."""
    status = order.get("status")
    known = status in ("stopped", "completed", "on-hold")
    ended = record.forms.plain(str(status), _dated(moment)) if known else {}
    record.add(moment, merged(dict(order), ended))


def _dated(moment: Moment) -> dict[str, str]:
    return {"day": moment.stamp(), "instant": f"{moment.day.isoformat()}T00:00:00Z"}


def _changed(kind: str) -> Callable[[Record, Moment, Any, Mapping[str, Any]], None]:
    """How an order on record is stopped, completed or held, or a problem resolved."""

    def write(record: Record, moment: Moment, name: Any, said: Mapping[str, Any]) -> None:
        resource = record.newest(name, moment) if kind == "resolved" else record.order(str(name), moment)
        changed = merged(resource, record.forms.plain(kind, _dated(moment)))
        record.add(moment, _with(changed, said, moment))

    return write


def _whole(record: Record, moment: Moment, item: Any, said: Mapping[str, Any]) -> None:
    resource = dated(item, moment.instant())
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str) or "id" not in resource:
        raise ValueError("what is added is a whole resource with its resourceType and id")
    record.add(moment, resource)


def _with(resource: Mapping[str, Any], said: Mapping[str, Any], moment: Moment) -> dict[str, Any]:
    changed: dict[str, Any] = merged(dict(resource), dated(said.get("with", {}), moment.instant()))
    return changed


def only(said: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    """Refuses a key that is not known, which would have no effect."""
    known = list(known)
    for key in said:
        if key not in known:
            raise ValueError(f"{key!r} is not known in {what}; known are {', '.join(known)}")


RECORDED: Mapping[str, Callable[[Record, Moment, Any, Mapping[str, Any]], None]] = {
    "problem": _named("problem"),
    "procedure": _named("procedure"),
    "allergy": _named("allergy"),
    "result": _result,
    "ordered": _ordered,
    "given": _given,
    "dispensed": _dispensed,
    "stated": _stated,
    "stopped": _changed("stopped"),
    "completed": _changed("completed"),
    "on-hold": _changed("on-hold"),
    "resolved": _changed("resolved"),
    "add": _whole,
}
