"""The closed list of what a de-identified recording keeps: the elements that are read, each with its rule.

What is not listed here is left out and only counted. The lists follow the structures of ``fhir.lenient``,
``fhir.treatments`` and ``fhir.strict``; tests hold them to these.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import msgspec

from cds_service.chart import statuses
from cds_service.fhir import strict
from cds_service.fhir.flags import OTHER_FLAGS
from cds_service.fhir.schedule_words import DAYS_OF_WEEK, WHEN
from cds_service.fhir.tree import Node, node, nodes, text, texts
from cds_service.recording.canonical import OTHER
from cds_service.recording.rules import (
    Rewriter,
    Rule,
    birth_date,
    concept_of,
    date_word,
    flag,
    identity,
    modifier,
    neutral,
    number,
    number_text,
    object_of,
    of_strings,
    quantity,
    reference_text,
    schedule_text,
    sequence,
    status_of,
    text_of,
    there,
    times_of_day,
    type_of,
    unit_of_length,
    unit_of_period,
    unit_of_ratio,
    unit_word,
    word_of,
)

# --- the elements that several resources have
_drug, _drug_of_draft = (concept_of(lambda words: words.drugs)(draft) for draft in (False, True))
_vaccine = concept_of(lambda words: words.given)(False)
_result = concept_of(lambda words: words.results)(False)
_route, _route_of_draft = (concept_of(lambda words: words.routes)(draft) for draft in (False, True))
_frequency, _frequency_of_draft = (
    concept_of(lambda words: words.schedules, of_schedule=True)(draft) for draft in (False, True)
)
_reason_of_draft = concept_of(lambda words: words.reasons)(True)
_interpretation = concept_of(lambda words: words.flags, OTHER_FLAGS)(False)


def _listed(resource: str) -> Rule:
    return concept_of(lambda words: words.lists[resource])(False)


def _named(by: Rewriter, value: Any) -> Any:
    """The words of a reference that name a drug."""
    return text_of(by, value, by.canonical.drugs)


_reference = object_of({"reference": reference_text})
_reference_of_draft = object_of({"reference": reference_text}, strict.R4Reference)
_reference_by_name = object_of({"reference": reference_text, "display": _named})
_period = object_of({"start": date_word, "end": date_word})
_amount = quantity(unit_word)
_range = object_of({"low": _amount, "high": _amount})
_part = quantity(unit_of_ratio)
_ratio = object_of({"numerator": _part, "denominator": _part})
_modern_drug = object_of({"concept": _drug, "reference": _reference_by_name})
_identifier = object_of({"system": of_strings(Rewriter.identifier), "value": of_strings(Rewriter.identifier)})
_identifier_of_draft = object_of(
    {"system": of_strings(Rewriter.identifier), "value": of_strings(Rewriter.identifier)}, strict.R4Identifier
)


def _dosage(draft: bool) -> Mapping[str, Rule]:
    """The members of a dosage; as R4 has them in a draft."""

    def r4(struct: type[msgspec.Struct]) -> type[msgspec.Struct] | None:
        return struct if draft else None

    amount, length = quantity(unit_word, r4(strict.R4Quantity)), quantity(unit_of_length, r4(strict.R4Quantity))
    limits = object_of({"low": amount, "high": amount}, r4(strict.R4Range))
    part = quantity(unit_of_ratio, r4(strict.R4Quantity))
    ratio = object_of({"numerator": part, "denominator": part}, r4(strict.R4Ratio))
    rates = {"rateQuantity": amount, "rateRange": limits, "rateRatio": ratio}
    repeat = {
        "boundsDuration": length,
        "boundsRange": object_of({"low": length, "high": length}, r4(strict.R4Range)),
        "boundsPeriod": object_of({"start": date_word, "end": date_word}, r4(strict.R4Period)),
        **dict.fromkeys(("count", "countMax", "frequency", "frequencyMax", "period", "periodMax"), number),
        "periodUnit": of_strings(unit_of_period),
        "dayOfWeek": word_of(DAYS_OF_WEEK, folded=True),
        "timeOfDay": times_of_day,
        "when": word_of(WHEN),
    }
    timing = {
        "event": date_word,
        "repeat": object_of(repeat, r4(strict.R4Repeat)),
        "code": _frequency_of_draft if draft else _frequency,
    }
    return {
        "sequence": sequence,
        "timing": object_of(timing, r4(strict.R4Timing)),
        "route": _route_of_draft if draft else _route,
        "doseAndRate": object_of({"doseQuantity": amount, "doseRange": limits, **rates}, r4(strict.R4DoseAndRate)),
        "doseQuantity": amount,
        "doseSimpleQuantity": there,
        "doseRange": there,
        "text": of_strings(schedule_text),
    }


_dosages = object_of(_dosage(draft=False))
_given = object_of({**_dosage(draft=False), "dose": _amount})

_OF_RESULT: Mapping[str, Rule] = {
    "code": _result,
    "valueQuantity": _amount,
    "valueRange": _range,
    "valueString": number_text,
    "valueInteger": number,
    "interpretation": _interpretation,
    "referenceRange": object_of({"low": _amount}),
}
_DATED: Mapping[str, Rule] = {"effectiveDateTime": date_word, "effectivePeriod": _period}


def _resource(known: Container[str]) -> Mapping[str, Rule]:
    return {
        "resourceType": type_of,
        "id": identity,
        "status": word_of(known),
        "subject": _reference,
        "modifierExtension": modifier,
    }


def _listed_resource(resource: str) -> Mapping[str, Rule]:
    return {
        **_resource(statuses.EVENT_STATUSES),
        "clinicalStatus": status_of(statuses.CLINICAL),
        "verificationStatus": status_of(statuses.VERIFICATION),
        "code": _listed(resource),
        "recordedDate": date_word,
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
_ingredient = object_of(
    {
        "itemCodeableConcept": _drug,
        "itemReference": _reference_by_name,
        "item": _modern_drug,
        "isActive": flag,
        "strength": _ratio,
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
_adherence = object_of({"code": status_of(_ADHERENCE)})
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
    "Patient": {"resourceType": type_of, "id": identity, "birthDate": birth_date, "gender": word_of(_GENDERS)},
    "Observation": {
        **_resource(statuses.RESULT_STATUSES),
        **_OF_RESULT,
        **_DATED,
        "effectiveInstant": date_word,
        "issued": date_word,
        "component": object_of(_OF_RESULT),
        "contained": _contained,
    },
    "DiagnosticReport": {**_resource(statuses.RESULT_STATUSES), **_DATED, "issued": date_word, "contained": _contained},
    "Condition": {
        **_listed_resource("Condition"),
        "onsetDateTime": date_word,
        "onsetPeriod": _period,
        "abatementDateTime": date_word,
        "abatementPeriod": _period,
        **dict.fromkeys(("abatementAge", "abatementRange", "abatementString", "abatementBoolean"), there),
    },
    "AllergyIntolerance": {
        **_listed_resource("AllergyIntolerance"),
        "patient": _reference,
        "reaction": object_of({"substance": _listed("AllergyIntolerance")}),
    },
    "Procedure": {
        **_resource(statuses.EVENT_STATUSES),
        "code": _listed("Procedure"),
        "performedDateTime": date_word,
        "performedPeriod": _period,
        "occurrenceDateTime": date_word,
        "occurrencePeriod": _period,
    },
    "MedicationRequest": {
        **_resource(statuses.REQUEST_STATUSES),
        **_MEDICATED,
        "intent": word_of(_INTENTS),
        "doNotPerform": flag,
        "authoredOn": date_word,
        "reportedBoolean": flag,
        "reportedReference": there,
        "reported": flag,
        "identifier": _identifier,
        "basedOn": _reference,
        "priorPrescription": _reference,
        "dosageInstruction": _dosages,
    },
    "MedicationDispense": {
        **_resource(statuses.DISPENSE_STATUSES),
        **_MEDICATED,
        "whenHandedOver": date_word,
        "whenPrepared": date_word,
        "authorizingPrescription": _reference,
        "dosageInstruction": _dosages,
    },
    "MedicationAdministration": {
        **_resource(statuses.EVENT_STATUSES),
        **_MEDICATED,
        **_DATED,
        "occurenceDateTime": date_word,
        "occurencePeriod": _period,
        "request": _reference,
        "dosage": _given,
    },
    "MedicationStatement": {
        **_resource(statuses.STATEMENT_STATUSES),
        **_MEDICATED,
        **_DATED,
        "dateAsserted": date_word,
        "basedOn": _reference,
        "derivedFrom": _reference,
        "adherence": _adherence,
        "dosage": _dosages,
    },
    "Immunization": {
        "resourceType": type_of,
        "id": identity,
        "status": word_of(statuses.EVENT_STATUSES),
        "vaccineCode": _vaccine,
        "patient": _reference,
    },
    "Medication": {"resourceType": type_of, "id": identity, "code": _drug, "ingredient": _ingredient},
    "OperationOutcome": {
        "resourceType": type_of,
        "issue": object_of({"severity": word_of({"fatal", "error", "warning", "information"})}),
    },
}
"""What is kept of each resource of a record, by its type."""

_drug_reference_of_draft = object_of({"reference": reference_text, "display": _named}, strict.R4Reference)
_medication_of_draft = object_of(
    {
        "resourceType": type_of,
        "id": identity,
        "status": word_of({"active", "inactive", "entered-in-error"}),
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
    "resourceType": type_of,
    "id": identity,
    "status": word_of(statuses.REQUEST_STATUSES),
    "intent": word_of(_INTENTS),
    "priority": word_of({"routine", "urgent", "asap", "stat"}),
    "doNotPerform": flag,
    "authoredOn": date_word,
    "medicationCodeableConcept": _drug_of_draft,
    "medicationReference": _drug_reference_of_draft,
    "medication": _modern_drug,
    "contained": _contained_in_draft,
    "modifierExtension": modifier,
    "subject": _reference_of_draft,
    "identifier": _identifier_of_draft,
    "basedOn": _reference_of_draft,
    "priorPrescription": _reference_of_draft,
    "reasonCode": _reason_of_draft,
    "reason": object_of({"concept": _reason_of_draft}),
    "dosageInstruction": object_of(_dosage(draft=True), strict.R4Dosage),
}
DRAFTS: Mapping[str, Mapping[str, Rule]] = {
    "MedicationRequest": _ORDERED,
    "Medication": {"resourceType": type_of, "id": identity, "code": _drug, "ingredient": _ingredient},
    "ServiceRequest": {
        "resourceType": type_of,
        "id": identity,
        "status": word_of(statuses.REQUEST_STATUSES),
        "doNotPerform": flag,
        "code": _result,
    },
}
"""What is kept of each draft order, by its type; of another type, what a MedicationRequest has."""

TYPES = frozenset({*ELEMENTS, *DRAFTS, "Bundle"})
"""The types of resource that are named in a recording."""


_unread = object_of({"resourceType": type_of, "id": identity})
_by_type = {name: object_of(members) for name, members in ELEMENTS.items()}
_draft_by_type = {
    name: object_of(members, strict.R4MedicationRequest if name == "MedicationRequest" else None)
    for name, members in DRAFTS.items()
}
_other_draft = object_of(_ORDERED)


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
