"""Records of treatment for tests of the history, and the facts that are read of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
import yaml

from cds_service.chart.order import NO_ORDER, read_order
from cds_service.chart.readers import order_facts, patient_facts
from cds_service.chart.record import Chart
from cds_service.content.compile_facts import compile_facts
from cds_service.packaged import packaged
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Fact
from tests.support.places import TESTS
from tests.support.shipped import shipped_pack

Json = dict[str, Any]

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
HYDROXOCOBALAMIN = {"coding": [{"system": RXNORM, "code": "5514", "display": "hydroxocobalamin"}]}
CYANOCOBALAMIN = {"coding": [{"system": "http://www.whocc.no/atc", "code": "B03BA01", "display": "cyanocobalamin"}]}
CYANOCOBALAMIN_VIAL = {"coding": [{"system": RXNORM, "code": "309594", "display": "vitamin B12 1 MG/ML"}]}
INTO_MUSCLE = {"coding": [{"system": SNOMED, "code": "78421000"}]}
UNDER_SKIN = {"coding": [{"system": SNOMED, "code": "34206005"}]}
BY_MOUTH = {"coding": [{"system": SNOMED, "code": "26643006"}]}
KEYS = {
    "MedicationRequest": "medicationRequests",
    "MedicationDispense": "medicationDispenses",
    "MedicationAdministration": "medicationAdministrations",
    "MedicationStatement": "medicationStatements",
    "Procedure": "procedures",
    "Immunization": "medicationAdministrations",
    "Observation": "vitaminB12",
}
_OPTIONAL = ("medicationDispenses", "medicationStatements")


def day(days: float) -> str:
    """The date that lies so many days before now."""
    return (NOW - timedelta(days=days)).date().isoformat()


def dosage(period: int = 0, unit: str = "d", *, dose: int = 1000, route: Json | None = None, **repeat: Any) -> Json:
    """One step of a dosage: a dose in micrograms every so often; ``repeat`` are more members of Timing.repeat."""
    often = {"frequency": 1, "period": period, "periodUnit": unit} if period else {}
    step: Json = {"doseAndRate": [{"doseQuantity": {"value": dose, "unit": "ug", "code": "ug"}}]}
    if often or repeat:
        step["timing"] = {"repeat": {**often, **repeat}}
    return {**step, **({"route": route} if route else {})}


def _of(kind: str, identity: str, **more: Any) -> Json:
    resource = {"resourceType": kind, "id": identity, "subject": {"reference": "Patient/p"}, **more}
    return {name: value for name, value in resource.items() if value is not None}


def ordered(identity: str, days: float, *steps: Json, drug: Json = HYDROXOCOBALAMIN, **more: Any) -> Json:
    """An order that was written so many days ago."""
    members = {"status": "active", "intent": "order", "authoredOn": day(days), "medicationCodeableConcept": drug}
    return _of("MedicationRequest", identity, **{**members, "dosageInstruction": list(steps) or None, **more})


def given(identity: str, days: float, *, drug: Json = HYDROXOCOBALAMIN, **more: Any) -> Json:
    """A dose that was given so many days ago."""
    members = {"status": "completed", "effectiveDateTime": day(days), "medicationCodeableConcept": drug}
    return _of("MedicationAdministration", identity, **{**members, **more})


def dispensed(identity: str, days: float, *, drug: Json = HYDROXOCOBALAMIN, **more: Any) -> Json:
    """A product that was handed over so many days ago."""
    members = {"status": "completed", "whenHandedOver": day(days), "medicationCodeableConcept": drug}
    return _of("MedicationDispense", identity, **{**members, **more})


def stated(identity: str, days: float, *, drug: Json = HYDROXOCOBALAMIN, **more: Any) -> Json:
    """A statement, in the shape of R4, of so many days ago."""
    members = {"status": "active", "dateAsserted": day(days), "medicationCodeableConcept": drug}
    return _of("MedicationStatement", identity, **{**members, **more})


def stated_in_r5(identity: str, days: float, adherence: str | None = None, end: str | None = None, **more: Any) -> Json:
    """A statement in the shape of R5."""
    code = {"coding": [{"system": "http://hl7.org/fhir/CodeSystem/medication-statement-adherence", "code": adherence}]}
    period = {"start": day(days), **({"end": end} if end else {})}
    members = {"status": "recorded", "effectivePeriod": period, "medication": {"concept": HYDROXOCOBALAMIN}}
    return _of(
        "MedicationStatement", identity, **{**members, **({"adherence": {"code": code}} if adherence else {}), **more}
    )


def done(identity: str, days: float, code: Json, **more: Any) -> Json:
    """A procedure of so many days ago."""
    return _of("Procedure", identity, **{"status": "completed", "performedDateTime": day(days), "code": code, **more})


INJECTION_OF_B12 = {"coding": [{"system": SNOMED, "code": "308752009"}]}
J3420 = {"coding": [{"system": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "code": "J3420"}]}


@cache
def declarations(*, plans_stated: bool = False) -> Mapping[str, FactDeclaration]:
    """The facts of the content, and those that stand in ``history_facts.yaml`` beside this file."""
    pack = shipped_pack()
    data = yaml.safe_load((packaged("cards") / "vitamin-b12" / "facts.yaml").read_text(encoding="utf-8"))
    more = yaml.safe_load((TESTS / "support" / "history_facts.yaml").read_text(encoding="utf-8"))
    assert more.keys().isdisjoint(data["facts"]), "the content declares it: the tests read that"
    facts = {**data["facts"], **more}
    if plans_stated:
        facts = {
            name: {**fact, "plans-stated": True} if fact["kind"] == "history" else fact for name, fact in facts.items()
        }
    analytes = {fact.analyte.name: fact.analyte for fact in pack.facts.values() if fact.analyte is not None}
    return compile_facts({**data, "facts": facts}, pack.value_sets, analytes, pack.searches, pack.dosage_words)


def chart_of(resources: Iterable[Json], now: datetime = NOW) -> Chart:
    """The chart of a patient with these resources; keys that are optional are sent only if something is under them."""
    under: dict[str, list[Json]] = {key: [] for key in KEYS.values() if key not in _OPTIONAL}
    for resource in resources:
        under.setdefault(KEYS[resource["resourceType"]], []).append({"resource": resource})
    bundles = {key: {"resourceType": "Bundle", "entry": entries} for key, entries in under.items()}
    return Chart("p", {key: msgspec.Raw(json.dumps(value).encode()) for key, value in bundles.items()}, now, UTC)


def fact_of(name: str, *resources: Json, **settings: Any) -> Fact:
    """A fact of the patient with these resources on record."""
    declared = declarations(**settings)
    facts = patient_facts(declared, chart_of(resources))
    return facts[name]


def fact_beside(name: str, drafts: Sequence[Json], *resources: Json) -> Fact:
    """A fact of the first of the drafts, beside the others and the record."""
    declared = declarations()
    chart = chart_of(resources)
    orders = [read_order("", draft, {}) for draft in drafts] or [NO_ORDER]
    facts, _ = order_facts(declared, patient_facts(declared, chart), orders[0], orders[1:], chart)
    return facts[name]


def value_of(fact: Fact) -> Any:
    """The value of a fact as a test writes it: a word, a number, or the ends of a range; its state if it has none."""
    if fact.value is None:
        return str(fact.state)
    if isinstance(fact.value, str):
        return fact.value
    return fact.value.low if fact.value.is_point else (fact.value.low, fact.value.high)
