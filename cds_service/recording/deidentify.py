"""De-identified requests: what an evaluation reads of a call, in words of the content, and nothing that names a person.

Everything that is kept stands on a closed list (``elements``), codes and words in the spelling of the content
(``canonical``), dates moved and made coarse (``moves``). The id of a patient is replaced by a keyed one; of the other
ids only their order is kept, by which events of one day are told apart. A request that would be decided otherwise is
not kept. What can still be linked to a person is said in SECURITY.md.
"""

from __future__ import annotations

import hmac
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from random import Random
from typing import Any, NamedTuple
from uuid import uuid4

from cds_service.content.model import Pack
from cds_service.fhir.schedule_words import UNITS
from cds_service.fhir.tree import Node, nodes, text
from cds_service.recording.canonical import OTHER, Canonical
from cds_service.recording.elements import ELEMENTS, TYPES, by_type, draft
from cds_service.recording.moves import Attempt, Moves, attempts
from cds_service.recording.rules import Rewriter, identity_in, neutral

_FIRST_WEEK, _WEEKS = 5, 400
_DAYS_OF_A_WEEK = 7
_ID_LETTERS = 20
_REFERRING = frozenset({"id", "reference", "fullUrl", "selections"})
_VALID_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_USER, _ENCOUNTER = "Practitioner/user", "encounter"
# What of the resources beside those that are asked for is read: the results in a report, the drug that is referred to.
_BESIDE = frozenset({"DiagnosticReport", "Medication", "Immunization", "OperationOutcome"})


class Deidentified(NamedTuple):
    """A de-identified request with the time that it is replayed at, and how much was left out of it, by kind."""

    request: dict[str, Any]
    now: datetime
    dropped: Mapping[str, int]


