"""The closed list of what a de-identified recording keeps: the elements that are read, each with how it is written.

What is not listed here is left out and only counted. Nothing of a value is kept but what its rule makes of it: a word
of a closed list, a date that was moved, a rounded number, the place of an id among the others. A value of another JSON
type than FHIR gives the element stays one, without what it says, because it is read as a fault.

The lists follow the structures of ``fhir.lenient``, ``fhir.treatments`` and ``fhir.strict``; tests hold them to these.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from cds_service.chart import statuses
from cds_service.fhir import strict
from cds_service.fhir.flags import OTHER_FLAGS
from cds_service.fhir.schedule_words import DAYS_OF_WEEK, UNITS, WHEN
from cds_service.fhir.tree import Node, node, nodes, text, texts
from cds_service.recording.canonical import (
    OTHER,
    OTHER_SYSTEM,
    Canonical,
    Words,
    rounded,
    rounded_text,
    unit_of_time,
    unit_system,
)
from cds_service.recording.moves import Moves

_REFERENCE = re.compile(r"(?:^|/)([A-Za-z]+)/([^/]+?)(?:/_history/[^/]*)?$")
_UUID = "urn:uuid:"


@dataclass(slots=True)
class Rewriter:
    """Writes the elements of one request.

    ``patient`` is the id of its patient and ``new_patient`` the one that is written; ``ids`` are the others of the
    request, each with the one that is written. ``dropped`` counts what was left out, by kind.
    """

    canonical: Canonical
    moves: Moves
    patient: str
    new_patient: str
    ids: Mapping[str, str]
    dropped: Counter[str] = field(default_factory=Counter)
    units: dict[str, str] = field(default_factory=dict)
    identifiers: dict[str, str] = field(default_factory=dict)

    def id(self, sent: str) -> str:
        """The new id of a resource."""
        return self.new_patient if sent == self.patient else self.ids.get(sent, OTHER) if sent else ""

    def reference(self, sent: str) -> str:
        """A reference with the new id: relative, contained, by ``urn:uuid:``, or as an id alone."""
        if sent.startswith("#"):
            return f"#{self.id(sent[1:])}"
        if sent.startswith(_UUID):
            return f"{_UUID}{self.id(sent.removeprefix(_UUID))}"
        match = _REFERENCE.search(sent)
        return f"{kind_of(match[1])}/{self.id(match[2])}" if match else self.id(sent)

    def unknown_unit(self, spelling: str) -> str:
        """A unit that nobody reads: the same for the same spelling."""
        self.dropped["unit"] += 1
        return self.units.setdefault(spelling, f"{OTHER} {len(self.units) + 1}")

    def identifier(self, sent: str) -> str:
        """A part of a business identifier: the same for the same text."""
        return self.identifiers.setdefault(sent, f"{OTHER}-{len(self.identifiers) + 1}")


def identity_in(reference: str) -> str:
    """The id in a reference of any of the forms that ``Rewriter.reference`` writes."""
    if reference.startswith("#"):
        return reference[1:]
    if reference.startswith(_UUID):
        return reference.removeprefix(_UUID)
    match = _REFERENCE.search(reference)
    return match[2] if match else reference


Rule = Callable[[Rewriter, Any], Any]


def neutral(value: Any) -> Any:
    """A value of the same JSON type that says nothing."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return OTHER if value.strip() else ""
    return {} if isinstance(value, dict) else [] if isinstance(value, list) else 0


# --- rules for single values


def _of_strings(write: Callable[[Rewriter, str], str]) -> Rule:
    """A rule for a string or a list of them."""

    def rule(by: Rewriter, value: Any) -> Any:
        if isinstance(value, list):
            return [rule(by, item) for item in value]
        return write(by, value) if isinstance(value, str) else neutral(value)

    return rule


