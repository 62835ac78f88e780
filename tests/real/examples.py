"""Example resources of FHIR packages, driven through the three services as prefetch and as draft orders.

``make examples``, or ``python -m tests.real.examples [FOLDER]``. The packages are fetched with npm into ``FOLDER``, by
default one among the temporary files, and read there; nothing of them is kept in the project. Prints a table; exits 1
if a call fails by a fault of the service, or an entry is not accounted for (Z41).

npm serves few FHIR packages: HL7's own examples of R4, the base guide of Australia and the International Patient
Summary.
"""

from __future__ import annotations

import json
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cds_service.content.load import load_pack
from cds_service.content.model import Service
from cds_service.content.needs import searches_of
from cds_service.content.prepared import Prepared
from cds_service.packaged import packaged
from tests.support.finds import table
from tests.support.hospital_calls import NOW, Call, call_for, row, silent
from tests.support.not_understood import NotToldError, accounts
from tests.support.npm import UnavailableError, tarball
from tests.support.scenarios import Fired, fire

Json = dict[str, Any]

PATIENT = "kwame-mensah"
# How many entries a Bundle has beside those that are sent alone.
MANY = 50
# What a call may be answered with: data may be missing or of another patient, but no call is wrong in itself.
EXPECTED = (200, 412, 422)


@dataclass(frozen=True, slots=True)
class Package:
    """A version of a package, by the digest that npm shows for it."""

    name: str
    version: str
    integrity: str


PACKAGES = (
    Package(
        "hl7.fhir.r4.examples",
        "4.0.1",
        "sha512-DXBdIZOeQaSKIgCU7w6HOC7sw/6BzylmipLkBW4f//pT+Bc94x+8LImwTdvaNThPJoOzpBzvxAzNqjeu3X/zLw==",
    ),
    Package(
        "hl7.fhir.au.base",
        "6.0.0",
        "sha512-W9ch/03AovIR00EMuUr9b0eVkBOLaJgssDExsogPtIoAWSp1imGnEsG/wKRROI66MgELniLi8kmFcJvQgWoIHw==",
    ),
    Package(
        "hl7.fhir.uv.ips",
        "2.0.0",
        "sha512-4PWToJ9b1FgXsm9DIvHiU6HO9Z5m75jxk0e0MXOmhFlf2m2slk/d6RoiSYIChKJlvmtJ7GbRftt7PphlwmZcbQ==",
    ),
)


@dataclass
class Driven:
    """What came of the resources of one package. ``faults`` are calls that failed or entries that got lost."""

    name: str
    resources: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    cards: int = 0
    drafts: int = 0
    judged: int = 0
    read: int = 0
    elsewhere: int = 0
    set_aside: int = 0
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def calls(self) -> int:
        return sum(self.statuses.values())


def resources_in(file: Path) -> Iterator[Json]:
    """Every resource of a package that is a resource of its own or an entry of a Bundle."""
    with tarfile.open(file) as archive:
        for member in archive:
            if not member.isfile() or not member.name.endswith(".json"):
                continue
            content = archive.extractfile(member)
            assert content is not None
            try:
                yield from _within(json.loads(content.read()))
            except ValueError:
                continue  # a package holds files of other kinds too


def _within(resource: Any) -> Iterator[Json]:
    if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
        yield resource
        if resource["resourceType"] == "Bundle":
            for entry in resource.get("entry", []):
                yield from _within(entry.get("resource"))


def drive(prepared: Prepared, name: str, resources: Iterable[Json]) -> Driven:
    """Fires calls with each resource, alone and with many others, as of the patient of the call and as of its own.

    Each MedicationRequest is fired as a draft order besides, with the Medications of the package beside it.
    """
    driven = Driven(name)
    by_type: dict[str, list[Json]] = defaultdict(list)
    for resource in resources:
        by_type[resource["resourceType"]].append(resource)
    for service in prepared.pack.services.values():
        searches = searches_of(prepared.pack, service)
        for search in searches.values():
            if search.resource == "Patient":
                continue
            for sent in _groups(by_type[search.resource]):
                _as_prefetch(prepared, service, driven, search.key, sent)
    searched = {search.resource for search in prepared.pack.searches.values()} - {"Patient"}
    driven.resources.update({kind: len(by_type[kind]) for kind in sorted(searched)})
    for order in by_type["MedicationRequest"]:
        for hook in ("order-select", "order-sign"):
            _as_draft(prepared, driven, hook, order, by_type["Medication"])
    return driven


def _groups(resources: Sequence[Json]) -> Iterator[Sequence[Json]]:
    yield from ([resource] for resource in resources)
    yield from (resources[start : start + MANY] for start in range(0, len(resources), MANY))


