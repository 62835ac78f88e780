"""Writes the request, its answer, a feedback and an error that docs/integrating.md shows: ``make calls``.

None is typed by hand. The request is that of ``cds-service sample`` on the day that the fixtures are written as of, cut
to what the answer needs; the answer is what the service gives to it; the feedback is about the card of that answer; the
error is what the request gets without its user.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.packaged import packaged
from cds_service.protocol.faults import Fault
from cds_service.protocol.profiles import Profile
from cds_service.replay.scenarios import read_scenarios
from cds_service.vocabulary.json_text import encode
from tests.support.keys import KEY
from tests.support.places import ROOT
from tests.support.shipped import shipped_pack

PAGE = ROOT / "docs/integrating.md"
HOOK = "order-select"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
_WIDTH = 116
_DRAFT = ("resourceType", "id", "status", "intent", "subject", "medicationCodeableConcept", "dosageInstruction")
_PATIENT = ("resourceType", "id", "gender", "birthDate")
_COUNT = ("resourceType", "id", "status", "code", "subject", "effectiveDateTime", "valueQuantity")


def request(now: datetime = NOW) -> dict[str, Any]:
    """The sample's request with the newest platelet count, and with every other search made and nothing found."""
    scenario = next(known for known in read_scenarios(packaged("fixtures")) if known.name == shipped_pack().sample)
    pack = shipped_pack()
    service = pack.service_for(HOOK)
    assert service is not None
    whole = json.loads(encode(scenario.request(templates_of(pack, service), now)))
    draft = whole["context"]["draftOrders"]["entry"][0]["resource"]
    count = whole["prefetch"]["platelets"]["entry"][0]["resource"]
    prefetch: dict[str, Any] = {key: bundle([]) for key in whole["prefetch"]}
    prefetch["patient"] = only(whole["prefetch"]["patient"], _PATIENT)
    prefetch["platelets"] = bundle([only(count, _COUNT)])
    return {
        "hook": whole["hook"],
        "hookInstance": whole["hookInstance"],
        "context": {
            **{key: whole["context"][key] for key in ("userId", "patientId", "selections")},
            "draftOrders": {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [{"resource": only(draft, _DRAFT)}],
            },
        },
        "prefetch": prefetch,
    }


def bundle(resources: list[Any]) -> dict[str, Any]:
    """What a FHIR server answers to a search."""
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": resource} for resource in resources]}


def only(resource: Mapping[str, Any], members: tuple[str, ...]) -> dict[str, Any]:
    """A resource with these members, as far as it has them."""
    return {member: resource[member] for member in members if member in resource}


def answered(called: Mapping[str, Any]) -> dict[str, Any]:
    """What the service answers to a request at that time, a refusal too."""
    pack = shipped_pack()
    service = pack.service_for(HOOK)
    assert service is not None
    prepared = Prepared.of(pack, zone=UTC, key=KEY.encode())
    try:
        said = evaluate(prepared, service, encode(called), NOW, Profile()).body
    except Fault as fault:
        said = fault.outcome()
    whole: dict[str, Any] = json.loads(encode(said))
    return whole


def feedback(card: Mapping[str, Any], time: datetime = NOW) -> dict[str, Any]:
    """That a clinician has set the card aside, with the first of the reasons that it offers."""
    reason = {key: card["overrideReasons"][0][key] for key in ("system", "code", "display")}
    return {
        "feedback": [
            {
                "card": card["uuid"],
                "outcome": "overridden",
                "overrideReason": {"reason": reason},
                "outcomeTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        ]
    }


def written(value: Any, indent: str = "") -> str:
    """JSON with what fits on a line on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(flat) <= _WIDTH or not value or not isinstance(value, dict | list):
        return flat
    deeper = indent + "  "
    if isinstance(value, list):
        parts = [f"{deeper}{written(item, deeper)}" for item in value]
        return "[\n" + ",\n".join(parts) + f"\n{indent}]"
    parts = [f"{deeper}{json.dumps(key)}: {written(item, deeper)}" for key, item in value.items()]
    return "{\n" + ",\n".join(parts) + f"\n{indent}}}"


def page(text: str) -> str:
    """The page with the four as they are now.

    Raises:
        ValueError: one of them has no place in it.
    """
    called = request()
    answer = answered(called)
    shown = {
        "request": called,
        "answer": answer,
        "feedback": feedback(answer["cards"][0]),
        "error": answered(called | {"context": {k: v for k, v in called["context"].items() if k != "userId"}}),
    }
    for name, value in shown.items():
        place = re.compile(rf"(<!-- {name}: make calls -->\n).*?(<!-- end -->)", re.S)
        text, found = place.subn(
            lambda match, value=value: f"{match[1]}```json\n{written(value)}\n```\n{match[2]}", text
        )
        if found != 1:
            raise ValueError(f"docs/integrating.md has {found} places for the {name}")
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
