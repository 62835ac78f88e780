"""Every way in which one element of a resource can be replaced by something that nobody knows.

``replacements`` walks a resource of a request and yields each element with its replacement; ``fire_replaced`` fires
them. A request is encoded once for all replacements in one resource, and a body that was fired before is not fired
again, so that thousands take seconds.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import Answer, evaluate
from cds_service.protocol.faults import Fault
from cds_service.protocol.profiles import Profile
from cds_service.vocabulary.json_text import encode

Json = dict[str, Any]
Path = tuple[str | int, ...]

CODE, SYSTEM, UNIT, DATE, STATUS = "zz-unknown", "http://example.org/unknown", "zorkmid", "someday", "zz"
UNKNOWN_CODING = {"system": SYSTEM, "code": CODE}
# A route with a text of its own: words that no list has.
UNKNOWN_ROUTE = {"coding": [UNKNOWN_CODING], "text": "zz unknown"}
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\S+)?)?)?")
_UNITS = ("unit", "periodUnit", "durationUnit")
# Whose the resource is stays as it is; what no fact is read from is a name, a number of the house or a narrative.
_UNTOUCHED = frozenset({"subject", "patient", "identifier", "meta", "id", "resourceType", "display", "name", "address"})
_MARK = "the resource that is replaced"


@dataclass(frozen=True, slots=True)
class Replacement:
    """One element replaced: what it is (``code``, ``unit`` ...), where it stood, and the resource with it replaced."""

    kind: str
    path: Path
    resource: Json

    @property
    def place(self) -> str:
        """The path as FHIR writes it."""
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path).lstrip(".")


def replacements(resource: Json) -> Iterator[Replacement]:
    """Each code, system, unit, route, status, date and reference of a resource replaced in turn.

    Besides, each CodeableConcept as a whole, with all its codings and words, and each Quantity with unit and code: of
    these nothing is left that could tell. A drug that stands in the resource is replaced by a reference to a Medication
    that was not sent, with its words and without.
    """
    for kind, path, new in _elements(resource, ()):
        replaced = copy.deepcopy(resource)
        holder: Any = replaced
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = new
        yield Replacement(kind, path, replaced)
    drug = resource.get("medicationCodeableConcept")
    if drug is not None:
        rest = {name: member for name, member in resource.items() if name != "medicationCodeableConcept"}
        missing = {"reference": "Medication/zz-missing"}
        words = drug.get("text") or next((coding["display"] for coding in drug["coding"] if "display" in coding), "")
        for reference in (missing, missing | {"display": words}) if words else (missing,):
            yield Replacement("reference", ("medicationReference",), rest | {"medicationReference": reference})


def _elements(value: Any, path: Path) -> Iterator[tuple[str, Path, Any]]:
    if isinstance(value, list):
        for index, member in enumerate(value):
            yield from _elements(member, (*path, index))
    if not isinstance(value, dict):
        return
    for name, member in value.items():
        here = (*path, name)
        if name in _UNTOUCHED or (name == "text" and not isinstance(member, str)):
            continue
        if isinstance(member, str):
            yield from ((kind, here, new) for kind, new in _scalar(name, member))
        elif name in ("dayOfWeek", "when"):
            yield "code", here, [CODE]
        elif name == "route":
            yield "route", here, UNKNOWN_ROUTE
            yield from _elements(member, here)
        else:
            if isinstance(member, dict):
                if "coding" in member:
                    yield "concept", here, {"coding": [UNKNOWN_CODING]}
                elif "value" in member and "unit" in member and "code" in member:
                    yield "quantity", here, member | {"unit": UNIT, "code": UNIT}
            elif isinstance(member, list) and any(isinstance(one, dict) and "coding" in one for one in member):
                yield from (("concept", (*here, index), {"coding": [UNKNOWN_CODING]}) for index in range(len(member)))
            yield from _elements(member, here)


def _scalar(name: str, member: str) -> Iterator[tuple[str, str]]:
    if name == "code":
        yield "code", CODE
    elif name == "system":
        yield "system", SYSTEM
    elif name in _UNITS:
        yield "unit", UNIT
    elif name == "status":
        yield "status", STATUS
    elif name == "reference":
        kind = re.search(r"(?:^|/)([A-Z][A-Za-z]+)/", member)
        yield "reference", f"{kind[1] if kind else 'Medication'}/zz-missing"
    elif _DATE.fullmatch(member):
        yield "date", DATE


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request: an answer, or the status of a refusal."""

    status: int
    answer: Answer | None
    body: bytes

    @property
    def cards(self) -> Sequence[Mapping[str, Any]]:
        """The cards; none for a refusal."""
        return self.answer.body["cards"] if self.answer is not None else ()

    @property
    def decisions(self) -> set[str]:
        """The decisions of which a finding is shown, on a card of its own or as a line."""
        return {topic.decision for topic in self.topics}

    @property
    def topics(self) -> set[Topic]:
        """What is shown: each finding of an active decision."""
        judged = self.answer.judged if self.answer is not None else ()
        return {
            Topic(finding.decision.id, finding.topic, finding.decision.safety)
            for order in judged
            for finding in order.decided.cards
            if finding.decision.status == "active"
        }

    @property
    def sentences(self) -> set[str]:
        """Each sentence of the cards."""
        words = " ".join(f"{card['summary']} {card.get('detail', '')}" for card in self.cards)
        return {sentence.strip() for sentence in re.split(r"(?<=[.?!:])\s+|\n", words)}