def _call(prepared: Prepared, hook: str) -> Call:
    return call_for(prepared, row("", "", silent(""), patient=PATIENT, hook=hook))


def _of_the_patient(resource: Json) -> Json:
    element = "patient" if resource["resourceType"] == "AllergyIntolerance" else "subject"
    return resource | {element: {"reference": f"Patient/{PATIENT}"}}


def _as_prefetch(prepared: Prepared, service: Service, driven: Driven, key: str, resources: Sequence[Json]) -> None:
    for entries in (resources, [_of_the_patient(resource) for resource in resources]):
        call = _call(prepared, service.hook)
        bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": entry} for entry in entries]}
        call.body["prefetch"][key] = bundle
        about = f"{service.hook} with {key} = {', '.join(str(entry.get('id')) for entry in entries[:3])}"
        fired = _fired(prepared, driven, call, about)
        if fired.answer is None:
            continue
        try:
            account = accounts(prepared, service, fired.answer).get(key)
        except NotToldError as error:
            driven.faults[str(error)].append(about)
            continue
        if account is None:
            continue  # no order was judged, so nothing was read
        parts = account.read + account.elsewhere + len(account.set_aside)
        # Components and contained resources are accounted for beside the entry that holds them.
        if not len(entries) <= account.entries == parts:
            driven.faults[f"of {key} not every entry is accounted for"].append(
                f"{about}: {len(entries)} sent, {account.entries} counted, {parts} accounted for"
            )
        driven.read += account.read
        driven.elsewhere += account.elsewhere
        driven.set_aside += len(account.set_aside)


def _as_draft(prepared: Prepared, driven: Driven, hook: str, order: Json, medications: Sequence[Json]) -> None:
    for draft in (order, _of_the_patient(order)):
        call = _call(prepared, hook)
        drafts = [draft | {"id": order.get("id", "draft"), "status": "draft"}, *medications]
        call.body["context"]["draftOrders"]["entry"] = [{"resource": resource} for resource in drafts]
        if hook == "order-select":
            call.body["context"]["selections"] = [f"MedicationRequest/{drafts[0]['id']}"]
        fired = _fired(prepared, driven, call, f"{hook} of the draft {order.get('id')}")
        driven.drafts += 1
        driven.judged += bool(fired.answer is not None and fired.answer.judged)


def _fired(prepared: Prepared, driven: Driven, call: Call, about: str) -> Fired:
    fired = fire(prepared, call.body, NOW)
    driven.statuses[fired.status] += 1
    driven.cards += len(fired.cards)
    if fired.status not in EXPECTED:
        driven.faults[f"status {fired.status}"].append(f"{about}: {fired.body['issue'][0]}")
    for defect in fired.answer.defects if fired.answer is not None else ():
        driven.faults[f"defect in {defect.name}"].append(f"{about}: {defect.error!r}")
    return fired


def text(every: Sequence[Driven]) -> str:
    """The table of a run, and its faults with the first examples of each."""
    head = ("package", "resources", "calls", "statuses", "cards", "drafts", "judged", "read", "elsewhere", "set aside")
    rows = [
        (
            one.name,
            sum(one.resources.values()),
            one.calls,
            ", ".join(f"{status}: {number}" for status, number in sorted(one.statuses.items())),
            one.cards,
            one.drafts,
            one.judged,
            one.read,
            one.elsewhere,
            one.set_aside,
        )
        for one in every
    ]
    kinds = [f"{one.name}: {', '.join(f'{kind} {n}' for kind, n in one.resources.items())}" for one in every]
    faults = [
        f"{one.name}: {len(cases)} times: {fault}, as in {cases[0]}"
        for one in every
        for fault, cases in one.faults.items()
    ]
    return "\n".join([table(head, rows), "", *kinds, "", *(faults or ["Every entry is accounted for."])])


def main(arguments: Sequence[str]) -> int:
    """Drives every package; 1 if there was a fault or a package cannot be had."""
    folder = Path(arguments[0]) if arguments else Path(tempfile.gettempdir()) / "fhir-example-packages"
    prepared = Prepared.of(load_pack(packaged("cards")), zone=ZoneInfo("UTC"), key=b"a key for examples")
    try:
        files: Mapping[Package, Path] = {p: tarball(p.name, p.version, p.integrity, folder) for p in PACKAGES}
    except UnavailableError as error:
        print(f"The example resources cannot be had: {error}", file=sys.stderr)
        return 1
    every = [drive(prepared, f"{p.name} {p.version}", resources_in(file)) for p, file in files.items()]
    print(text(every))
    return int(any(one.faults for one in every))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
