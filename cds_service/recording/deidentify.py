"""A request without what says whose it is, and with all that rules read. Imports the declarations it is given.

What is kept is listed here; everything else is dropped: names, addresses, identifiers, notes, extensions, tokens. Ids
are replaced and dates moved by whole weeks, the same way for one patient wherever it is seen; words are kept only where
the content knows them. Ages stay as they are, those over 89 too, and so do codes, values and times of day: who holds
many recordings of one rare patient may still recognise them. It is less than anonymous; keep it like a record.
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

from cds_service.content.model import Pack
from cds_service.fhir.units import ucum_of


def _listed(names: str) -> frozenset[str]:
    return frozenset(names.split())


_PARTS = _listed("""
    asNeededCodeableConcept boundsDuration boundsPeriod boundsRange category clinicalStatus code coding concept
    contained denominator dispenseRequest dosageInstruction doseAndRate doseQuantity doseRange effectivePeriod entry
    expectedSupplyDuration high initialFill interpretation issue link low maxDosePerAdministration maxDosePerPeriod
    medication medicationCodeableConcept medicationReference method numerator occurencePeriod occurrencePeriod
    onsetPeriod patient performedPeriod quantity rateQuantity rateRange rateRatio reasonCode reasonReference
    referenceRange repeat resource route search site subject timing type validityPeriod valueQuantity
    verificationStatus
""")
_NUMBERS = _listed("""
    asNeededBoolean count countMax doNotPerform duration durationMax frequency frequencyMax numberOfRepeatsAllowed
    offset period periodMax sequence total value
""")
_DATES = _listed("""
    authoredOn birthDate effectiveDateTime effectiveInstant end event occurenceDateTime occurrenceDateTime
    onsetDateTime performedDateTime recordedDate start
""")
_CODES = _listed("""
    comparator dayOfWeek durationUnit gender intent mode periodUnit priority relation resourceType severity status when
    timeOfDay