def _word(known: Container[str], *, folded: bool = False) -> Rule:
    """A word of a closed list; any other becomes ``OTHER``."""

    def write(by: Rewriter, sent: str) -> str:
        read = sent.casefold() if folded else sent
        if read in known:
            return read
        by.dropped["word"] += 1
        return OTHER if sent.strip() else ""

    return _of_strings(write)


def _date_of(by: Rewriter, sent: str) -> str:
    written = by.moves.written(sent)
    by.dropped["date"] += written == OTHER
    return written


def _unit_of_period(by: Rewriter, sent: str) -> str:
    """A unit of Timing. Another spelling than FHIR's becomes another one than FHIR's, because that is not valid R4."""
    code = unit_of_time(sent)
    if not code:
        by.dropped["unit"] += 1
        return OTHER if sent.strip() else ""
    return code if sent == code else next(word for word, meant in UNITS.items() if meant == code and word != code)


def _schedule_text(by: Rewriter, sent: str) -> str:
    return by.canonical.text(by.canonical.schedules, sent)


_id = _of_strings(Rewriter.id)
_reference_text = _of_strings(Rewriter.reference)
_date = _of_strings(_date_of)
_birth_date = _of_strings(lambda by, sent: by.moves.birth_date(sent))
_number_text = _of_strings(lambda _, sent: rounded_text(sent))


def _type(by: Rewriter, value: Any) -> Any:
    return kind_of(value) if isinstance(value, str) else neutral(value)


def _flag(_: Rewriter, value: Any) -> Any:
    return neutral(value)


def _there(_: Rewriter, value: Any) -> Any:
    """What only matters for being there."""
    return neutral(value)


def _modifier(_: Rewriter, value: Any) -> Any:
    return [{"url": OTHER_SYSTEM}] if value else neutral(value)