class Deidentifier:
    """De-identifies requests that ``pack`` judges; ids and offsets of dates are made with the secret ``key``.

    ``zone`` is the hospital's time zone.
    """

    def __init__(self, pack: Pack, key: bytes, zone: tzinfo = UTC) -> None:
        self._pack = pack
        self._key = key
        self._zone = zone
        self._canonical = Canonical(pack)

    def forms(
        self, body: Mapping[str, Any], templates: Mapping[str, Any], now: datetime, chance: Random
    ) -> Iterator[Deidentified]:
        """The forms that a call at ``now`` may be kept in, the coarsest first."""
        for attempt in attempts(self._zone, self.days(body), now, _dated_texts(body), chance):
            yield self._form(body, templates, attempt)

    def request(self, body: Mapping[str, Any], templates: Mapping[str, Any]) -> dict[str, Any]:
        """The body of a call with all dates moved by ``days``, to the day; of its prefetch, the keys of
        ``templates``.
        """
        return self._written(body, templates, Moves(self._zone, self.days(body)), Counter())

    def days(self, body: Mapping[str, Any]) -> int:
        """By how many days the dates of this call's patient are moved: whole weeks, negative because into the past."""
        digest = self._digest("offset", text(_context(body), "patientId"))
        return -_DAYS_OF_A_WEEK * (_FIRST_WEEK + int.from_bytes(digest[:4]) % _WEEKS)

    def _form(self, body: Mapping[str, Any], templates: Mapping[str, Any], attempt: Attempt) -> Deidentified:
        dropped: Counter[str] = Counter()
        request = self._written(body, templates, attempt.moves, dropped)
        return Deidentified(request, attempt.now, {kind: n for kind, n in sorted(dropped.items()) if n})

    def _written(
        self, body: Mapping[str, Any], templates: Mapping[str, Any], moves: Moves, dropped: Counter[str]
    ) -> dict[str, Any]:
        context = _context(body)
        patient = text(context, "patientId")
        new_patient = self._digest("id", patient).hex()[:_ID_LETTERS]
        by = Rewriter(self._canonical, moves, TYPES, patient, new_patient, _ordered(body, patient), dropped)
        hook, hooks = text(body, "hook"), {service.hook for service in self._pack.services.values()}
        kept: dict[str, Any] = {
            "hook": hook if hook in hooks else OTHER,
            "hookInstance": str(uuid4()),
            "context": _written_context(by, context),
        }
        prefetch = body.get("prefetch")
        if isinstance(prefetch, dict):
            kept["prefetch"] = {key: self._prefetched(by, key, prefetch[key]) for key in templates if key in prefetch}
        return kept

    def _prefetched(self, by: Rewriter, key: str, value: Any) -> Any:
        """What was sent under a prefetch key: a Bundle, a resource, or what is neither."""
        if not isinstance(value, dict):
            return neutral(value)
        types = _BESIDE | {self._pack.searches[key].resource} if key in self._pack.searches else _BESIDE
        kind = text(value, "resourceType")
        if kind != "Bundle":
            return self._resource(by, value, types) if kind in ELEMENTS else {"resourceType": OTHER}
        kept: dict[str, Any] = {"resourceType": "Bundle"}
        entries = value.get("entry")
        if "entry" in value:
            kept["entry"] = (
                [self._entry(by, entry, types) for entry in entries] if isinstance(entries, list) else neutral(entries)
            )
        if "link" in value:
            kept["link"] = _links(value["link"])
        if "total" in value:
            kept["total"] = _total(value["total"], len(entries) if isinstance(entries, list) else 0)
        return kept

    def _entry(self, by: Rewriter, entry: Any, types: frozenset[str]) -> Any:
        if not isinstance(entry, dict):
            return neutral(entry)
        kept: dict[str, Any] = {}
        if "resource" in entry:
            resource = entry["resource"]
            kept["resource"] = self._resource(by, resource, types) if isinstance(resource, dict) else neutral(resource)
        for name, member, known in (("search", "mode", _MODES), ("request", "method", _METHODS)):
            if name in entry:
                kept[name] = _one_member(entry[name], member, known)
        return kept

    def _resource(self, by: Rewriter, resource: Node, types: frozenset[str]) -> Any:
        whose = text(_object_in(resource, "patient") or _object_in(resource, "subject"), "reference")
        if whose and identity_in(whose) != by.patient and text(resource, "resourceType") in types:
            return _of_another_patient(by, resource, whose)
        return by_type(by, resource, types)

    def _digest(self, use: str, value: str) -> bytes:
        return hmac.digest(self._key, f"{use} {value}".encode(), "sha256")


