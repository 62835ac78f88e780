"""Exports that tests write, and the answers to the records that come of them."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cds_service.chart.record import Chart
from cds_service.chart.sent_entries import ChartEntry, decoded_medication
from cds_service.content.needs import searches_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import judge_request
from cds_service.packaged import packaged
from cds_service.population.duck import Machine, lines
from cds_service.population.export_files import find_export
from cds_service.population.selection import Selection
from cds_service.population.sifting import Sifted, sift
from cds_service.protocol.envelope import decode_request
from cds_service.protocol.faults import Fault
from cds_service.vocabulary.declarations import Search
from cds_service.vocabulary.json_text import encode
from tests.support.answers import KEY
from tests.support.shipped import shipped_pack

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DRAFTS = ("hydroxocobalamin-im-three-weekly", "folic-acid-5mg-oral")


@cache
def prepared() -> Prepared:
    """The shipped content."""
    return Prepared.of(shipped_pack(), zone=ZoneInfo("Europe/Berlin"), key=KEY)


@cache
def selection() -> Selection:
    """What it needs."""
    return Selection([prepared()])


@cache
def draft(name: str) -> str:
    """The JSON of a draft of the fixtures."""
    return (packaged("fixtures") / "drafts" / f"{name}.json").read_text()


@cache
def resources_of(patient: str) -> Sequence[Mapping[str, Any]]:
    """The resources of a patient of the fixtures; no test may change them."""
    bundle = json.loads((packaged("fixtures") / "patients" / f"{patient}.json").read_text())
    return [entry["resource"] for entry in bundle["entry"]]


def write(path: Path, texts: Iterable[str | bytes], *, end: bytes = b"\n") -> None:
    """Lines in a file, which is gzip if its name says so."""
    data = b"".join((text.encode() if isinstance(text, str) else text) + end for text in texts)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def sifted(folder: Path, aside: Path) -> Sifted:
    """The export in a folder, read; what may be needed of it is put aside in a new folder."""
    aside.mkdir()
    return sift(find_export(folder, selection().types), selection(), aside)


def read(
    folder: Path, aside: Path, *, threads: int = 1
) -> tuple[dict[str, list[str]], Sifted, Counter[tuple[str, str]]]:
    """The lines to judge by patient, in their order, what was read, and what was wrong with what was sorted."""
    found, problems = sifted(folder, aside), Counter[tuple[str, str]]()
    by_patient: dict[str, list[str]] = defaultdict(list)
    for batch in lines(found, Machine(threads, "500MB", aside), problems):
        for row in batch.to_pylist():
            by_patient[row["patient"]].append(row["line"])
    return dict(by_patient), found, +problems


def answers(patient: str, texts: Sequence[str]) -> list[Any]:
    """What each service answers if these are the resources of a patient, all of which are seen."""
    found = []
    medications = list(
        filter(None, [decoded_medication(text.encode()) for text in texts if _kind(text) == "Medication"])
    )
    for service in prepared().pack.services.values():
        searches = searches_of(prepared().pack, service)
        record = {key: _entries(search, texts) for key, search in searches.items()}
        context: dict[str, Any] = {"userId": "Practitioner/p", "patientId": patient}
        for name in DRAFTS if service.hook != "patient-view" else ("",):
            if name:
                order = json.loads(draft(name)) | {"subject": {"reference": f"Patient/{patient}"}}
                context["draftOrders"] = {"resourceType": "Bundle", "entry": [{"resource": order}]}
                context["selections"] = [f"MedicationRequest/{order['id']}"]
            call = {"hook": service.hook, "hookInstance": "11111111-1111-4111-8111-111111111111", "context": context}
            request = decode_request(encode(call), service.hook, prepared().pack.relevant)
            chart = Chart.of(patient, record, NOW, prepared().zone, medications)
            try:
                found.append(judge_request(prepared(), service, request, chart).body)
            except Fault as fault:
                found.append(fault.outcome())
    return found


def _entries(search: Search, texts: Sequence[str]) -> list[ChartEntry]:
    """What a server with these resources brings to a search."""
    asked = dict(part.partition("=")[::2] for part in search.template.partition("?")[2].split("&"))
    found = [text for text in texts if _kind(text) == search.resource and _is_brought(text, asked)]
    return [ChartEntry.read(text.encode(), search.resource) for text in found]


def _kind(text: str) -> Any:
    return json.loads(text).get("resourceType")


def _is_brought(text: str, asked: Mapping[str, str]) -> bool:
    resource = json.loads(text)
    if "status" in asked and resource.get("status") not in asked["status"].split(","):
        return False
    code = resource.get("code")
    codings = code.get("coding") if isinstance(code, dict) else None
    pairs = [f"{c.get('system')}|{c.get('code')}" for c in (codings if isinstance(codings, list) else ())]
    return "code" not in asked or not set(pairs).isdisjoint(asked["code"].split(","))