def _number(by: Rewriter, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return _number_text(by, value)
    return rounded(Decimal(str(value)) if isinstance(value, float) else value)


def _sequence(_: Rewriter, value: Any) -> Any:
    """A place among the steps of a dosage: no order has more than two digits of them."""
    if isinstance(value, bool) or not isinstance(value, int):
        return neutral(value)
    return max(-1, min(value, _MOST_STEPS))


_MOST_STEPS = 99


def _times_of_day(by: Rewriter, value: Any) -> Any:
    """Times of day, of which only the number of different ones is read."""
    if not isinstance(value, list):
        return _times_of_day(by, [value])[0] if isinstance(value, str) else neutral(value)
    known = sorted({item for item in value if isinstance(item, str) and _TIME_OF_DAY.fullmatch(item)})
    hours = {item: f"{place // _MINUTES:02}:{place % _MINUTES:02}:00" for place, item in enumerate(known)}
    return [hours.get(item, OTHER) if isinstance(item, str) else neutral(item) for item in value]


_TIME_OF_DAY = re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?")
_MINUTES = 60


# --- rules for objects


def _object(members: Mapping[str, Rule], r4: type[msgspec.Struct] | None = None) -> Rule:
    """An object, or a list of them, with no other members than those listed.

    ``r4`` is what a draft must be like so that it can be given back (Z24): where it was not, it is not afterwards.
    """

    def rule(by: Rewriter, value: Any) -> Any:
        if isinstance(value, list):
            return [rule(by, item) for item in value]
        if not isinstance(value, dict):
            return neutral(value)
        kept = {name: write(by, value[name]) for name, write in members.items() if name in value}
        by.dropped["element"] += len(value) - len(kept)
        if value and not kept:
            kept = {list(members)[-1]: None}  # an empty object would be as if there were none
        if r4 is not None and _is_invalid(value, kept, r4):
            kept[OTHER] = True
        return kept

    return rule


def _is_invalid(sent: Node, kept: Node, r4: type[msgspec.Struct]) -> bool:
    """Whether a member of an object is not valid R4 and what is kept of it would be."""
    fields = _types_of(r4)
    for name, value in sent.items():
        if name in _MENDED or (name[:1] == "_" and name[1:] in fields):
            continue
        if name not in fields:
            if name not in kept:
                return True
        elif not _fits(_as_mended(name, value), fields[name]) and (name not in kept or _fits(kept[name], fields[name])):
            return True
    return False


@cache
def _types_of(r4: type[msgspec.Struct]) -> Mapping[str, Any]:
    return {each.encode_name: each.type for each in msgspec.structs.fields(r4)}


# Elements of which a wrong value is left out of what is given back, so that it does no harm.
_MENDED = frozenset({*strict.DATES, "start", "end", "substitution"})
_SUPPLY = ("quantity", "expectedSupplyDuration", "numberOfRepeatsAllowed")


def _as_mended(name: str, value: Any) -> Any:
    if name in strict.REPEATING and isinstance(value, dict):
        return [value]
    if name == "dispenseRequest" and isinstance(value, dict):
        return {key: item for key, item in value.items() if key not in _SUPPLY}
    return value


def _fits(value: Any, expected: Any) -> bool:
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError:
        return False
    return True


def _quantity(unit: Callable[[Rewriter, str], str], r4: type[msgspec.Struct] | None = None) -> Rule:
    spelled = _of_strings(unit)
    members: Mapping[str, Rule] = {
        "value": _number,
        "unit": spelled,
        "code": spelled,
        "system": _of_strings(lambda _, sent: unit_system(sent)),
        "comparator": _word({"<", "<=", "=", ">=", ">"}),
    }
    return _object(members, r4)


def _unit(by: Rewriter, sent: str) -> str:
    if not sent.strip():
        return sent and " "
    return by.canonical.unit(sent) or by.unknown_unit(sent)


def _unit_of_time(by: Rewriter, sent: str) -> str:
    return (unit_of_time(sent) or by.unknown_unit(sent)) if sent.strip() else ""


def _concept(
    words: Callable[[Canonical], Words], flags: frozenset[str] = frozenset(), *, of_schedule: bool = False
) -> Callable[[bool], Rule]:
    """A CodeableConcept whose texts are read by ``words``; the rule for drafts if asked for it with ``True``."""

    def made(draft: bool) -> Rule:
        def coding(by: Rewriter, value: Any, beside: str) -> Any:
            if isinstance(value, list):
                return [coding(by, item, beside) for item in value]
            if not isinstance(value, dict):
                return neutral(value)
            kept = _coding(by, value, beside, words(by.canonical), flags, of_schedule=of_schedule)
            by.dropped["element"] += len(value.keys() - kept.keys())
            if value and not kept:
                kept = {"display": None}
            if draft and _is_invalid(value, kept, strict.R4Coding):
                kept[OTHER] = True
            return kept

        def rule(by: Rewriter, value: Any) -> Any:
            if isinstance(value, list):
                return [rule(by, item) for item in value]
            if not isinstance(value, dict):
                return neutral(value)
            beside = " | ".join([text(value, "text"), *(text(item, "display") for item in nodes(value, "coding"))])
            kept: dict[str, Any] = {}
            if "coding" in value:
                kept["coding"] = coding(by, value["coding"], beside)
            if "text" in value:
                kept["text"] = _text(by, value["text"], words(by.canonical))
            by.dropped["element"] += len(value) - len(kept)
            if value and not kept:
                kept = {"text": None}
            if draft and _is_invalid(value, kept, strict.R4CodeableConcept):
                kept[OTHER] = True
            return kept

        return rule

    return made


def _coding(
    by: Rewriter, value: Node, beside: str, words: Words, flags: frozenset[str], *, of_schedule: bool
) -> dict[str, Any]:
    """A coding with what stands for its system, its code and its words."""
    kept: dict[str, Any] = {}
    for name in ("system", "code"):
        if name in value:
            kept[name] = neutral(value[name])
    if "display" in value:
        kept["display"] = _text(by, value["display"], words)
    system, code = text(value, "system"), text(value, "code")
    if system and code:
        kept["system"], kept["code"] = by.canonical.coding(system, code, flags)
        by.dropped["code"] += kept["code"] != code and not by.canonical.is_known(system, code)
        in_words = by.canonical.form_at_site(system, code) if of_schedule else ""
        if in_words:
            kept |= {"system": OTHER_SYSTEM, "code": OTHER, "display": in_words}
    elif code.strip():
        needed = by.canonical.without_system(code, beside)
        kept["code"] = code if needed is not None else by.canonical.text(words, code)
        if needed:
            kept["display"] = needed
    elif system:
        kept["system"] = by.canonical.coding(system, OTHER)[0]
    return kept


def _text(by: Rewriter, value: Any, words: Words) -> Any:
    if not isinstance(value, str):
        return neutral(value)
    kept = by.canonical.text(words, value)
    by.dropped["text"] += kept == OTHER
    return kept


def _status(known: frozenset[str]) -> Rule:
    """A status as a CodeableConcept, or as the code alone (STU3)."""

    def write(by: Rewriter, sent: str) -> str:
        read = "-".join(sent.casefold().split())
        if read in known:
            return read
        by.dropped["word"] += 1
        return OTHER if sent.strip() else ""

    word = _of_strings(write)
    concept = _object({"coding": _object({"system": _system_of_status, "code": word, "display": word}), "text": word})

    def rule(by: Rewriter, value: Any) -> Any:
        return concept(by, value) if isinstance(value, dict) else word(by, value)

    return rule


def _system_of_status(by: Rewriter, value: Any) -> Any:
    return by.canonical.coding(value, OTHER)[0] if isinstance(value, str) and value else neutral(value)


# --- the elements that several resources have

_drug, _drug_of_draft = (_concept(lambda words: words.drugs)(draft) for draft in (False, True))
_vaccine = _concept(lambda words: words.given)(False)
_result = _concept(lambda words: words.results)(False)
_route, _route_of_draft = (_concept(lambda words: words.routes)(draft) for draft in (False, True))
_frequency, _frequency_of_draft = (
    _concept(lambda words: words.schedules, of_schedule=True)(draft) for draft in (False, True)
)
_reason_of_draft = _concept(lambda words: words.reasons)(True)
_interpretation = _concept(lambda words: words.flags, OTHER_FLAGS)(False)


def _listed(resource: str) -> Rule:
    return _concept(lambda words: words.lists[resource])(False)


def _named(by: Rewriter, value: Any) -> Any:
    """The words of a reference that name a drug."""
    return _text(by, value, by.canonical.drugs)


_reference = _object({"reference": _reference_text})
_reference_of_draft = _object({"reference": _reference_text}, strict.R4Reference)
_reference_by_name = _object({"reference": _reference_text, "display": _named})
_period = _object({"start": _date, "end": _date})
_amount = _quantity(_unit)
_range = _object({"low": _amount, "high": _amount})
_modern_drug = _object({"concept": _drug, "reference": _reference_by_name})
_identifier = _object({"system": _of_strings(Rewriter.identifier), "value": _of_strings(Rewriter.identifier)})
_identifier_of_draft = _object(
    {"system": _of_strings(Rewriter.identifier), "value": _of_strings(Rewriter.identifier)}, strict.R4Identifier
)


def _dosage(draft: bool) -> Mapping[str, Rule]:
    """The members of a dosage; as R4 has them in a draft."""

    def r4(struct: type[msgspec.Struct]) -> type[msgspec.Struct] | None:
        return struct if draft else None

    amount, length = _quantity(_unit, r4(strict.R4Quantity)), _quantity(_unit_of_time, r4(strict.R4Quantity))
    limits = _object({"low": amount, "high": amount}, r4(strict.R4Range))
    repeat = {
        "boundsDuration": length,
        "boundsRange": _object({"low": length, "high": length}, r4(strict.R4Range)),
        "boundsPeriod": _object({"start": _date, "end": _date}, r4(strict.R4Period)),
        **dict.fromkeys(("count", "countMax", "frequency", "frequencyMax", "period", "periodMax"), _number),
        "periodUnit": _of_strings(_unit_of_period),
        "dayOfWeek": _word(DAYS_OF_WEEK, folded=True),
        "timeOfDay": _times_of_day,
        "when": _word(WHEN),
    }
    timing = {
        "event": _date,
        "repeat": _object(repeat, r4(strict.R4Repeat)),
        "code": _frequency_of_draft if draft else _frequency,
    }
    return {
        "sequence": _sequence,
        "timing": _object(timing, r4(strict.R4Timing)),
        "route": _route_of_draft if draft else _route,
        "doseAndRate": _object({"doseQuantity": amount, "doseRange": limits}, r4(strict.R4DoseAndRate)),
        "doseQuantity": amount,
        "doseSimpleQuantity": _there,
        "doseRange": _there,
        "text": _of_strings(_schedule_text),
    }


_dosages = _object(_dosage(draft=False))
_given = _object({**_dosage(draft=False), "dose": _amount})

_OF_RESULT: Mapping[str, Rule] = {
    "code": _result,
    "valueQuantity": _amount,
    "valueRange": _range,
    "valueString": _number_text,
    "valueInteger": _number,
    "interpretation": _interpretation,
    "referenceRange": _object({"low": _amount}),
}
_DATED: Mapping[str, Rule] = {"effectiveDateTime": _date, "effectivePeriod": _period}


def _resource(known: Container[str]) -> Mapping[str, Rule]:
    return {
        "resourceType": _type,
        "id": _id,
        "status": _word(known),
        "subject": _reference,
        "modifierExtension": _modifier,
    }


def _listed_resource(resource: str) -> Mapping[str, Rule]:
    return {
        **_resource(statuses.EVENT_STATUSES),
        "clinicalStatus": _status(statuses.CLINICAL),
        "verificationStatus": _status(statuses.VERIFICATION),
        "code": _listed(resource),
        "recordedDate": _date,
    }


def _contained(by: Rewriter, value: Any) -> Any:
    """Contained resources, each by its own list."""
    if not isinstance(value, list):
        return neutral(value)
    return [by_type(by, item) if isinstance(item, dict) else neutral(item) for item in value]


_MEDICATED: Mapping[str, Rule] = {
    "medicationCodeableConcept": _drug,
    "medicationReference": _reference_by_name,
    "medication": _modern_drug,
    "contained": _contained,
}
_ingredient = _object(
    {
        "itemCodeableConcept": _drug,
        "itemReference": _reference_by_name,
        "item": _modern_drug,
        "isActive": _flag,
    }
)
# https://hl7.org/fhir/R5/codesystem-medication-statement-adherence.html
_ADHERENCE = frozenset(
    f"{begin}{end}"
    for begin, ends in (
        ("taking", ("", "-as-directed", "-not-as-directed")),
        ("on-hold", ("", "-as-directed", "-not-as-directed")),
        ("stopped", ("", "-as-directed", "-not-as-directed")),
        ("not-taking", ("",)),
        ("unknown", ("",)),
    )
    for end in ends
)
_adherence = _object({"code": _status(_ADHERENCE)})
# https://hl7.org/fhir/R4/valueset-medicationrequest-intent.html
_INTENTS = frozenset(
    {
        *("proposal", "plan", "order", "original-order", "reflex-order", "filler-order", "instance-order", "option"),
    }
)
_GENDERS = frozenset(
    {"male", "female", "other", "unknown"}
)  # https://hl7.org/fhir/R4/valueset-administrative-gender.html

ELEMENTS: Mapping[str, Mapping[str, Rule]] = {
    "Patient": {"resourceType": _type, "id": _id, "birthDate": _birth_date, "gender": _word(_GENDERS)},
    "Observation": {
        **_resource(statuses.RESULT_STATUSES),
        **_OF_RESULT,
        **_DATED,
        "effectiveInstant": _date,
        "issued": _date,
        "component": _object(_OF_RESULT),
        "contained": _contained,
    },
    "DiagnosticReport": {**_resource(statuses.RESULT_STATUSES), **_DATED, "issued": _date, "contained": _contained},
    "Condition": {
        **_listed_resource("Condition"),
        "onsetDateTime": _date,
        "onsetPeriod": _period,
        "abatementDateTime": _date,
        "abatementPeriod": _period,
        **dict.fromkeys(("abatementAge", "abatementRange", "abatementString", "abatementBoolean"), _there),
    },
    "AllergyIntolerance": {
        **_listed_resource("AllergyIntolerance"),
        "patient": _reference,
        "reaction": _object({"substance": _listed("AllergyIntolerance")}),
    },
    "Procedure": {
        **_resource(statuses.EVENT_STATUSES),
        "code": _listed("Procedure"),
        "performedDateTime": _date,
        "performedPeriod": _period,
        "occurrenceDateTime": _date,
        "occurrencePeriod": _period,
    },
    "MedicationRequest": {
        **_resource(statuses.REQUEST_STATUSES),
        **_MEDICATED,
        "intent": _word(_INTENTS),
        "doNotPerform": _flag,
        "authoredOn": _date,
        "reportedBoolean": _flag,
        "reportedReference": _there,
        "reported": _flag,
        "identifier": _identifier,
        "basedOn": _reference,
        "priorPrescription": _reference,
        "dosageInstruction": _dosages,
    },
    "MedicationDispense": {
        **_resource(statuses.DISPENSE_STATUSES),
        **_MEDICATED,
        "whenHandedOver": _date,
        "whenPrepared": _date,
        "authorizingPrescription": _reference,
        "dosageInstruction": _dosages,
    },
    "MedicationAdministration": {
        **_resource(statuses.EVENT_STATUSES),
        **_MEDICATED,
        **_DATED,
        "occurenceDateTime": _date,
        "occurencePeriod": _period,
        "request": _reference,
        "dosage": _given,
    },
    "MedicationStatement": {
        **_resource(statuses.STATEMENT_STATUSES),
        **_MEDICATED,
        **_DATED,
        "dateAsserted": _date,
        "basedOn": _reference,
        "derivedFrom": _reference,
        "adherence": _adherence,
        "dosage": _dosages,
    },
    "Immunization": {
        "resourceType": _type,
        "id": _id,
        "status": _word(statuses.EVENT_STATUSES),
        "vaccineCode": _vaccine,
        "patient": _reference,
    },
    "Medication": {"resourceType": _type, "id": _id, "code": _drug, "ingredient": _ingredient},
    "OperationOutcome": {
        "resourceType": _type,
        "issue": _object({"severity": _word({"fatal", "error", "warning", "information"})}),
    },
}
"""What is kept of each resource of a record, by its type."""

_drug_reference_of_draft = _object({"reference": _reference_text, "display": _named}, strict.R4Reference)
_medication_of_draft = _object(
    {
        "resourceType": _type,
        "id": _id,
        "status": _word({"active", "inactive", "entered-in-error"}),
        "code": _drug_of_draft,
        "ingredient": _ingredient,
    },
    strict.R4Medication,
)


def _contained_in_draft(by: Rewriter, value: Any) -> Any:
    if isinstance(value, list):
        return [_contained_in_draft(by, item) for item in value]
    if isinstance(value, dict) and value.get("resourceType") == "Medication":
        return _medication_of_draft(by, value)
    return _unread(by, value)


_ORDERED: Mapping[str, Rule] = {
    "resourceType": _type,
    "id": _id,
    "status": _word(statuses.REQUEST_STATUSES),
    "intent": _word(_INTENTS),
    "priority": _word({"routine", "urgent", "asap", "stat"}),
    "doNotPerform": _flag,
    "authoredOn": _date,
    "medicationCodeableConcept": _drug_of_draft,
    "medicationReference": _drug_reference_of_draft,
    "medication": _modern_drug,
    "contained": _contained_in_draft,
    "modifierExtension": _modifier,
    "subject": _reference_of_draft,
    "identifier": _identifier_of_draft,
    "basedOn": _reference_of_draft,
    "priorPrescription": _reference_of_draft,
    "reasonCode": _reason_of_draft,
    "reason": _object({"concept": _reason_of_draft}),
    "dosageInstruction": _object(_dosage(draft=True), strict.R4Dosage),
}
DRAFTS: Mapping[str, Mapping[str, Rule]] = {
    "MedicationRequest": _ORDERED,
    "Medication": {"resourceType": _type, "id": _id, "code": _drug, "ingredient": _ingredient},
    "ServiceRequest": {
        "resourceType": _type,
        "id": _id,
        "status": _word(statuses.REQUEST_STATUSES),
        "doNotPerform": _flag,
        "code": _result,
    },
}
"""What is kept of each draft order, by its type; of another type, what a MedicationRequest has."""

_UNREAD = "Basic"  # https://hl7.org/fhir/R4/basic.html: the type of FHIR that says nothing
_TYPES = frozenset({*ELEMENTS, *DRAFTS, "Bundle", _UNREAD})


def kind_of(resource_type: str) -> str:
    """A type of resource that is read, or the one that stands for all others."""
    return resource_type if resource_type in _TYPES else _UNREAD


_unread = _object({"resourceType": _type, "id": _id})
_by_type = {name: _object(members) for name, members in ELEMENTS.items()}
_draft_by_type = {
    name: _object(members, strict.R4MedicationRequest if name == "MedicationRequest" else None)
    for name, members in DRAFTS.items()
}
_other_draft = _object(_ORDERED)


_OF_ANOTHER_THING = frozenset(
    {"resourceType", "id", "status", "subject", "patient", "modifierExtension", "code", "medicationCodeableConcept"}
    | {"clinicalStatus", "verificationStatus"}
)


def by_type(by: Rewriter, resource: Node, types: Container[str] = ELEMENTS) -> Any:
    """A resource of a record with the elements that are read; of another type than ``types`` only that type.

    Of one that is known to be about something else, dates and values are not read, and so are not kept.
    """
    name = text(resource, "resourceType")
    if name not in types or name not in _by_type:
        return _unread(by, resource)
    written = _by_type[name](by, resource)
    if not _is_about_another_thing(by, resource, written):
        return written
    return {key: value for key, value in written.items() if key in _OF_ANOTHER_THING}


def _is_about_another_thing(by: Rewriter, resource: Node, written: Node) -> bool:
    """Whether every coding is of a code that the content has no use for, in a system of which it knows codes."""
    if any(key in resource for key in ("component", "contained", "reaction", "medication", "medicationReference")):
        return False
    element = "medicationCodeableConcept" if "medicationCodeableConcept" in resource else "code"
    sent, kept = node(resource, element), node(written, element)
    codings = [(text(coding, "system"), text(coding, "code")) for coding in nodes(sent, "coding")]
    if not codings or any(by.canonical.is_known(*pair) for pair in codings):
        return False
    return by.canonical.rules_out(codings) and all(words == OTHER for words in texts(kept))


def draft(by: Rewriter, resource: Node) -> Any:
    """A draft order with the elements that are read."""
    return _draft_by_type.get(text(resource, "resourceType"), _other_draft)(by, resource)


def dated_texts(tree: Any) -> Iterable[str]:
    """Every text of a tree, to look for dates in; found without recursion."""
    left = [tree]
    while left:
        tree = left.pop()
        if isinstance(tree, str):
            yield tree
        elif isinstance(tree, dict | list):
            left += tree.values() if isinstance(tree, dict) else tree
