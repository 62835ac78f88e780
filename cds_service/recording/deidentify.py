"""De-identified requests: without what says whose they are, but with everything that rules read.

What is kept is listed here; everything else is dropped: names, addresses, identifiers, notes, extensions, tokens. Ids
are replaced and dates moved by whole weeks, the same way for one patient in every request; words are kept only where
the content knows them. Ages stay as they are, those over 89 too, and so do codes, values and times of day: somebody who
holds many recordings of one unusual patient may still recognise that patient. This is less than anonymous: protect it
like a medical record.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from cds_service.chart import statuses
from cds_service.content.model import Pack
from cds_service.fhir import medications, names
from cds_service.fhir.codes import canonical
from cds_service.fhir.schedule_words import folded_schedule, form_of_text
from cds_service.fhir.units import ucum_of


def _listed(elements: str) -> frozenset[str]:
    return frozenset(elements.split())


_PARTS = _listed("""
    abatementAge abatementPeriod abatementRange adherence asNeededCodeableConcept authorizingPrescription basedOn
    boundsDuration boundsPeriod boundsRange category clinicalStatus code coding component concept contained
    denominator derivedFrom dispenseRequest dosage dosageInstruction dose doseAndRate doseQuantity doseRange
    effectivePeriod entry expectedSupplyDuration high ingredient initialFill interpretation issue
    itemCodeableConcept itemReference link low maxDosePerAdministration maxDosePerPeriod medication
    medicationCodeableConcept medicationReference method numerator occurencePeriod occurrencePeriod onsetPeriod
    patient performedPeriod priorPrescription quantity rateQuantity rateRange rateRatio reaction reasonCode
    reasonReference referenceRange repeat reportedReference request resource route search site subject substance
    timing type vaccineCode validityPeriod valueQuantity valueRange verificationStatus
""")
_NUMBERS = _listed("""
    abatementBoolean asNeededBoolean count countMax doNotPerform duration durationMax frequency frequencyMax isActive
    numberOfRepeatsAllowed offset period periodMax reported reportedBoolean sequence total value valueInteger
""")
_DATES = _listed("""
    abatementDateTime authoredOn birthDate dateAsserted effectiveDateTime effectiveInstant end event issued
    occurenceDateTime occurrenceDateTime onsetDateTime performedDateTime recordedDate start whenHandedOver
    whenPrepared
""")
_CODES = _listed("""
    clinicalStatus comparator dayOfWeek durationUnit gender intent mode periodUnit priority relation resourceType
    severity status timeOfDay verificationStatus when