""")
_NUMBER = (bool, int, float, Decimal)
_WORDS = frozenset(["text", "display"])
_CODE = re.compile(r"[A-Za-z0-9.:+<>=-]{1,40}")
_CODED = re.compile(r"[A-Za-z0-9.-]{1,40}")
_WORD = re.compile(r"[^\W_]+")
_TIME = r"T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?"
_DATE = re.compile(rf"(\d{{4}})(?:-(\d\d)(?:-(\d\d)({_TIME})?)?)?", re.ASCII)
_REFERENCE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([^/]+)(?:/_history/[^/]+)?$")
_FHIR_OWN = ("http://terminology.hl7.org/", "http://hl7.org/fhir/")
_TIMES = _listed("s min h d wk mo a")
_UCUM = "http://unitsofmeasure.org"
_FIRST_WEEK, _WEEKS = 5, 400


class Deidentifier:
    """For requests that are judged by ``pack``; ``key`` is the secret that new ids and offsets are made with."""

    def __init__(self, pack: Pack, key: bytes) -> None:
        self._key = key
        self._systems = {
            concept.system for vs in pack.value_sets.values() for concept in (*vs.codes.values(), *vs.prefixes)
        }
        self._known = {word for said in _said(pack) for word in _WORD.findall(said.casefold())}
        self._analytes = [fact.analyte for fact in pack.facts.values() if fact.analyte is not None]
        self._units = _TIMES.union(*(fact.counted for fact in pack.facts.values()))

    def request(self, body: Mapping[str, Any], templates: Mapping[str, Any]) -> dict[str, Any]:
        """The body of a call, with the prefetch keys of ``templates`` only."""
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
            kept["context"]["selections"] = [self._reference(one) for one in context["selections"]]
        if "draftOrders" in context:
            kept["context"]["draftOrders"] = self._part(context["draftOrders"], days)
        prefetch = body.get("prefetch")
        if isinstance(prefetch, dict):
            kept["prefetch"] = {key: self._part(prefetch[key], days) for key in templates if key in prefetch}
        return kept

    def days(self, body: Mapping[str, Any]) -> int:
        """How far the dates of a call's patient are moved: whole weeks into the past."""
        digest = self._digest("offset", _context(body).get("patientId"))
        return -7 * (_FIRST_WEEK + int.from_bytes(digest[:4]) % _WEEKS)

    def _part(self, tree: Any, days: int) -> Any:
        """An element and what is below it, as far as it is listed."""
        if isinstance(tree, list):
            return [self._part(one, days) for one in tree]
        if not isinstance(tree, dict):
            return tree if tree is None or isinstance(tree, _NUMBER) else ""
        kept = {}
        for name, value in tree.items():
            found = self._element(tree, name, value, days)
            if found is not None:
                kept[name] = found
        return kept

    def _element(self, parent: Mapping[str, Any], name: str, value: Any, days: int) -> Any:
        if name == "modifierExtension":
            return [{"url": "urn:other"}]  # that there is one is what matters
        if name == "link" and isinstance(value, list):
            return [{"relation": one.get("relation"), "url": "urn:other"} for one in value if isinstance(one, dict)]
        if isinstance(value, dict | list) and name in _PARTS | _DATES | _CODES:
            if isinstance(value, dict):
                return self._part(value, days)
            return [self._element(parent, name, one, days) for one in value]
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
        if name in _WORDS:
            return self._words(value)
        if name == "system":
            return value if value in self._systems or value == _UCUM or value.startswith(_FHIR_OWN) else "urn:other"
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
        def word(match: re.Match[str]) -> str:
            return match[0] if match[0].casefold() in self._known else "x"

        return _WORD.sub(word, text)

    def _reference(self, value: Any) -> str:
        """A new id for an id, the same in every reference to it: relative, absolute, versioned or contained."""
        if not isinstance(value, str):
            return ""
        if value.startswith("#"):
            return f"#{self._id(value[1:])}"
        if value.startswith("urn:"):
            return f"urn:uuid:{UUID(self._id(value, 32))}"
        found = _REFERENCE.search(value)
        return f"{found[1]}/{self._id(found[2])}" if found else self._id(value)

    def _id(self, value: Any, length: int = 20) -> str:
        return self._digest("id", value).hex()[:length]

    def _digest(self, use: str, value: Any) -> bytes:
        return hmac.new(self._key, f"{use} {value}".encode(), hashlib.sha256).digest()


def _context(body: Mapping[str, Any]) -> Mapping[str, Any]:
    context = body.get("context")
    return context if isinstance(context, dict) else {}


def _said(pack: Pack) -> Iterator[str]:
    """Every name by which the content knows something, and the words of codes."""
    for value_set in pack.value_sets.values():
        yield from value_set.names
        yield from (concept.display for concept in (*value_set.codes.values(), *value_set.prefixes))
    for fact in pack.facts.values():
        yield from fact.naming


def _moved(text: str, days: int) -> str:
    """A FHIR date moved; a partial one stays partial, and what is none is not kept."""
    found = _DATE.fullmatch(text)
    if found is None:
        return "x"
    try:
        day = date(int(found[1]), int(found[2] or 1), int(found[3] or 1)) + timedelta(days=days)
    except (ValueError, OverflowError):
        return "x"
    whole = day.isoformat()
    return whole[:4] if found[2] is None else whole[:7] if found[3] is None else whole + (found[4] or "")


def outcome(cards: list[Mapping[str, Any]]) -> str:
    """What was decided, without ids, dates and words of the record: equal before and after, or it is not kept."""
    told = [
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
    return json.dumps(told, sort_keys=True)


def _action(action: Mapping[str, Any]) -> list[Any]:
    resource = action.get("resource") or {}
    dosages = [
        {
            "route": one.get("route"),
            "repeat": _undated((one.get("timing") or {}).get("repeat")),
            "dose": one.get("doseAndRate"),
        }
        for one in resource.get("dosageInstruction") or []
    ]
    return [action["type"], resource.get("resourceType"), resource.get("status"), dosages]


def _undated(repeat: Any) -> Any:
    return {key: value for key, value in (repeat or {}).items() if key != "boundsPeriod"}
