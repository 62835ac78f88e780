"""FHIR R4 MedicationRequest as strict structures: what an update gives back must be valid.

The serving process does not import fhir.resources (Z27), so an edited draft is checked against these structures; tests
compare them with fhir.resources.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

_DAY = r"([0-9]{4})(-(0[1-9]|1[0-2])(-(0[1-9]|[1-2][0-9]|3[0-1])"
_TIME = r"T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"

Text = Annotated[str, Meta(pattern=r"\S")]
Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]
Code = Annotated[str, Meta(pattern=r"^[^\s]+( [^\s]+)*$")]
Uri = Annotated[str, Meta(pattern=r"^\S+$")]
DateTime = Annotated[str, Meta(pattern=f"^{_DAY}({_TIME})?)?)?$")]
Number = int | Decimal
Positive = Annotated[int, Meta(gt=0)]
Natural = Annotated[int, Meta(ge=0)]


class R4Extension(msgspec.Struct):
    """Extensions are returned unchanged and not validated."""

    url: Uri


class R4Element(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    id: Text | None = None
    extension: list[R4Extension] | None = None


class R4Coding(R4Element, kw_only=True):
    system: Uri | None = None
    version: Text | None = None
    code: Code | None = None
    display: Text | None = None
    userSelected: bool | None = None


class R4ResourceMeta(R4Element, kw_only=True):
    versionId: Id | None = None
    lastUpdated: DateTime | None = None
    source: Uri | None = None
    profile: list[Uri] | None = None
    security: list[R4Coding] | None = None
    tag: list[R4Coding] | None = None


class R4Narrative(R4Element, kw_only=True):
    status: Literal["generated", "extensions", "additional", "empty"]
    div: Annotated[str, Meta(pattern=r"^<div[^>]*>[\s\S]*</div>$")]


class R4CodeableConcept(R4Element, kw_only=True):
    coding: list[R4Coding] | None = None
    text: Text | None = None


class R4Quantity(R4Element, kw_only=True):
    value: Number | None = None
    comparator: Literal["<", "<=", ">=", ">"] | None = None
    unit: Text | None = None
    system: Uri | None = None
    code: Code | None = None


class R4Range(R4Element, kw_only=True):
    low: R4Quantity | None = None
    high: R4Quantity | None = None


class R4Ratio(R4Element, kw_only=True):
    numerator: R4Quantity | None = None
    denominator: R4Quantity | None = None


class R4Period(R4Element, kw_only=True):
    start: DateTime | None = None
    end: DateTime | None = None


class R4Assigner(R4Element, kw_only=True):
    reference: Text | None = None
    display: Text | None = None


class R4Identifier(R4Element, kw_only=True):
    use: Code | None = None
    type: R4CodeableConcept | None = None
    system: Uri | None = None
    value: Text | None = None
    period: R4Period | None = None
    assigner: R4Assigner | None = None


class R4Reference(R4Element, kw_only=True):
    reference: Text | None = None
    type: Uri | None = None
    identifier: R4Identifier | None = None
    display: Text | None = None


class R4Annotation(R4Element, kw_only=True):
    authorReference: R4Reference | None = None
    authorString: Text | None = None
    time: DateTime | None = None
    text: Text


class R4Repeat(R4Element, kw_only=True):
    boundsDuration: R4Quantity | None = None
    boundsRange: R4Range | None = None
    boundsPeriod: R4Period | None = None
    count: Positive | None = None
    countMax: Positive | None = None
    duration: Number | None = None
    durationMax: Number | None = None
    durationUnit: Code | None = None
    frequency: Positive | None = None
    frequencyMax: Positive | None = None
    period: Number | None = None
    periodMax: Number | None = None
    periodUnit: Literal["s", "min", "h", "d", "wk", "mo", "a"] | None = None
    dayOfWeek: list[Code] | None = None
    timeOfDay: list[str] | None = None
    when: list[Code] | None = None
    offset: Natural | None = None


class R4Timing(R4Element, kw_only=True):
    event: list[DateTime] | None = None
    repeat: R4Repeat | None = None
    code: R4CodeableConcept | None = None


class R4DoseAndRate(R4Element, kw_only=True):
    type: R4CodeableConcept | None = None
    doseRange: R4Range | None = None
    doseQuantity: R4Quantity | None = None
    rateRatio: R4Ratio | None = None
    rateRange: R4Range | None = None
    rateQuantity: R4Quantity | None = None


class R4Dosage(R4Element, kw_only=True):
    sequence: int | None = None
    text: Text | None = None
    additionalInstruction: list[R4CodeableConcept] | None = None
    patientInstruction: Text | None = None
    timing: R4Timing | None = None
    asNeededBoolean: bool | None = None
    asNeededCodeableConcept: R4CodeableConcept | None = None
    site: R4CodeableConcept | None = None
    route: R4CodeableConcept | None = None
    method: R4CodeableConcept | None = None
    doseAndRate: list[R4DoseAndRate] | None = None
    maxDosePerPeriod: R4Ratio | None = None
    maxDosePerAdministration: R4Quantity | None = None
    maxDosePerLifetime: R4Quantity | None = None


class R4InitialFill(R4Element, kw_only=True):
    quantity: R4Quantity | None = None
    duration: R4Quantity | None = None


class R4DispenseRequest(R4Element, kw_only=True):
    initialFill: R4InitialFill | None = None
    dispenseInterval: R4Quantity | None = None
    validityPeriod: R4Period | None = None
    numberOfRepeatsAllowed: Natural | None = None
    quantity: R4Quantity | None = None
    expectedSupplyDuration: R4Quantity | None = None
    performer: R4Reference | None = None


class R4Medication(R4Element, kw_only=True):
    """A contained Medication; one with other elements counts as invalid."""

    resourceType: Literal["Medication"]
    id: Id
    code: R4CodeableConcept | None = None
    status: Literal["active", "inactive", "entered-in-error"] | None = None
    form: R4CodeableConcept | None = None


class R4MedicationRequest(R4Element, kw_only=True):
    resourceType: Literal["MedicationRequest"]
    id: Id | None = None
    meta: R4ResourceMeta | None = None
    implicitRules: Uri | None = None
    language: Code | None = None
    text: R4Narrative | None = None
    contained: list[R4Medication] | None = None
    identifier: list[R4Identifier] | None = None
    status: Literal["active", "on-hold", "cancelled", "completed", "entered-in-error", "stopped", "draft", "unknown"]
    statusReason: R4CodeableConcept | None = None
    intent: Literal[
        "proposal",
        "plan",
        "order",
        "original-order",
        "reflex-order",
        "filler-order",
        "instance-order",
        "option",
    ]
    category: list[R4CodeableConcept] | None = None
    priority: Literal["routine", "urgent", "asap", "stat"] | None = None
    doNotPerform: bool | None = None
    reportedBoolean: bool | None = None
    reportedReference: R4Reference | None = None
    medicationCodeableConcept: R4CodeableConcept | None = None
    medicationReference: R4Reference | None = None
    subject: R4Reference
    encounter: R4Reference | None = None
    supportingInformation: list[R4Reference] | None = None
    authoredOn: DateTime | None = None
    requester: R4Reference | None = None
    performer: R4Reference | None = None
    performerType: R4CodeableConcept | None = None
    recorder: R4Reference | None = None
    reasonCode: list[R4CodeableConcept] | None = None
    reasonReference: list[R4Reference] | None = None
    instantiatesCanonical: list[Uri] | None = None
    instantiatesUri: list[Uri] | None = None
    basedOn: list[R4Reference] | None = None
    groupIdentifier: R4Identifier | None = None
    courseOfTherapyType: R4CodeableConcept | None = None
    insurance: list[R4Reference] | None = None
    note: list[R4Annotation] | None = None
    dosageInstruction: list[R4Dosage] | None = None
    dispenseRequest: R4DispenseRequest | None = None
    priorPrescription: R4Reference | None = None
    detectedIssue: list[R4Reference] | None = None
    eventHistory: list[R4Reference] | None = None


# Makes msgspec describe the types while only one thread runs: two threads that do so at once may crash the process.
msgspec.json.Decoder(R4MedicationRequest)

# Elements that repeat in R4 and that clients are known to send as one object (docs/decisions.md#how-clients-write).
REPEATING = (
    "category",
    "reasonCode",
    "reasonReference",
    "identifier",
    "note",
    "basedOn",
    "insurance",
    "contained",
)
DATES = ("authoredOn",)


def is_date(text: object) -> bool:
    """Whether ``text`` is a FHIR dateTime of a plausible year, 1900 or later."""
    if not isinstance(text, str) or text < "1900":
        return False
    try:
        msgspec.convert(text, DateTime)
    except msgspec.ValidationError:
        return False
    return True


def problem_in(resource: dict[str, Any]) -> str:
    """The path of the element that keeps ``resource`` from being a valid R4 MedicationRequest; ``""`` if none does."""
    try:
        checked = _checked(resource)
    except msgspec.ValidationError as error:
        place = str(error).rpartition(" - at `$.")[2].rstrip("`")
        return place if " - at " in str(error) else "MedicationRequest"
    if (checked.medicationCodeableConcept is None) == (checked.medicationReference is None):
        return "medication[x]"
    return ""


def _checked(resource: dict[str, Any]) -> R4MedicationRequest:
    """The resource in these structures.

    Only one that they refuse is searched for what they have no room for, which costs more than the check itself.
    """
    try:
        return msgspec.convert(resource, R4MedicationRequest)
    except msgspec.ValidationError:
        return msgspec.convert(_without_primitive_extensions(resource), R4MedicationRequest)


def _without_primitive_extensions(node: Any) -> Any:
    """The tree without the ids and extensions of primitive elements (``_birthDate`` and the like).

    Members that only look like one are kept, so that they are refused as unknown.
    """
    if isinstance(node, dict):
        return {
            key: _without_primitive_extensions(value)
            for key, value in node.items()
            if not (key[1:] in _ELEMENTS and key[0] == "_" and isinstance(value, (dict, list)))
        }
    return [_without_primitive_extensions(item) for item in node] if isinstance(node, list) else node


def _names(struct: type[msgspec.Struct]) -> set[str]:
    return set(struct.__struct_fields__).union(*(_names(below) for below in struct.__subclasses__()))


_ELEMENTS = _names(R4Element)
