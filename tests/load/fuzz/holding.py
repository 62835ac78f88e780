"""What must hold of an answer to any request at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema

from cds_service.content.load import load_pack
from cds_service.content.model import Service
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import Answer, evaluate
from cds_service.packaged import packaged
from cds_service.protocol.faults import Fault
from cds_service.protocol.profiles import Profile
from cds_service.replay.scenarios import read_scenarios
from cds_service.vocabulary.facts import Evidence, State
from cds_service.vocabulary.json_text import encode
from tests.load.fuzz.mutating import mutated

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
_FINAL = ("final", "amended", "corrected")
_KINDS = ("Observation", "Condition", "Procedure", "AllergyIntolerance", "MedicationAdministration")
_REFUSED = (400, 412, 422)
_PROFILES = (Profile(), Profile("3.0"), Profile("epic"), Profile("sandbox"))
_RESPONSE = jsonschema.Draft202012Validator(
    json.loads((packaged("cards").parent / "cds_service/protocol/schemas/response.json").read_text(encoding="utf-8"))
)


@cache
def prepared() -> Prepared:
    return Prepared.of(load_pack(packaged("cards")), zone=ZoneInfo("UTC"), key=b"a key for tests")


@cache
def requests() -> tuple[tuple[Service, bytes], ...]:
    """Requests to begin with: every scenario, and every captured one that is for a hook of ours."""
    services = {service.hook: service for service in prepared().pack.services.values()}
    asked = {hook: templates_of(prepared().pack, service) for hook, service in services.items()}
    found = [
        (services[scenario.hook], json.dumps(scenario.request(asked[scenario.hook], NOW)).encode())
        for scenario in read_scenarios(packaged("fixtures"))
    ]
    for path in sorted((packaged("fixtures") / "captured").glob("*/*.json")):
        body = path.read_bytes()
        hook = json.loads(body).get("hook")
        if hook in services:
            found.append((services[hook], body))
    return tuple(found)


def any_request(random: Random) -> None:
    """One broken request, answered as it must be."""
    service, body = random.choice(requests())
    answered_well(service, mutated(random, body), random.choice(_PROFILES))


def answered_well(service: Service, body: bytes, profile: Profile = Profile()) -> Answer | None:  # noqa: B008
    """Cards that are right, or an error that names its place: anything else raises.

    Raises:
        AssertionError: the answer breaks a promise.
        Exception: a 500.
    """
    try:
        answer = evaluate(prepared(), service, body, NOW, profile)
    except Fault as fault:
        assert fault.status in _REFUSED, fault
        _names_a_place(fault, body)
        return None
    for defect in answer.defects:
        raise defect.error
    encoded = encode(answer.body)
    said = json.loads(encoded.decode("utf-8"), parse_constant=_no_constant)
    problems = [f"{error.json_path}: {error.message[:200]}" for error in _RESPONSE.iter_errors(said)]
    assert not problems, problems
    uuids = [c["uuid"] for c in said["cards"]] + [s["uuid"] for c in said["cards"] for s in c.get("suggestions", ())]
    assert len(uuids) == len(set(uuids)), "uuids repeat"
    for action in (a for c in said["cards"] for s in c.get("suggestions", ()) for a in s["actions"]):
        assert action["type"] != "update" or action["resource"].get("id"), "an update of nothing that has a name"
    _shows_only_what_was_sent(answer, body)
    return answer


def _names_a_place(fault: Fault, body: bytes) -> None:
    """Every error but that of a body that is no JSON object at all."""
    outcome = json.loads(encode(fault.outcome()))
    assert outcome["resourceType"] == "OperationOutcome"
    if not fault.path:
        assert fault.text.startswith(
            ("the body is not JSON: ", "the body is not UTF-8: ", "the JSON is nested too deeply")
        ) or not body.lstrip().startswith(b"{"), fault.text


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def _shows_only_what_was_sent(answer: Answer, body: bytes) -> None:
    """Each value that a card was read from stands in the request: in a final result of this very patient.

    Read with a reader of its own, so that a fault of the service's reader shows.
    """
    if not answer.body["cards"]:
        return
    sent = json.loads(body, parse_float=_Digits, parse_int=_Digits)
    prefetch = sent.get("prefetch") or {}
    resources = list(_resources(prefetch))
    for judged in answer.judged:
        for finding in judged.decided.cards:
            for name, fact in finding.used.items():
                if fact.state is not State.VALUE:
                    continue
                for evidence in fact.evidence:
                    kind = evidence.reference.partition("/")[0]
                    kind_of_fact = prepared().pack.facts[name].kind
                    computed = kind_of_fact in ("derived", "flag")  # not from its number
                    is_held = _may_be_result if kind_of_fact == "doubtful" else _is_result
                    if kind == "Observation" and evidence.number and not computed:
                        held = [r for r in resources if is_held(r, evidence, sent["context"]["patientId"])]
                        assert held, (name, evidence)
                    elif kind in _KINDS:
                        assert any(_is_it(r, evidence) for r in resources), (name, evidence)


class _Digits(str):
    """A number as it was written."""

    __slots__ = ()


def _resources(prefetch: Any) -> Iterator[Mapping[str, Any]]:
    for value in prefetch.values():
        if isinstance(value, dict):
            yield value
            entries = value.get("entry")
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
                    yield entry["resource"]


def _is_it(resource: Mapping[str, Any], evidence: Evidence) -> bool:
    kind, _, identity = evidence.reference.partition("/")
    return resource.get("resourceType") == kind and (resource.get("id") or "") == identity


def _is_result(resource: Mapping[str, Any], evidence: Evidence, patient: str) -> bool:
    subject = resource.get("subject")
    if not _is_it(resource, evidence) or not isinstance(subject, dict):
        return False
    reference = str(subject.get("reference")).partition("/_history/")[0].replace("urn:uuid:", "Patient/")
    return (
        (evidence.number, evidence.unit) == _value_of(resource)
        and resource.get("status") in _FINAL
        and reference.rpartition("/")[2] == patient
    )


def _value_of(resource: Mapping[str, Any]) -> tuple[str, str]:
    """The number of a result and its unit as they were sent; of a range both its ends, and the first unit of them."""
    quantity, limits = resource.get("valueQuantity"), resource.get("valueRange")
    ends = [limits.get("low"), limits.get("high")] if not quantity and isinstance(limits, dict) else [quantity]
    values = [end for end in ends if isinstance(end, dict)]
    numbers = [f"{end.get('comparator') or ''}{str(end.get('value'))[:12]}" for end in values]
    return "-".join(numbers), next(filter(None, (end.get("unit") or end.get("code") for end in values)), "")


def _may_be_result(resource: Mapping[str, Any], evidence: Evidence, patient: str) -> bool:
    """Whether a result in doubt was sent so: nobody says that it is another patient's, or that it is none (Z45)."""
    quantity, subject = resource.get("valueQuantity"), resource.get("subject")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    stated = reference.replace("urn:uuid:", "Patient/") if type(reference) is str and reference else patient
    whose = stated.partition("/_history/")[0].rpartition("/")[2]
    value = quantity.get("value") if isinstance(quantity, dict) else None
    is_it = _is_it(resource, evidence) or (evidence.reference == "Observation" and type(resource.get("id")) is not str)
    return (
        is_it
        and (not isinstance(value, _Digits) or value[:12] in evidence.number)
        and resource.get("status") not in ("entered-in-error", "cancelled")
        and whose == patient
    )
