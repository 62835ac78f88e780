"""The requests that speed is measured with, made from the sample scenario: right today, of a wanted size."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

from cds_service.content.needs import templates_of
from cds_service.packaged import packaged
from cds_service.replay.fhir_server import LoadedServer
from cds_service.replay.scenario import DEFAULT_NOW, Scenario, moved, search
from tests.support.scenarios import by_name
from tests.support.shipped import shipped_pack

SERVICE = "vitamin-b12-order-select"
PATIENT_VIEW = "vitamin-b12-patient-view"
_SAMPLE = "platelets-and-im/sample"
_WITH_SUGGESTIONS = "beside-and-under-way/kidneyNotKnownNasalDiffers"
_OTHER_DRUG = "atorvastatin"
_KINDS = {"Observation": ("platelets", "vitaminB12", "creatinine"), "MedicationRequest": ("medicationRequests",)}
_KINDS["Condition"] = ("conditions",)


def bodies() -> dict[str, bytes]:
    """Each by its name: one patient, with the draft order the content is about or another."""
    sample = _sample()
    small = _of(sample, observations=3, medications=1, conditions=1)
    middle = _of(sample, observations=40, medications=20, conditions=20)
    return {
        "irrelevant 8 KB": _bytes(_with_other_drug(small)),
        "irrelevant 80 KB": _bytes(_with_other_drug(middle)),
        "relevant 8 KB": _bytes(small),
        "relevant with two suggestions, 11 KB": _bytes(_request(by_name(_WITH_SUGGESTIONS))),
        "relevant 80 KB": _bytes(middle),
        "relevant 2.4 MB": _bytes(_of(sample, observations=1280, medications=640, conditions=640)),
    }


def many(observations: int) -> bytes:
    """A relevant order with so many results, for the slope."""
    return _bytes(_of(_sample(), observations=observations, medications=20, conditions=20))


def panel() -> list[bytes]:
    """The chart of each patient of the fixtures opened, as one after another in a population run."""
    now = datetime.now(UTC)
    days = (now.date() - datetime.fromisoformat(DEFAULT_NOW).date()).days
    return [
        _bytes(_chart_opened(moved([entry["resource"] for entry in json.loads(path.read_bytes())["entry"]], days)))
        for path in sorted((packaged("fixtures") / "patients").glob("*.json"))
    ]


def without_prefetch(base: str) -> bytes:
    """A relevant order with nothing prefetched, whose patient's record is put on the FHIR server at ``base``.

    Raises:
        RuntimeError: the server refuses a part of the record.
    """
    refused = LoadedServer(base).load(_scenario().record(datetime.now(UTC)))
    if refused:
        raise RuntimeError(f"the FHIR server refuses {refused}")
    return _bytes(_sample() | {"prefetch": {}, "fhirServer": base})


def _scenario() -> Scenario:
    return by_name(_SAMPLE)


def _sample() -> dict[str, Any]:
    return _request(_scenario())


def _request(scenario: Scenario) -> dict[str, Any]:
    return scenario.request(_templates(SERVICE), datetime.now(UTC))


def _chart_opened(record: list[dict[str, Any]]) -> dict[str, Any]:
    patient = next(resource["id"] for resource in record if resource["resourceType"] == "Patient")
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/example", "patientId": patient},
        "prefetch": {key: search(template, record) for key, template in _templates(PATIENT_VIEW).items()},
    }


def _templates(service: str) -> dict[str, str]:
    pack = shipped_pack()
    return templates_of(pack, pack.services[service])


def _of(sample: dict[str, Any], *, observations: int, medications: int, conditions: int) -> dict[str, Any]:
    """The sample with so many resources of each kind, older ones like its own where it has too few."""
    request = copy.deepcopy(sample)
    wanted = {"Observation": observations, "MedicationRequest": medications, "Condition": conditions}
    for key, bundle in request["prefetch"].items():
        if isinstance(bundle, dict) and bundle.get("resourceType") == "Bundle":
            kinds = {entry["resource"]["resourceType"] for entry in bundle.get("entry", ())}
            if kinds & wanted.keys() and key not in {key for keys in _KINDS.values() for key in keys}:
                bundle["entry"] = []
    for kind, count in wanted.items():
        for turn, key in enumerate(_KINDS[kind]):
            entries = request["prefetch"][key]["entry"]
            share = count // len(_KINDS[kind]) + (turn < count % len(_KINDS[kind]))
            oldest = entries[-1]["resource"]
            entries[share:] = []
            entries += [{"resource": oldest | {"id": f"{key}-{number}"}} for number in range(len(entries), share)]
    for bundle in request["prefetch"].values():
        if isinstance(bundle, dict) and "total" in bundle:
            bundle["total"] = len(bundle.get("entry", ()))
    return request


def _with_other_drug(request: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(request)
    order = json.loads((packaged("fixtures") / "drafts" / f"{_OTHER_DRUG}.json").read_text(encoding="utf-8"))
    subject = {"reference": f"Patient/{request['context']['patientId']}"}
    changed["context"]["draftOrders"]["entry"] = [{"resource": order | {"id": "draft-1", "subject": subject}}]
    return changed


def _bytes(request: dict[str, Any]) -> bytes:
    return json.dumps(request, separators=(",", ":")).encode()