# https://hl7.org/fhir/R4/valueset-search-entry-mode.html, https://hl7.org/fhir/R4/valueset-http-verb.html
_MODES = frozenset({"match", "include", "outcome"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"})


def _context(body: Mapping[str, Any]) -> Node:
    context = body.get("context")
    return context if isinstance(context, dict) else {}


def _object_in(resource: Node, name: str) -> Node:
    value = resource.get(name)
    return value if isinstance(value, dict) else {}


def _written_context(by: Rewriter, context: Node) -> dict[str, Any]:
    kept: dict[str, Any] = {"userId": _USER, "patientId": by.new_patient}
    if isinstance(context.get("encounterId"), str):
        kept["encounterId"] = _ENCOUNTER
    if isinstance(context.get("selections"), list):
        kept["selections"] = [
            by.reference(name) if isinstance(name, str) else neutral(name) for name in context["selections"]
        ]
    if "draftOrders" in context:
        kept["draftOrders"] = _drafts(by, context["draftOrders"])
    return kept


def _drafts(by: Rewriter, bundle: Any) -> Any:
    if not isinstance(bundle, dict):
        return neutral(bundle)
    entries = []
    for entry in nodes(bundle, "entry"):
        kept: dict[str, Any] = {}
        if isinstance(entry.get("fullUrl"), str):
            kept["fullUrl"] = by.reference(entry["fullUrl"])
        if isinstance(entry.get("resource"), dict):
            kept["resource"] = draft(by, entry["resource"])
        entries.append(kept)
    return {"resourceType": "Bundle", "entry": entries}


def _of_another_patient(by: Rewriter, resource: Node, whose: str) -> dict[str, Any]:
    """A resource of somebody else, of whom nothing is kept but that it is there."""
    element = "patient" if "patient" in resource else "subject"
    kept = {"resourceType": by.kind(text(resource, "resourceType")), element: {"reference": by.reference(whose)}}
    return kept


def _links(links: Any) -> Any:
    """The links of a Bundle, of which only whether there is a next page is read."""
    if not isinstance(links, list):
        return neutral(links)
    return [_one_member(link, "relation", _RELATIONS) for link in links]


_RELATIONS = frozenset({"next", "self"})


def _one_member(value: Any, member: str, known: frozenset[str]) -> Any:
    """An object with the one member of it that is read, a word of a closed list."""
    if not isinstance(value, dict):
        return neutral(value)
    if member not in value:
        return {}
    word = value[member]
    return {member: word if isinstance(word, str) and word in known else neutral(word)}


def _total(total: Any, entries: int) -> Any:
    """How many entries were found, as far as it is read: more than there are, or not (Z41)."""
    if isinstance(total, bool) or not isinstance(total, int):
        return neutral(total)
    return entries if total <= entries else entries + 1


def _ordered(body: Mapping[str, Any], patient: str) -> dict[str, str]:
    """Each id of a request with the one that is written in its place: numbers in the order of the ids.

    One that is not valid FHIR becomes one that is neither, because suggestions cannot name it (RSP-42).
    """
    identities = sorted({identity_in(name) for name in _references_in(body)} - {"", patient})
    width = len(str(len(identities)))
    return {
        identity: f"{number:0{width}}{'' if _VALID_ID.fullmatch(identity) else _unlike_an_id(identity)}"
        for number, identity in enumerate(identities, 1)
    }


def _unlike_an_id(identity: str) -> str:
    return " ~" if any(sign.isspace() for sign in identity) else "~"


def _references_in(tree: Any) -> Iterable[str]:
    """Every id and reference of a request; found without recursion."""
    left = [tree]
    while left:
        tree = left.pop()
        if isinstance(tree, dict):
            for name, value in tree.items():
                if name in _REFERRING:
                    yield from (
                        item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)
                    )
            left += tree.values()
        elif isinstance(tree, list):
            left += tree


def comparable_decisions(cards: list[Mapping[str, Any]]) -> str:
    """What cards decide, as JSON without ids, dates and words.

    A recording is kept only if this is the same for the request and for its de-identified form. Numbers stand as they
    are, units and routes as far as both forms spell them alike.
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
            "route": bool(dosage.get("route")),
            "repeat": _repeated((dosage.get("timing") or {}).get("repeat") or {}),
            "dose": [
                [(rate.get("doseQuantity") or {}).get("value"), *_ends(rate.get("doseRange") or {})]
                for rate in dosage.get("doseAndRate") or []
            ],
        }
        for dosage in resource.get("dosageInstruction") or []
    ]
    return [action["type"], resource.get("resourceType"), resource.get("status"), dosages]


def _ends(limits: Mapping[str, Any]) -> list[Any]:
    return [(limits.get(end) or {}).get("value") for end in ("low", "high")]


_HOW_OFTEN = ("count", "countMax", "frequency", "frequencyMax", "period", "periodMax", "dayOfWeek", "when")


def _repeated(repeat: Mapping[str, Any]) -> dict[str, Any]:
    unit = repeat.get("periodUnit")
    often = {key: repeat[key] for key in _HOW_OFTEN if key in repeat}
    return often | {"periodUnit": UNITS.get(unit.casefold(), "") if isinstance(unit, str) else ""}


def _dated_texts(tree: Any) -> Iterable[str]:
    """Every text of a tree, to look for dates in; found without recursion."""
    left = [tree]
    while left:
        tree = left.pop()
        if isinstance(tree, str):
            yield tree
        elif isinstance(tree, dict | list):
            left += tree.values() if isinstance(tree, dict) else tree
