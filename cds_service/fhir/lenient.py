"""The elements of FHIR R4 resources that facts read, as typed structures.

Every element is optional, and a repeating element may be a single object, because clients write resources so
(docs/decisions.md#how-clients-write). Elements of R5 that mean the same stand beside those of R4.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from cds_service.fhir.codes import SPELLINGS, canonical, unstated

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
        """``(system, code)`` of each coding that has both, the system in its canonical spelling.

        Last come the codes without a system whose form tells it (Z42).
        """
        codings = self.coding
        if codings is None:
            return []
        if not isinstance(codings, list):
            codings = [codings]
        if len(codings) == 1 and codings[0].system and codings[0].code:  # as most have, and read the soonest
            system = codings[0].system
            return [(SPELLINGS.get(system) or canonical(system), codings[0].code)]
        known = [(SPELLINGS.get(c.system) or canonical(c.system), c.code) for c in codings if c.system and c.code]
        if len(known) < len(codings):
            known += unstated([c.code for c in codings if c.code and not c.system], self.all_words())
        return known

    def texts(self) -> list[str]:
        """The text, each display that differs from it, and each code without a system, which is as much a text."""
        codings = many(self.coding)
        texts = [c.display for c in codings if c.display and c.display != self.text]
        texts += [c.code for c in codings if c.code and not c.system]
        return [self.text, *texts] if self.text else texts

    def words(self) -> str:
        """The text, or else the first display."""
        return self.text or next((c.display for c in many(self.coding) if c.display), "")

    def all_words(self) -> str:
        """The text and every display, to look for words in."""
        return " | ".join(filter(None, [self.text, *(c.display for c in many(self.coding))]))


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


class ValueRange(msgspec.Struct, gc=False):
    low: Quantity | None = None
    high: Quantity | None = None


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


class Measured(msgspec.Struct, kw_only=True, gc=False):
    """What an Observation and each of its components have in common: a code and a value."""

    code: CodeableConcept | None = None
    valueQuantity: Quantity | None = None
    valueRange: ValueRange | None = None
    valueString: str | None = None
    valueInteger: msgspec.Raw = msgspec.Raw()
    interpretation: list[CodeableConcept] | CodeableConcept | None = None
    referenceRange: list[ReferenceRange] | ReferenceRange | None = None


class Observation(Measured):
    """A result. ``unread`` names the elements that could not be read; no JSON member has its name."""

    resourceType: str | None = None
    id: str | None = None
    status: str | None = None
    subject: Reference | None = None
    modifierExtension: msgspec.Raw = msgspec.Raw()
    effectiveDateTime: str | None = None
    effectiveInstant: str | None = None
    effectivePeriod: Period | None = None
    issued: str | None = None
    component: list[Measured] | Measured | None = None
    contained: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    unread: tuple[str, ...] = msgspec.field(default=(), name=" unread")

    def own_reference(self) -> str:
        """``Observation/id``, or the type alone if it has no id."""
        return f"Observation/{self.id}" if self.id else "Observation"

    def when(self) -> str | None:
        """The FHIR date at which the result was true, as sent; the date of its issue if it has no other."""
        period = self.effectivePeriod
        effective = self.effectiveDateTime or self.effectiveInstant or (period.latest() if period else None)
        return effective or self.issued

    @property
    def has_parts(self) -> bool:
        """Whether results stand inside this one."""
        return self.component is not None or self.contained is not msgspec.UNSET

    def parts(self) -> list[Observation]:
        """The results that stand inside this one: its components, and the Observations that it contains (Z47).

        What such a part does not state of itself, of its subject, status and date, is that of the whole.
        """
        parts = [
            Observation(
                **{name: getattr(component, name) for name in Measured.__struct_fields__},
                **{name: getattr(self, name) for name in _OF_THE_WHOLE},
                resourceType="Observation",
            )
            for component in many(self.component)
        ]
        return parts + _contained_results(self.contained, self)


_OF_THE_WHOLE = (
    "id",
    "status",
    "subject",
    "modifierExtension",
    "effectiveDateTime",
    "effectiveInstant",
    "effectivePeriod",
    "issued",
)


class DiagnosticReport(msgspec.Struct, gc=False):
    """A report; only the results that it contains are read."""

    id: str | None = None
    status: str | None = None
    subject: Reference | None = None
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    issued: str | None = None
    contained: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    def as_observation(self) -> Observation:
        """The report as the whole of which the Observations that it contains are parts (Z47)."""
        return Observation(
            id=self.id,
            status=self.status,
            subject=self.subject,
            effectiveDateTime=self.effectiveDateTime,
            effectivePeriod=self.effectivePeriod,
            issued=self.issued,
            contained=self.contained,
            resourceType="Observation",
        )


def _contained_results(contained: msgspec.Raw | msgspec.UnsetType, whole: Observation) -> list[Observation]:
    raws: list[msgspec.Raw] = []
    if isinstance(contained, msgspec.Raw):
        try:
            raws = msgspec.json.decode(contained, type=list[msgspec.Raw])
        except msgspec.DecodeError:
            return []
    results = [result for raw in raws if (result := observation_in_part(bytes(raw))) is not None]
    results = [result for result in results if result.resourceType == "Observation"]
    for result in results:
        result.subject = result.subject or whole.subject
        result.status = result.status or whole.status
        if result.when() is None:
            result.effectiveDateTime, result.effectivePeriod = whole.when(), None
    return results


def observation_in_part(raw: bytes) -> Observation | None:
    """An Observation of whose elements some may have another type than FHIR gives them: those are left out.

    ``None`` if it is no JSON object.
    """
    try:
        return _observation.decode(raw)
    except msgspec.DecodeError:
        pass
    try:
        members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return None
    result, unread = Observation(), []
    for field in msgspec.structs.fields(Observation):
        if field.encode_name in members and field.encode_name != " unread":
            try:
                setattr(result, field.name, msgspec.json.decode(members[field.encode_name], type=field.type))
            except msgspec.DecodeError:
                unread.append(field.encode_name)
    result.unread = tuple(unread)
    return result


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

    def abated(self) -> str | None:
        """The FHIR date on which it ended, as sent, if it has one."""
        try:
            stated = msgspec.json.decode(self.abatementDateTime or self.abatementPeriod or b"null", type=Any)
        except msgspec.DecodeError:
            return None
        ended = stated.get("end") or stated.get("start") if isinstance(stated, dict) else stated
        return ended if isinstance(ended, str) else None


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


_observation = msgspec.json.Decoder(Observation)


def many(value: list[T] | T | None) -> list[T]:
    """A repeating element as a list, whether it was sent as a list, as one object or not at all."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
