"""Hook requests as hospitals write them: one right request of the fixtures, changed in one place, and what must come.

A ``Case`` is a row of a table: its id, why hospitals write so, what is right, and the changes. A change is a function
that takes the ``Call`` and alters it; the functions below make the usual ones. ``assert_right`` fires the case in
process, at the day as of which the fixtures are written, and compares.

The right call is hydroxocobalamin into the muscle three times a week for a man whose only platelet count is 22: that
is critical. The count carries neither flag nor reference range, so that nothing but its number tells that it is low.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest

from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.packaged import packaged
from cds_service.protocol.faults import Fault
from cds_service.replay.scenario import DEFAULT_NOW, search
from cds_service.vocabulary.json_text import encode

NOW = datetime.fromisoformat(DEFAULT_NOW)

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
UNII = "http://fdasis.nlm.nih.gov"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD_10_GM = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
FLAGS = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
HOUSE = "urn:oid:1.2.840.114350.1.13.999.1.7.2.696580"
# A list that no table can know.
LOCAL = "https://hospital.example/fhir/CodeSystem/local"

Json = dict[str, Any]


@dataclass
class Call:
    """A request under construction. ``raw`` are changes of the bytes, made after all others."""

    body: Json
    raw: list[Callable[[bytes], bytes]] = field(default_factory=list)

    @property
    def patient(self) -> str:
        """The id of the patient."""
        name: str = self.body["context"]["patientId"]
        return name

    @property
    def drafts(self) -> list[Json]:
        """The entries of the draft orders."""
        entries: list[Json] = self.body["context"]["draftOrders"]["entry"]
        return entries

    @property
    def order(self) -> Json:
        """The first draft order."""
        resource: Json = self.drafts[0]["resource"]
        return resource

    def entries(self, key: str) -> list[Json]:
        """The entries under a prefetch key."""
        entries: list[Json] = self.body["prefetch"][key].setdefault("entry", [])
        return entries

    @property
    def count(self) -> Json:
        """The newest platelet count."""
        resource: Json = self.entries("platelets")[0]["resource"]
        return resource


Change = Callable[[Call], None]


@dataclass(frozen=True)
class Right:
    """What a call must be answered with.

    ``decision`` is the decision that a card must come from, and ``indicators`` those it may have; none of them means
    that the decision must say nothing. A finding of the level info may be a line on the card of another (Z30). ``says``
    are words that the card must hold. ``status`` are the statuses that the answer may have.
    """

    decision: str = ""
    indicators: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    status: tuple[int, ...] = (200,)
    topic: str = ""


EVERY_INDICATOR = ("info", "warning", "critical")
CRITICAL = Right("imPlatelets", ("critical",))
THIN_NEEDLE = Right("imPlatelets", ("warning",), topic="imPlateletsThinNeedle")
# A low number that could not be read for certain (Z45): the number is quoted.
SPEAKS = Right("imPlatelets", EVERY_INDICATOR)
NO_BLEEDING_CARD = Right("imPlatelets")
NO_CARD = Right()
REFUSED_OR_SAID = Right("imPlatelets", EVERY_INDICATOR, status=(200, 412))


def uncertain(*says: str) -> Right:
    """A warning about platelets that quotes the number."""
    return Right("imPlatelets", ("warning",), says=says)


def at_least_warning(*says: str) -> Right:
    return Right("imPlatelets", ("warning", "critical"), says=says)


def only_info(*says: str) -> Right:
    return Right("imPlatelets", ("info",), says=says)


def shown(decision: str, *indicators: str, says: Sequence[str] = (), topic: str = "") -> Right:
    return Right(decision, indicators or EVERY_INDICATOR, tuple(says), topic=topic)


def silent(decision: str) -> Right:
    return Right(decision)


@dataclass(frozen=True)
class Case:
    """One row: what is sent, and what is right."""

    name: str
    why: str
    right: Right
    changes: tuple[Change, ...]
    patient: str = "kwame-mensah"
    drafts: tuple[str, ...] = ("hydroxocobalamin-im-three-weekly",)
    hook: str = "order-select"


def row(name: str, why: str, right: Right, *changes: Change, **more: Any) -> Case:
    """A case of the usual patient and draft; ``more`` names others."""
    return Case(name, why, right, changes, **more)


def table(*cases: Case) -> pytest.MarkDecorator:
    """The cases as the parameter ``case`` of a test, each under its own name."""
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), "two cases of one name"
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name.replace(" ", "-")) for case in cases])


# --- firing


@cache
def _record(patient: str) -> str:
    bundle = json.loads((packaged("fixtures") / "patients" / f"{patient}.json").read_text(encoding="utf-8"))
    return json.dumps([entry["resource"] for entry in bundle["entry"]])


def call_for(prepared: Prepared, case: Case) -> Call:
    """The call of a case before it is changed."""
    service = prepared.pack.service_for(case.hook)
    assert service is not None, case.hook
    resources = json.loads(_record(case.patient))
    prefetch = {key: search(template, resources) for key, template in templates_of(prepared.pack, service).items()}
    entries = []
    for number, name in enumerate(case.drafts, 1):
        order = json.loads((packaged("fixtures") / "drafts" / f"{name}.json").read_text(encoding="utf-8"))
        order |= {"id": f"draft-{number}", "subject": {"reference": f"Patient/{case.patient}"}}
        entries.append({"resource": order})
    context: Json = {"userId": "Practitioner/example", "patientId": case.patient}
    if case.hook == "order-select":
        context["selections"] = [f"MedicationRequest/{entry['resource']['id']}" for entry in entries]
    if case.hook != "patient-view":
        context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    instance = "2f6c7b3e-8f0a-4a55-9a57-0c35a7b1f0d1"
    call = Call({"hook": case.hook, "hookInstance": instance, "context": context, "prefetch": prefetch})
    if case.patient == "kwame-mensah" and "platelets" in prefetch:
        only_the_newest_count(call)
    return call


def changed_call(prepared: Prepared, case: Case) -> Call:
    """The call of a case as it is sent, but for changes of its bytes."""
    call = call_for(prepared, case)
    for change in case.changes:
        change(call)
    return call


def only_the_newest_count(call: Call) -> None:
    """Leaves one count, which says nothing of itself but its number."""
    call.body["prefetch"]["platelets"] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": call.entries("platelets")[:1],
    }
    for name in ("interpretation", "referenceRange"):
        call.count.pop(name, None)


def assert_right(prepared: Prepared, case: Case) -> None:
    """Fires a case and compares.

    Raises:
        AssertionError: the answer is not right; it says what was sent, why, and what came.
    """
    call = changed_call(prepared, case)
    body = encode(call.body)
    for change_bytes in call.raw:
        body = change_bytes(body)
    service = prepared.pack.service_for(case.hook)
    assert service is not None
    try:
        answer = evaluate(prepared, service, body, NOW)
    except Fault as fault:
        came = f"{fault.status}: {json.dumps(fault.outcome())}"
        assert fault.status in case.right.status, f"{case.name} ({case.why}): the answer is {came}"
        return
    cards = json.loads(encode(answer.body))["cards"]
    findings = [
        (finding.decision.id, finding.topic, str(finding.then.indicator))
        for judged in answer.judged
        for finding in judged.decided.cards
        if finding.decision.status == "active"
    ]
    came = "; ".join(f"{c['indicator']} {c['source']['topic']['code']}: {c['summary']}" for c in cards) or "no card"
    problem = difference(case.right, cards, findings)
    assert problem is None, f"{case.name} ({case.why}): {problem}. Came: {came}"


def difference(right: Right, cards: Sequence[Json], findings: Sequence[tuple[str, str, str]]) -> str | None:
    """What is wrong with an answer of status 200, in words; ``None`` if it is right."""
    if 200 not in right.status:
        return f"the status should be {right.status}"
    if not right.decision:
        return f"there should be no card, but there are {len(cards)}" if cards else None
    fitting = [f for f in findings if f[0] == right.decision and (not right.topic or f[1] == right.topic)]
    if not right.indicators:
        return f"{right.decision} should say nothing, but says {fitting}" if fitting else None
    levels = [indicator for _, _, indicator in fitting]
    if not any(level in right.indicators for level in levels):
        return f"{right.topic or right.decision} should be {' or '.join(right.indicators)}, not {levels or 'silent'}"
    text = " ".join(f"{card['summary']} {card.get('detail', '')}" for card in cards)
    if not text:
        return "something was found, but no card is shown"
    missing = [words for words in right.says if words not in text]
    return f"no card says {missing}" if missing else None


# --- changes of a result


def count(**members: Any) -> Change:
    """Sets members of the newest platelet count; ``None`` takes one out."""
    return lambda call: _set(call.count, members)


def quantity(
    value: Any, unit: str | None = None, code: str | None = None, system: str | None = None, **more: Any
) -> Change:
    """Sets the value of the newest platelet count. With a code but no system, the system is UCUM."""
    members = {"value": value, "unit": unit, "system": system or (UCUM if code else None), "code": code} | more
    return count(valueQuantity={name: member for name, member in members.items() if member is not None})


def counted_as(*codings: Json, text: str | None = None) -> Change:
    """Says in another way that the newest result is a platelet count."""
    return count(code=concept(*codings, text=text))


def older_count(value: Any, days: int, **more: Any) -> Change:
    """Adds a count that was taken ``days`` before now, 10*9/L."""

    def change(call: Call) -> None:
        resource = copy.deepcopy(call.count)
        resource |= {
            "id": f"{call.patient}-platelets-older-{days}",
            "status": "final",
            "effectiveDateTime": (NOW - timedelta(days=days)).isoformat(),
            "valueQuantity": {"value": value, "unit": "10*9/L", "system": UCUM, "code": "10*9/L"},
        }
        resource.pop("issued", None)
        _set(resource, more)
        call.entries("platelets").append({"resource": resource})

    return change


def taken(days: float) -> Change:
    """Dates the newest count ``days`` before now."""
    return count(effectiveDateTime=(NOW - timedelta(days=days)).isoformat(), issued=None)


def last_b12(**members: Any) -> Change:
    """Sets members of the newest B12 result and takes the older ones out."""

    def change(call: Call) -> None:
        entries = call.entries("vitaminB12")
        call.body["prefetch"]["vitaminB12"] = {"resourceType": "Bundle", "type": "searchset", "entry": entries[:1]}
        _set(entries[0]["resource"], members)

    return change


# --- changes of the draft order


def order(**members: Any) -> Change:
    """Sets members of the first draft order."""
    return lambda call: _set(call.order, members)


def drug(*codings: Json, text: str | None = None) -> Change:
    """Says the drug of the draft in another way."""
    return order(medicationCodeableConcept=concept(*codings, text=text))


def drug_by_reference(
    reference: Json, medication: Json | None = None, *, full_url: str = "", contained: bool = False
) -> Change:
    """The draft refers to a Medication, which stands beside the draft or in it, or nowhere."""

    def change(call: Call) -> None:
        del call.order["medicationCodeableConcept"]
        call.order["medicationReference"] = reference
        if medication is None:
            return
        resource = {"resourceType": "Medication", **medication}
        if contained:
            call.order["contained"] = [resource]
        else:
            call.drafts.append(({"fullUrl": full_url} if full_url else {}) | {"resource": resource})

    return change


def route(*codings: Json, text: str | None = None) -> Change:
    """Says the route in another way; with neither codings nor text it is left out."""

    def change(call: Call) -> None:
        dosage = call.order["dosageInstruction"][0]
        del dosage["route"]
        if codings or text is not None:
            dosage["route"] = concept(*codings, text=text)

    return change


def dosage(**members: Any) -> Change:
    """Sets members of the only dosage of the draft."""
    return lambda call: _set(call.order["dosageInstruction"][0], members)


def wordless(call: Call) -> None:
    """Takes the words of the dosage out, so that only structured elements tell how it is given."""
    call.order["dosageInstruction"][0].pop("text", None)


# --- changes of the record


def problem(*codings: Json, text: str | None = None, **members: Any) -> Change:
    """Makes this the only problem on record, active and confirmed unless ``members`` say otherwise."""
    systems = ("condition-clinical", "condition-ver-status")
    return _only("conditions", "Condition", "subject", systems, concept(*codings, text=text), members)


def allergy(*codings: Json, text: str | None = None, **members: Any) -> Change:
    """Makes this the only allergy on record, active and confirmed unless ``members`` say otherwise."""
    systems = ("allergyintolerance-clinical", "allergyintolerance-verification")
    code = concept(*codings, text=text)
    return _only("allergyIntolerances", "AllergyIntolerance", "patient", systems, code, members)


def _only(key: str, kind: str, whose: str, systems: tuple[str, str], code: Json, members: Mapping[str, Any]) -> Change:
    """Makes one active and confirmed entry the only one of its list; ``systems`` are those of its two statuses."""

    def change(call: Call) -> None:
        resource: Json = {
            "resourceType": kind,
            "id": f"{call.patient}-entry",
            "clinicalStatus": status_of(systems[0], "active"),
            "verificationStatus": status_of(systems[1], "confirmed"),
            "code": code,
            whose: {"reference": f"Patient/{call.patient}"},
            "recordedDate": "2026-11-20",
        }
        _set(resource, members)
        call.body["prefetch"][key] = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": resource}]}

    return change


def on_record(key: str, **members: Any) -> Change:
    """Adds a resource of this patient under a prefetch key."""

    def change(call: Call) -> None:
        resource = {"id": f"{call.patient}-added", "subject": {"reference": f"Patient/{call.patient}"}} | members
        call.entries(key).append({"resource": resource})

    return change


def sent_as(key: str, make: Callable[[Json], Any]) -> Change:
    """Sends something else under a prefetch key, made from what is right."""

    def change(call: Call) -> None:
        call.body["prefetch"][key] = make(call.body["prefetch"][key])

    return change


# --- changes of the envelope


def selections(*names: Any) -> Change:
    return lambda call: call.body["context"].update(selections=list(names))


def authorization(**members: Any) -> Change:
    """A token and a FHIR server, as clients of EHRs send them; ``members`` are set on the token."""

    def change(call: Call) -> None:
        token: Json = {
            "access_token": "a-token",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/*.read",
            "subject": "cds-service",
        }
        _set(token, members)
        call.body |= {"fhirServer": "https://ehr.example/fhir", "fhirAuthorization": token}

    return change


def in_bytes(make: Callable[[bytes], bytes]) -> Change:
    return lambda call: call.raw.append(make)


# --- shapes


def coding(system: str | None, code: str | None = None, display: str | None = None, **more: Any) -> Json:
    members = {"system": system, "code": code, "display": display} | more
    return {name: member for name, member in members.items() if member is not None}


def concept(*codings: Json, text: str | None = None) -> Json:
    return ({"coding": list(codings)} if codings else {}) | ({"text": text} if text is not None else {})


def status_of(system: str, code: str) -> Json:
    return concept(coding(f"http://terminology.hl7.org/CodeSystem/{system}", code))


def _set(resource: Json, members: dict[str, Any]) -> None:
    for name, member in members.items():
        if member is None:
            resource.pop(name, None)
        else:
            resource[name] = member