""")
_NUMBER = (bool, int, float, Decimal)
_WORDS = _listed("abatementString display text valueString")
_CODE = re.compile(r"[A-Za-z0-9.:+<>=-]{1,40}")
_CODED = re.compile(r"[A-Za-z0-9.<>-]{1,40}")
_WORD = re.compile(r"[^\W_]+")
_AMOUNT_OR_WORD = re.compile(rf"{medications.AMOUNT.pattern}|{_WORD.pattern}", re.IGNORECASE)
_RESULT = re.compile(r"[<>=]*\s*[-+]?\d{1,7}(?:[.,]\d{1,4})?")
_TIME = r"T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?"
_DATE = re.compile(rf"(\d{{4}})(?:-(\d\d)(?:-(\d\d)({_TIME})?)?)?", re.ASCII)
_REFERENCE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([^/]+)(?:/_history/[^/]+)?$")
_FHIR_OWN = ("http://terminology.hl7.org/", "http://hl7.org/fhir/")
_TIMES = _listed("s min h d wk mo a")
_UCUM = "http://unitsofmeasure.org"
_FIRST_WEEK, _WEEKS = 5, 400


class Deidentifier:
    """De-identifies requests that ``pack`` judges; new ids and offsets of dates are made with the secret ``key``."""

    def __init__(self, pack: Pack, key: bytes) -> None:
        self._key = key
        self._how_often = {key for fact in pack.facts.values() for key in fact.schedules}
        self._systems: frozenset[str] = frozenset(key.rpartition("|")[0] for key in self._how_often).union(
            *(vs.systems for vs in pack.value_sets.values())
        )
        self._known = {names.folded(word) for words in _words_of(pack) for word in _WORD.findall(words)}
        self._analytes = [fact.analyte for fact in pack.facts.values() if fact.analyte is not None]
        self._units = _TIMES.union(*(fact.counted for fact in pack.facts.values()))

    def request(self, body: Mapping[str, Any], templates: Mapping[str, Any]) -> dict[str, Any]:
        """The body of a call without what identifies; of its prefetch, only the keys of ``templates`` are kept."""
        context, days = _context(body), self.days(body)
        kept: dict[str, Any] = {
            "hook": body.get("hook"),
            "hookInstance": str(UUID(self._id(body.get("hookInstance"), 32))),
        }
        kept["context"] = {
            name: self._reference(value)
            for name, value in context.items()
            if name in ("userId", "patientId", "encounterId")
        }
        if isinstance(context.get("selections"), list):
            kept["context"]["selections"] = [self._reference(name) for name in context["selections"]]
        if "draftOrders" in context:
            kept["context"]["draftOrders"] = self._part(context["draftOrders"], days)
        prefetch = body.get("prefetch")
        if isinstance(prefetch, dict):
            kept["prefetch"] = {key: self._part(prefetch[key], days) for key in templates if key in prefetch}
        return kept

    def days(self, body: Mapping[str, Any]) -> int:
        """By how many days the dates of this call's patient are moved: whole weeks, negative because into the past."""
        digest = self._digest("offset", _context(body).get("patientId"))
        return -7 * (_FIRST_WEEK + int.from_bytes(digest[:4]) % _WEEKS)

    def _part(self, tree: Any, days: int) -> Any:
        """An element with those of its descendants that are listed."""
        if isinstance(tree, list):
            return [self._part(item, days) for item in tree]
        if not isinstance(tree, dict):
            return tree if tree is None or isinstance(tree, _NUMBER) else ""
        kept = {}
        for name, value in tree.items():
            element = self._element(tree, name, value, days)
            if element is not None:
                kept[name] = element
        return kept

    def _element(self, parent: Mapping[str, Any], name: str, value: Any, days: int) -> Any:
        if name == "modifierExtension":
            return [{"url": "urn:other"}]  # it matters only that there is a modifier extension
        if name == "identifier" and parent.get("resourceType") == "MedicationRequest":
            return self._identifiers(value)
        if name == "link" and isinstance(value, list):
            return [{"relation": link.get("relation"), "url": "urn:other"} for link in value if isinstance(link, dict)]
        if isinstance(value, dict | list) and name in _PARTS | _DATES | _CODES:
            if isinstance(value, dict):
                return self._part(value, days)
            return [self._element(parent, name, item, days) for item in value]
        if isinstance(value, _NUMBER) and name in _NUMBERS:
            return value
        if isinstance(value, str):
            return self._string(parent, name, value, days)
        return None

    def _string(self, parent: Mapping[str, Any], name: str, value: str, days: int) -> str | None:
        if name in ("id", "fullUrl", "reference"):
            return self._reference(value)
        if name in _DATES:
            return _moved(value, days)
        if name in _CODES:
            return value if _CODE.fullmatch(value) else "other"
        if name in ("value", "valueString") and _RESULT.fullmatch(value.strip()):
            return value
        if name in _WORDS:
            return self._words(value)
        if name == "system":
            is_known = canonical(value) in self._systems or value == _UCUM or value.startswith(_FHIR_OWN)
            return value if is_known else "urn:other"
        if name == "value":
            return "0" if re.fullmatch(r"[-+.\d]+", value) else "x"
        if name == "unit" or (name == "code" and "value" in parent):
            return self._unit(value)
        if name == "code":
            system = parent.get("system")
            is_known = system is None or self._string(parent, "system", str(system), days) == system
            return value if is_known and _CODED.fullmatch(value) else "other"
        return None

    def _unit(self, value: str) -> str:
        """A unit that is known as it is sent; one with an annotation, which can say anything, as the code it means."""
        if value in self._units or not value:
            return value
        code = next((code for analyte in self._analytes if (code := ucum_of(analyte, value))), "")
        if not code:
            return "other"
        return code if "{" in value else value

    def _words(self, text: str) -> str:
        """The words that the content knows; the whole text with its numbers if it only says how often (Z57)."""
        if form_of_text(text) or folded_schedule(text) in self._how_often:
            return text

        def word(match: re.Match[str]) -> str:
            is_known = names.folded(match[0]) in self._known or medications.AMOUNT.fullmatch(match[0])
            return match[0] if is_known else "other"  # no reader knows it

        return _AMOUNT_OR_WORD.sub(word, text)

    def _reference(self, value: Any) -> str:
        """The reference with a new id, which is the same in every reference to it: relative, absolute, versioned,
        contained, or by ``urn:uuid:``.
        """
        if not isinstance(value, str):
            return ""
        if value.startswith("#"):
            return f"#{self._id(value[1:])}"
        if value.startswith("urn:"):
            return f"urn:uuid:{self._id(value.removeprefix('urn:uuid:'))}"
        match = _REFERENCE.search(value)
        return f"{match[1]}/{self._id(match[2])}" if match else self._id(value)

    def _identifiers(self, value: Any) -> list[dict[str, str]]:
        """The identifiers of an order, each another, but the same wherever it stands: one order may have two ids."""
        rows = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
        keys = ("system", "value")
        return [
            {k: self._id(row[k]) for k in keys if isinstance(row.get(k), str)} for row in rows if isinstance(row, dict)
        ]

    def _id(self, value: Any, length: int = 20) -> str:
        return self._digest("id", value).hex()[:length]

    def _digest(self, use: str, value: Any) -> bytes:
        return hmac.new(self._key, f"{use} {value}".encode(), hashlib.sha256).digest()


