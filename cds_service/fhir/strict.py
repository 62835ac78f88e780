"""FHIR R4 MedicationRequest as an update gives it back, as strict structures. Imports nothing of ours.

The serving process does not import fhir.resources (Z27), so an edited draft is held against these; the tests hold
these against fhir.resources.
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


class Extension(msgspec.Struct):
    """Given back as it came; what it holds is its sender's matter."""

    url: Uri


class Element(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    id: Text | None = None
    extension: list[Extension] | None = None


class Coding(Element, kw_only=True):
    system: Uri | None = None
    version: Text | None = None
    code: Code | None = None
    display: Text | None = None
    userSelected: bool | None = None


class ResourceMeta(Element, kw_only=True):
    versionId: Id | None = None
    lastUpdated: DateTime | None = None
    source: Uri | None = None
    profile: list[Uri] | None = None
    security: list[Coding] | None = None
    tag: list[Coding] | None = None


class Narrative(Element, kw_only=True):
    status: Literal["generated", "extensions", "additional", "empty"]
    div: Annotated[str, Meta(pattern=r"^<div[^>]*>[\s\S]*</div>$")]


class CodeableConcept(Element, kw_only=True):
    coding: list[Coding] | None = None
    text: Text | None = None


class Quantity(Element, kw_only=True):
    value: Number | None = None
    comparator: Literal["<", "<=", ">=", ">"] | None = None
    unit: Text | None = None
    system: Uri | None = None
    code: Code | None = None


class Range(Element, kw_only=True):
    low: Quantity | None = None
    high: Quantity | None = None


class Ratio(Element, kw_only=True):
    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Period(Element, kw_only=True):
    start: DateTime | None = None
    end: DateTime | None = None


class Assigner(Element, kw_only=True):
    reference: Text | None = None
    display: Text | None = None


class Identifier(Element, kw_only=True):
    use: Code | None = None
    type: CodeableConcept | None = None
    system: Uri | None = None
    value: Text | None = None
    period: Period | None = None
    assigner: Assigner | None = None


class Reference(Element, kw_only=True):
    reference: Text | None = None
    type: Uri | None = None
    identifier: Identifier | None = None
    display: Text | None = None


class Annotation(Element, kw_only=True):
    authorReference: Reference | None = None
    authorString: Text | None = None
    time: DateTime | None = None
    text: Text


class Repeat(Element, kw_only=True):
    boundsDuration: Quantity | None = None
    boundsRange: Range | None = None
    boundsPeriod: Period | None = None
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


class Timing(Element, kw_only=True):
    event: list[DateTime] | None = None
    repeat: Repeat | None = None
    code: CodeableConcept | None = None


class DoseAndRate(Element, kw_only=True):
    type: CodeableConcept | None = None
    doseRange: Range | None = None
    doseQuantity: Quantity | None = None
    rateRatio: Ratio | None = None
    rateRange: Range | None = None
    rateQuantity: Quantity | None = None


class Dosage(Element, kw_only=True):
    sequence: int | None = None
    text: Text | None = None
    additionalInstruction: list[CodeableConcept] | None = None
    patientInstruction: Text | None = None
    timing: Timing | None = None
    asNeededBoolean: bool | None = None
    asNeededCodeableConcept: CodeableConcept | None = None
    site: CodeableConcept | None = None
    route: CodeableConcept | None = None
    method: CodeableConcept | None = None
    doseAndRate: list[DoseAndRate] | None = None
    maxDosePerPeriod: Ratio | None = None
    maxDosePerAdministration: Quantity | None = None
    maxDosePerLifetime: Quantity | None = None


class InitialFill(Element, kw_only=True):
    quantity: Quantity | None = None
    duration: Quantity | None = None


class DispenseRequest(Element, kw_only=True):
    initialFill: InitialFill | None = None
    dispenseInterval: Quantity | None = None
    validityPeriod: Period | None = None
    numberOfRepeatsAllowed: Natural | None = None
    quantity: Quantity | None = None
    expectedSupplyDuration: Quantity | None = None
    performer: Reference | None = None


class Medication(Element, kw_only=True):
    """A contained Medication; one with more than this is not vouched for."""

    resourceType: Literal["Medication"]
    id: Id
    code: CodeableConcept | None = None
    status: Literal["active", "inactive", "entered-in-error"] | None = None
    form: CodeableConcept | None = None


class MedicationRequest(Element, kw_only=True):
    resourceType: Literal["MedicationRequest"]
    id: Id | None = None
    meta: ResourceMeta | None = None
    implicitRules: Uri | None = None
    language: Code | None = None
    text: Narrative | None = None
    contained: list[Medication] | None = None
    identifier: list[Identifier] | None = None
    status: Literal["active", "on-hold", "cancelled", "completed", "entered-in-error", "stopped", "draft", "unknown"]
    statusReason: CodeableConcept | None = None
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
    category: list[CodeableConcept] | None = None
    priority: Literal["routine", "urgent", "asap", "stat"] | None = None
    doNotPerform: bool | None = None
    reportedBoolean: bool | None = None
    reportedReference: Reference | None = None
    medicationCodeableConcept: CodeableConcept | None = None
    medicationReference: Reference | None = None
    subject: Reference
    encounter: Reference | None = None
    supportingInformation: list[Reference] | None = None
    authoredOn: DateTime | None = None
    requester: Reference | None = None
    performer: Reference | None = None
    performerType: CodeableConcept | None = None
    recorder: Reference | None = None
    reasonCode: list[CodeableConcept] | None = None
    reasonReference: list[Reference] | None = None
    instantiatesCanonical: list[Uri] | None = None
    instantiatesUri: list[Uri] | None = None
    basedOn: list[Reference] | None = None
    groupIdentifier: Identifier | None = None
    courseOfTherapyType: CodeableConcept | None = None
    insurance: list[Reference] | None = None
    note: list[Annotation] | None = None
    dosageInstruction: list[Dosage] | None = None
    dispenseRequest: DispenseRequest | None = None
    priorPrescription: Reference | None = None
    detectedIssue: list[Reference] | None = None
    eventHistory: list[Reference] | None = None


# Describes the types to msgspec while no other thread can: where two threads do so at once, the process may crash.
msgspec.json.Decoder(MedicationRequest)

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
    """Whether ``text`` is a FHIR dateTime that can be meant: in form, and not in the first centuries."""
    if not isinstance(text, str) or text < "1900":
        return False
    try:
        msgspec.convert(text, DateTime)
    except msgspec.ValidationError:
        return False
    return True


def problem_in(resource: dict[str, Any]) -> str:
    """The path of what keeps ``resource`` from being an R4 MedicationRequest; ``""`` if nothing does."""
    try:
        checked = msgspec.convert(_without_primitive_extensions(resource), MedicationRequest)
    except msgspec.ValidationError as error:
        place = str(error).rpartition(" - at `$.")[2].rstrip("`")
        return place if " - at " in str(error) else "MedicationRequest"
    if (checked.medicationCodeableConcept is None) == (checked.medicationReference is None):
        return "medication[x]"
    return ""


def _without_primitive_extensions(node: Any) -> Any:
    """The same without the ids and extensions of primitive elements; what only looks like one stays and is refused."""
    if isinstance(node, dict):
        return {
            key: _without_primitive_extensions(value)
            for key, value in node.items()
            if not (key[1:] in _ELEMENTS and key[0] == "_" and isinstance(value, dict | list))
        }
    return [_without_primitive_extensions(item) for item in node] if isinstance(node, list) else node


def _names(struct: type[msgspec.Struct]) -> set[str]:
    return set(struct.__struct_fields__).union(*(_names(below) for below in struct.__subclasses__()))


_ELEMENTS = _names(Element)