@dataclass(frozen=True, slots=True)
class Topic:
    """A finding that is shown, and whether its decision is one of safety."""

    decision: str
    code: str
    safety: bool


class Firing:
    """Fires the requests of one scenario; ``bodies`` holds the digests of those that were fired by any."""

    def __init__(self, prepared: Prepared, hook: str, now: datetime, profile: Profile, seen: set[int]) -> None:
        self._prepared = prepared
        service = prepared.pack.service_for(hook)
        assert service is not None, hook
        self.service = service
        self.now = now
        self._profile = profile
        self._seen = seen

    def fire(self, body: bytes) -> Outcome:
        """The answer to one body.

        Raises:
            Exception: a fault of the service.
        """
        try:
            return Outcome(200, evaluate(self._prepared, self.service, body, self.now, self._profile), body)
        except Fault as fault:
            return Outcome(fault.status, None, body)

    def replaced(
        self, request: Json, reference: str, topics: set[Topic], cases: set[int]
    ) -> Iterator[tuple[Replacement, Outcome]]:
        """Each replacement in a resource that ``reference`` names, wherever in the request it stands, fired once.

        A draft may stand for an order of the record; then each of the two is replaced and the other left. ``topics``
        are those shown before, and ``cases`` the resources that were replaced already: the same resource under the same
        findings at the same service is not replaced again.
        """
        for resource, parts in _resources(request, reference):
            case = hash((self.service.id, repr(self._profile), encode(resource), frozenset(topics)))
            if case in cases:
                continue
            cases.add(case)
            for replacement in replacements(resource):
                body = encode(replacement.resource).join(parts)
                digest = hash((self.service.id, self.now, repr(self._profile), body))
                if digest not in self._seen:
                    self._seen.add(digest)
                    yield replacement, self.fire(body)


def _resources(request: Json, reference: str) -> Iterator[tuple[Json, list[bytes]]]:
    """Each different resource of a reference, and the encoded request around each place where it stands."""
    found: list[Json] = []

    def marked(value: Any, only: Json | None = None) -> Any:
        if isinstance(value, dict):
            if f"{value.get('resourceType')}/{value.get('id')}" == reference and only in (None, value):
                found.append(value)
                return _MARK
            return {name: marked(member, only) for name, member in value.items()}
        return [marked(member, only) for member in value] if isinstance(value, list) else value

    marked(request)
    for resource in {encode(each): each for each in found}.values():
        yield resource, encode(marked(request, resource)).split(encode(_MARK))


def deciding(answer: Answer) -> dict[str, set[tuple[str, str]]]:
    """The resources that decided what is shown, by reference, each with the decisions and facts it was read for."""
    resources: dict[str, set[tuple[str, str]]] = {}
    for order in answer.judged:
        for finding in order.decided.cards:
            if finding.decision.status != "active":
                continue
            for name, fact in finding.used.items():
                for item in fact.evidence:
                    # Evidence may name an element of a resource behind a space or a hash.
                    reference = re.split(r"[ #]", item.reference)[0]
                    if reference == "Patient":
                        reference = f"Patient/{answer.request.patient_id}"
                    if reference.count("/") == 1:
                        resources.setdefault(reference, set()).add((finding.decision.id, name))
    return resources
