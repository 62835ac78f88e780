"""The elements of FHIR R4 resources that facts read, as typed structures.

Every element is optional, and a repeating element may be a single object, because clients write resources so
(docs/decisions.md#how-clients-write). Elements of R5 that mean the same stand beside those of R4.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")

_NOTHING_STATED = (b"", b"null", b"false")


class Coding(msgspec.Struct, gc=False):
    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(msgspec.Struct, gc=False):
    coding: list[Coding] | Coding | None = None
    text: str | None = None

    def pairs(self) -> list[tuple[str, str]]:
        """``(system, code)`` of each coding that has both."""
        codings = self.coding
        if codings is None:
            return []
        if not isinstance(codings, list):
            codings = [codings]
        return [(c.system, c.code) for c in codings if c.system and c.code]

    def words(self) -> str:
        """The text, or else the first display."""
        return self.text or next((c.display for c in many(self.coding) if c.display), "")

    def all_words(self) -> str:
        """The text and every display, to look for words in."""
        return " | ".join(self.texts())

    def texts(self) -> list[str]:
        """The text and every display that differs from it."""
        texts = [c.display for c in many(self.coding) if c.display and c.display != self.text]
        return [self.text, *texts] if self.text else texts


class Quantity(msgspec.Struct, gc=False):
    """``value`` stays undecoded, so that its digits are read exactly, and a string is told from a number."""

    value: msgspec.Raw = msgspec.Raw()
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Reference(msgspec.Struct, gc=False):
    reference: str | None = None
    display: str | None = None


class Period(msgspec.Struct, gc=False):
    start: str | None = None
    end: str | None = None

    def latest(self) -> str | None:
        """Its end, or its start while it is still open."""
        return self.end or self.start


class ReferenceRange(msgspec.Struct, gc=False):
    low: Quantity | None = None


class Patient(msgspec.Struct, gc=False):
    resourceType: str | None = None
    id: str | None = None
    birthDate: str | None = None
    gender: str | None = None


class Resource(msgspec.Struct, kw_only=True, gc=False):
    resourceType: str | None = None
    id: str | None = None
    status: str | None = None
    subject: Reference | None = None
    modifierExtension: msgspec.Raw = msgspec.Raw()

    def own_reference(self) -> str:
        """``Type/id``, or the type alone if it has no id."""
        kind = type(self).__name__
        return f"{kind}/{self.id}" if self.id else kind


class Observation(Resource):
    code: CodeableConcept | None = None
    effectiveDateTime: str | None = None
    effectiveInstant: str | None = None
    effectivePeriod: Period | None = None
    valueQuantity: Quantity | None = None
    interpretation: list[CodeableConcept] | CodeableConcept | None = None
    referenceRange: list[ReferenceRange] | ReferenceRange | None = None

    def when(self) -> str | None:
        """The FHIR date at which the result was true, as sent."""
        period = self.effectivePeriod
        return self.effectiveDateTime or self.effectiveInstant or (period.latest() if period else None)


class Listed(Resource):
    """An entry of a list of problems or allergies. STU3 and DSTU2 wrote its two statuses as plain codes."""

    clinicalStatus: CodeableConcept | str | None = None
    verificationStatus: CodeableConcept | str | None = None
    code: CodeableConcept | None = None
    recordedDate: str | None = None

    def concepts(self) -> list[CodeableConcept]:
        """Every concept that says what the entry is about."""
        return [self.code] if self.code is not None else []

    def whose(self) -> Reference | None:
        """The patient whose entry it is."""
        return self.subject

    def dated(self) -> str | None:
        """The FHIR date that a person reads beside it, as sent: of its beginning, or of its record."""
        return self.recordedDate

    def has_abated(self) -> bool:
        """Whether the entry says that what it is about has ended, in whatever form."""
        return False


class Condition(Listed):
    onsetDateTime: str | None = None
    onsetPeriod: Period | None = None
    abatementDateTime: msgspec.Raw = msgspec.Raw()
    abatementAge: msgspec.Raw = msgspec.Raw()
    abatementPeriod: msgspec.Raw = msgspec.Raw()
    abatementRange: msgspec.Raw = msgspec.Raw()
    abatementString: msgspec.Raw = msgspec.Raw()
    abatementBoolean: msgspec.Raw = msgspec.Raw()

    def dated(self) -> str | None:
        period = self.onsetPeriod
        return self.onsetDateTime or (period.start if period else None) or self.recordedDate

    def has_abated(self) -> bool:
        stated = (
            self.abatementDateTime,
            self.abatementAge,
            self.abatementPeriod,
            self.abatementRange,
            self.abatementString,
            self.abatementBoolean,
        )
        return any(bytes(part) not in _NOTHING_STATED for part in stated)


class Reaction(msgspec.Struct, gc=False):
    substance: CodeableConcept | None = None


class AllergyIntolerance(Listed):
    patient: Reference | None = None
    reaction: list[Reaction] | Reaction | None = None

    def concepts(self) -> list[CodeableConcept]:
        substances = [reaction.substance for reaction in many(self.reaction)] if self.reaction is not None else []
        return [concept for concept in (self.code, *substances) if concept is not None]

    def whose(self) -> Reference | None:
        return self.patient


class Procedure(Resource):
    code: CodeableConcept | None = None
    performedDateTime: str | None = None
    performedPeriod: Period | None = None
    occurrenceDateTime: str | None = None
    occurrencePeriod: Period | None = None

    def concept(self) -> CodeableConcept | None:
        """What was done."""
        return self.code

    def when(self) -> str | None:
        """The FHIR date at which it was done, as sent."""
        period = self.performedPeriod or self.occurrencePeriod
        return self.performedDateTime or self.occurrenceDateTime or (period.latest() if period else None)


class CodeableReference(msgspec.Struct, gc=False):
    concept: CodeableConcept | None = None
    reference: Reference | None = None


class Ingredient(msgspec.Struct, gc=False):
    """One of the things that a Medication is made of; ``item`` is how R5 names it."""

    itemCodeableConcept: CodeableConcept | None = None
    itemReference: Reference | None = None
    item: CodeableReference | None = None


class Medication(msgspec.Struct, gc=False):
    """A Medication, contained in a resource or in the same Bundle as it."""

    resourceType: str | None = None
    id: str | None = None
    code: CodeableConcept | None = None
    ingredient: list[Ingredient] | Ingredient | None = None


class Medicated(Resource):
    """A resource that names a medication in one of the ways of R4 or R5."""

    medicationCodeableConcept: CodeableConcept | None = None
    medicationReference: Reference | None = None
    medication: CodeableReference | None = None
    contained: list[Medication] | None = None

    def concept(self) -> CodeableConcept | None:
        """The concept of the medication: its own, that of a contained Medication, or the display of a reference.

        ``None`` if the medication stands in another resource.
        """
        reference = self.medicationReference
        if self.medication is not None:
            if self.medication.concept is not None:
                return self.medication.concept
            reference = reference or self.medication.reference
        if self.medicationCodeableConcept is not None:
            return self.medicationCodeableConcept
        if reference is None:
            return None
        if reference.reference and reference.reference.startswith("#"):
            for resource in self.contained or ():
                if resource.id == reference.reference[1:] and resource.code is not None:
                    return resource.code
        return CodeableConcept(text=reference.display) if reference.display else None


class MedicationRequest(Medicated):
    doNotPerform: bool | None = None
    authoredOn: str | None = None

    def when(self) -> str | None:
        """The FHIR date at which it was ordered, as sent."""
        return self.authoredOn


class MedicationAdministration(Medicated):
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    occurenceDateTime: str | None = None
    occurencePeriod: Period | None = None

    def when(self) -> str | None:
        """The FHIR date at which it was given, as sent."""
        period = self.effectivePeriod or self.occurencePeriod
        return self.effectiveDateTime or self.occurenceDateTime or (period.latest() if period else None)


TYPES: dict[str, type[msgspec.Struct]] = {
    "Patient": Patient,
    "Observation": Observation,
    "Condition": Condition,
    "AllergyIntolerance": AllergyIntolerance,
    "Procedure": Procedure,
    "MedicationRequest": MedicationRequest,
    "MedicationAdministration": MedicationAdministration,
}


def many(value: list[T] | T | None) -> list[T]:
    """A repeating element as a list, whether it was sent as a list, as one object or not at all."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
