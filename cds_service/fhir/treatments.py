"""The elements of FHIR resources that say what drug a patient was ordered, dispensed, given or takes, in R4 and R5.

They are as lenient as those of ``fhir.lenient``. What only some facts ask for, such as the dosage and what one resource
says of others, stays undecoded until then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from cds_service.fhir.lenient import CodeableConcept, Coding, Period, Reference, Resource, many
from cds_service.fhir.medications import Naming
from cds_service.fhir.tree import Node, node, nodes, pairs, text

_LONGEST_KEPT = 200  # characters of what one drug is called
_KEPT_NAMINGS = 4096
_MEDICATION = re.compile(r"(?:^|/)Medication/([^/\s]+)(?:/_history/[^/]*)?$|^urn:uuid:(.+)$")
_REFERENCE = re.compile(r"([A-Za-z]+/[^/\s]+?)(?:/_history/[^/]*)?$")

_NONE = msgspec.Raw()
_tree = msgspec.json.Decoder(float_hook=Decimal)  # a number of a dose is read exactly


def as_tree(raw: msgspec.Raw) -> Any:
    """An element that was left undecoded, as drafts are decoded; ``None`` if it is not there or no JSON."""
    if not bytes(raw):
        return None
    try:
        return _tree.decode(raw)
    except msgspec.DecodeError:
        return None


def referred(reference: str) -> str:
    """The ``Type/id`` at the end of a reference, its version cut off; a reference of another form as it is."""
    match = _REFERENCE.search(reference)
    return match[1] if match else reference


def references_in(parent: Node, *keys: str) -> Iterator[str]:
    """What the elements of an object refer to, each as ``referred`` gives it."""
    for key in keys:
        for item in nodes(parent, key):
            reference = text(item, "reference")
            if reference:
                yield referred(reference)


def identifiers_in(parent: Node) -> frozenset[tuple[str, str]]:
    """``(system, value)`` of each business identifier of an object that has a value."""
    found = [(text(item, "system"), text(item, "value")) for item in nodes(parent, "identifier")]
    return frozenset(pair for pair in found if pair[1])


class Treatment(Resource):
    """A resource that tells that something was ordered or done."""

    def when(self) -> str | None:
        """The last FHIR date of which it tells, as sent."""
        return None

    def begun(self) -> str | None:
        """The first FHIR date of which it tells, as sent."""
        return self.when()

    def dosages(self) -> list[Node]:
        """Its dosage in the shape of ``dosageInstruction``."""
        return []

    def stands_for(self) -> list[str]:
        """The resources that tell of the same doses, as far as it names them, by ``Type/id``."""
        return []


class Procedure(Treatment):
    code: CodeableConcept | None = None
    performedDateTime: str | None = None
    performedPeriod: Period | None = None
    occurrenceDateTime: str | None = None
    occurrencePeriod: Period | None = None

    def concepts(self) -> list[CodeableConcept]:
        """Every concept that says what was done."""
        return [self.code] if self.code is not None else []

    def naming(self, _: Mapping[str, Medication]) -> Naming:
        """The codes and the words of what was done; by words alone nothing was given (Z55)."""
        return Naming(self.code.pairs(), self.code.texts()) if self.code is not None else Naming()

    def when(self) -> str | None:
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
    isActive: bool | None = None

    def naming(self) -> Naming:
        """How the ingredient is named."""
        concept = self.itemCodeableConcept or (self.item.concept if self.item else None)
        reference = self.itemReference or (self.item.reference if self.item else None)
        return _naming([concept], [reference])


class Medication(msgspec.Struct, gc=False):
    """A Medication, contained in a resource or in the same Bundle as it."""

    resourceType: str | None = None
    id: str | None = None
    code: CodeableConcept | None = None
    ingredient: list[Ingredient] | Ingredient | None = None


class Medicated(Treatment):
    """A resource that names a medication in one of the ways of R4 or R5."""

    medicationCodeableConcept: CodeableConcept | None = None
    medicationReference: Reference | None = None
    medication: CodeableReference | None = None
    contained: list[Medication] | None = None

    def naming(self, sent: Mapping[str, Medication]) -> Naming:
        """All that names the medication: its own concept, and a Medication that it contains or refers to.

        ``sent`` are the Medications in the same Bundle by their ids. A reference counts by its display too.
        """
        concept = self.medicationCodeableConcept
        if concept is not None and self.medicationReference is None and self.medication is None:
            codings = concept.coding
            if isinstance(codings, list) and len(codings) == 1:
                coding = codings[0]
                if len(coding.display or "") + len(concept.text or "") <= _LONGEST_KEPT:
                    return _naming_of(coding.system, coding.code, coding.display, concept.text)
            return Naming(concept.pairs(), concept.texts())
        modern = self.medication
        references = [self.medicationReference, modern.reference if modern else None]
        concepts = [concept, modern.concept if modern else None]
        ingredients: list[Ingredient] = []
        for reference in references:
            target = self._referred(reference.reference, sent) if reference and reference.reference else None
            if target is not None:
                concepts.append(target.code)
                ingredients += many(target.ingredient)
        return _naming(concepts, references, [item.naming() for item in ingredients if item.isActive is not False])

    def _referred(self, reference: str, sent: Mapping[str, Medication]) -> Medication | None:
        """What a reference points to: a contained Medication, or one by the id at its end, versions left off."""
        if reference.startswith("#"):
            return next((item for item in self.contained or () if item.id == reference[1:]), None)
        match = _MEDICATION.search(reference)
        return sent.get(match[1] or match[2]) if match else None


@lru_cache(_KEPT_NAMINGS)
def _naming_of(system: str | None, code: str | None, display: str | None, text: str | None) -> Naming:
    """What a concept with one coding says of a drug; the same drugs are ordered again and again."""
    concept = CodeableConcept([Coding(system, code, display)], text)
    return Naming(concept.pairs(), concept.texts())


def _naming(
    concepts: Sequence[CodeableConcept | None],
    references: Sequence[Reference | None],
    ingredients: Sequence[Naming] = (),
) -> Naming:
    """What concepts, the displays of references, and ingredients say of one drug."""
    stated = [concept for concept in concepts if concept is not None]
    displays = [reference.display for reference in references if reference and reference.display]
    return Naming(
        [pair for concept in stated for pair in concept.pairs()],
        [*(words for concept in stated for words in concept.texts()), *displays],
        ingredients,
        resolved=bool(stated or displays or ingredients or not any(references)),
    )


class MedicationRequest(Medicated):
    intent: str | None = None
    doNotPerform: bool | None = None
    authoredOn: str | None = None
    reportedBoolean: msgspec.Raw = _NONE
    reportedReference: msgspec.Raw = _NONE
    reported: msgspec.Raw = _NONE
    identifier: msgspec.Raw = _NONE
    basedOn: msgspec.Raw = _NONE
    priorPrescription: msgspec.Raw = _NONE
    dosageInstruction: msgspec.Raw = _NONE

    def when(self) -> str | None:
        return self.authoredOn

    def dosages(self) -> list[Node]:
        return nodes({"dosageInstruction": as_tree(self.dosageInstruction)}, "dosageInstruction")

    @property
    def is_reported(self) -> bool:
        """Whether somebody reported it, so that it tells what the patient takes and not what was ordered (Z55)."""
        if as_tree(self.reportedBoolean) is True or as_tree(self.reported) is True:
            return True
        return isinstance(as_tree(self.reportedReference), dict)

    def stands_for(self) -> list[str]:
        return list(references_in({"basedOn": as_tree(self.basedOn)}, "basedOn"))

    def follows(self) -> list[str]:
        """The order that it takes the place of, by ``Type/id``."""
        prior = {"priorPrescription": as_tree(self.priorPrescription)}
        return list(references_in(prior, "priorPrescription"))

    def identifiers(self) -> frozenset[tuple[str, str]]:
        """``(system, value)`` of each of its business identifiers."""
        return identifiers_in({"identifier": as_tree(self.identifier)})


class MedicationDispense(Medicated):
    whenHandedOver: str | None = None
    whenPrepared: str | None = None
    authorizingPrescription: msgspec.Raw = _NONE
    dosageInstruction: msgspec.Raw = _NONE

    def when(self) -> str | None:
        return self.whenHandedOver or self.whenPrepared

    def dosages(self) -> list[Node]:
        return nodes({"dosageInstruction": as_tree(self.dosageInstruction)}, "dosageInstruction")

    def stands_for(self) -> list[str]:
        prescription = {"authorizingPrescription": as_tree(self.authorizingPrescription)}
        return list(references_in(prescription, "authorizingPrescription"))


class MedicationAdministration(Medicated):
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    occurenceDateTime: str | None = None
    occurencePeriod: Period | None = None
    request: msgspec.Raw = _NONE
    dosage: msgspec.Raw = _NONE

    def when(self) -> str | None:
        period = self.effectivePeriod or self.occurencePeriod
        return self.effectiveDateTime or self.occurenceDateTime or (period.latest() if period else None)

    def dosages(self) -> list[Node]:
        given = node({"dosage": as_tree(self.dosage)}, "dosage")
        dose = node(given, "dose")
        return [{**given, **({"doseAndRate": [{"doseQuantity": dose}]} if dose else {})}] if given else []

    def stands_for(self) -> list[str]:
        return list(references_in({"request": as_tree(self.request)}, "request"))


# https://hl7.org/fhir/R5/codesystem-medication-statement-adherence.html: how its codes begin
_TAKING, _NOT_NOW, _NO_MORE = "taking", "on-hold", "stopped"


class MedicationStatement(Medicated):
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    dateAsserted: str | None = None
    basedOn: msgspec.Raw = _NONE
    derivedFrom: msgspec.Raw = _NONE
    adherence: msgspec.Raw = _NONE
    dosage: msgspec.Raw = _NONE

    def when(self) -> str | None:
        period = self.effectivePeriod
        return (period.end if period else None) or self.effectiveDateTime or self.dateAsserted or self.begun()

    def begun(self) -> str | None:
        period = self.effectivePeriod
        return (period.start if period else None) or self.effectiveDateTime or self.dateAsserted

    def dosages(self) -> list[Node]:
        return nodes({"dosage": as_tree(self.dosage)}, "dosage")

    def stands_for(self) -> list[str]:
        of_others = {"basedOn": as_tree(self.basedOn), "derivedFrom": as_tree(self.derivedFrom)}
        return list(references_in(of_others, "basedOn", "derivedFrom"))

    def current_status(self) -> str:
        """Its status in the words of R4: R5 says by ``adherence`` whether the patient takes it (Z55)."""
        if self.status != "recorded":
            return self.status or "unknown"
        stated = as_tree(self.adherence)
        codes = [code for _, code in pairs(node({"adherence": stated}, "adherence").get("code"))]
        for begin, status in ((_NOT_NOW, "on-hold"), (_NO_MORE, "stopped")):
            if any(code.startswith(begin) for code in codes):
                return status
        if stated is not None and not any(code.startswith(_TAKING) for code in codes):
            return "not-taken"
        return "active"


class Immunization(msgspec.Struct, gc=False):
    """Where one stands among what was asked for, its words may say that a drug was given (Z55)."""

    id: str | None = None
    status: str | None = None
    vaccineCode: CodeableConcept | None = None
    patient: Reference | None = None

    def naming(self) -> Naming:
        """The words of what was given."""
        return Naming((), self.vaccineCode.texts()) if self.vaccineCode is not None else Naming()