def _context(body: Mapping[str, Any]) -> Mapping[str, Any]:
    context = body.get("context")
    return context if isinstance(context, dict) else {}


def _words_of(pack: Pack) -> Iterator[str]:
    """Every name by which the content knows something, the displays of its codes, and what is read beside them."""
    for value_set in pack.value_sets.values():
        yield from value_set.names
        concepts = (*value_set.codes.values(), *value_set.prefixes, *value_set.names.values())
        yield from (concept.display for concept in concepts)
    for fact in pack.facts.values():
        yield from fact.naming
    yield from medications.READ_WORDS | names.READ_WORDS
    yield from statuses.CLINICAL | statuses.VERIFICATION | statuses.EVENT_STATUSES


def _moved(text: str, days: int) -> str:
    """A FHIR date moved by ``days``, as exact as it was; ``x`` for a text that is not a date."""
    match = _DATE.fullmatch(text)
    if match is None:
        return "x"
    try:
        day = date(int(match[1]), int(match[2] or 1), int(match[3] or 1)) + timedelta(days=days)
    except (ValueError, OverflowError):
        return "x"
    whole = day.isoformat()
    return whole[:4] if match[2] is None else whole[:7] if match[3] is None else whole + (match[4] or "")


def comparable_decisions(cards: list[Mapping[str, Any]]) -> str:
    """What cards decide, as JSON without ids, dates and words.

    A recording is kept only if this is the same for the request and for its de-identified form.
    """
    decisions = [
        [
            card["source"]["topic"]["code"],
            card["indicator"],
            [
                [suggestion.get("isRecommended", False), *(_action(action) for action in suggestion["actions"])]
                for suggestion in card.get("suggestions", [])
            ],
        ]
        for card in cards
    ]
    return json.dumps(decisions, sort_keys=True)


def _action(action: Mapping[str, Any]) -> list[Any]:
    resource = action.get("resource") or {}
    dosages = [
        {
            "route": dosage.get("route"),
            "repeat": _undated((dosage.get("timing") or {}).get("repeat")),
            "dose": dosage.get("doseAndRate"),
        }
        for dosage in resource.get("dosageInstruction") or []
    ]
    return [action["type"], resource.get("resourceType"), resource.get("status"), dosages]


def _undated(repeat: Any) -> Any:
    return {key: value for key, value in (repeat or {}).items() if key != "boundsPeriod"}
