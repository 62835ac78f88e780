"""Which codes, units, routes and schedules of real data are understood, and which are not (Z54).

Read are captured requests and recordings, scenarios, and FHIR resources in JSON or NDJSON, such as a bulk export. Each
patient of a folder of resources is read as if every search had been prefetched, and each order of theirs like a draft.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from cds_service.chart.accounts import is_coded, keys_of_result
from cds_service.chart.record import patient_in
from cds_service.content.model import Pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.content.render import fill, plain
from cds_service.content.site_lines import site_lines
from cds_service.fhir.codes import name_of
from cds_service.fhir.tree import pairs, words
from cds_service.judge.understanding import NotUnderstood, not_understood, read_call, understood
from cds_service.protocol.faults import Fault
from cds_service.replay.scenarios import read_scenarios
from cds_service.vocabulary.accounting import Aside, Kind
from cds_service.vocabulary.facts import Reason
from cds_service.vocabulary.json_text import encode

_HOOK = "order-select"
_USER = "Practitioner/coverage"
_INSTANCE = "00000000-0000-4000-8000-000000000000"
_ORDERS_AT_ONCE = 8


class Spelling(msgspec.Struct, frozen=True):
    """One way in which something was written. ``reason`` is why it was not understood, ``""`` if it was."""

    kind: Kind
    system: str
    code: str
    words: str
    reason: str = ""


@dataclass(slots=True)
class Coverage:
    """How often each spelling was met. ``site_lines`` are the lines of ``site.toml`` that would map one.

    ``requests`` and ``resources`` count what was read; ``refused`` are requests that cannot be read, by reason.
    """

    requests: int = 0
    resources: int = 0
    times: Counter[Spelling] = field(default_factory=Counter)
    site_lines: dict[Spelling, str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def rows(self, *, is_understood: bool) -> list[tuple[Spelling, int]]:
        """Each spelling with how often it was met, by kind, the most frequent first."""
        chosen = [(spelling, times) for spelling, times in self.times.items() if (not spelling.reason) is is_understood]
        return sorted(chosen, key=lambda row: (row[0].kind, -row[1], row[0].system, row[0].code, row[0].words))


def cover(prepared: Prepared, fixtures: Path, paths: Sequence[Path], now: datetime) -> Coverage:
    """What of the files and folders is understood by the content, and what is not.

    ``now`` is the time at which resources and captured requests are read; a recording says its own.

    Raises:
        ValueError: a file cannot be read, or there is nothing to read in a folder.
    """
    coverage = Coverage()
    by_patient: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in paths:
        files = [path] if not path.is_dir() else [file for file in sorted(path.rglob("*")) if file.suffix in _SUFFIXES]
        if not files:
            raise ValueError(f"{path}: there is neither JSON nor NDJSON nor YAML in it")
        for file in files:
            for body, moment in _requests_in(prepared.pack, fixtures, file, now, by_patient):
                _read_request(coverage, prepared, body, moment)
    for patient, resources in by_patient.items():
        coverage.resources += len(resources)
        for body in _as_requests(coverage, prepared, patient, resources):
            _read_request(coverage, prepared, body, now, is_request=False)
    return coverage


_SUFFIXES = (".json", ".ndjson", ".yaml")


def _requests_in(
    pack: Pack, fixtures: Path, file: Path, now: datetime, by_patient: dict[str, list[dict[str, Any]]]
) -> Iterator[tuple[bytes, datetime]]:
    """The requests in a file, each with its time; resources are put beside the others of their patient instead."""
    if file.suffix == ".yaml":
        if file.name != "expected.yaml":
            templates = {service.hook: templates_of(pack, service) for service in pack.services.values()}
            for scenario in read_scenarios(fixtures, [file]):
                yield encode(scenario.request(templates[scenario.hook])), scenario.now
        return
    text = file.read_text(encoding="utf-8-sig")
    try:
        contents = (
            [json.loads(line) for line in text.splitlines() if line.strip()] if file.suffix == ".ndjson" else None
        )
        contents = contents if contents is not None else [json.loads(text)]
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    for content in contents:
        if not isinstance(content, dict):
            continue
        body = content.get("request", content)
        if isinstance(body, dict) and isinstance(body.get("hook"), str):
            yield encode(body), _moment(content, now)
        else:
            for resource in _resources_of(content):
                by_patient[_patient_of(resource)].append(resource)


def _moment(content: Mapping[str, Any], now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(content["now"])
    except (KeyError, TypeError, ValueError):
        return now
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _resources_of(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The resources of a Bundle, or a resource that stands alone."""
    if content.get("resourceType") == "Bundle":
        for entry in content.get("entry") or []:
            if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
                yield from _resources_of(entry["resource"])
    elif isinstance(content.get("resourceType"), str):
        yield dict(content)


def _patient_of(resource: Mapping[str, Any]) -> str:
    if resource["resourceType"] == "Patient":
        return str(resource.get("id") or "")
    subject = resource.get("patient") or resource.get("subject")
    return patient_in(subject.get("reference")) or "" if isinstance(subject, dict) else ""


def _as_requests(
    coverage: Coverage, prepared: Prepared, patient: str, resources: Sequence[dict[str, Any]]
) -> Iterator[bytes]:
    """The record of a patient as calls in which everything was prefetched; a few of the orders are drafts in each."""
    pack = prepared.pack
    prefetch: dict[str, Any] = {}
    shared = [resource for resource in resources if resource["resourceType"] == "Medication"]
    of_results = [key for key, search in pack.searches.items() if search.resource == "Observation"]
    placed: dict[str, list[dict[str, Any]]] = {key: [] for key in of_results}
    for resource in resources:
        if resource["resourceType"] == "Observation":
            _place(coverage, pack, resource, placed)
    for key, search in pack.searches.items():
        matching = placed[key] if key in placed else [r for r in resources if r["resourceType"] == search.resource]
        if search.resource == "Patient":
            prefetch[key] = next(iter(matching), None)
        else:
            prefetch[key] = _bundle([*matching, *(shared if search.resource.startswith("Medication") else [])])
    orders = [resource for resource in resources if resource["resourceType"] == "MedicationRequest"]
    for start in range(0, max(len(orders), 1), _ORDERS_AT_ONCE):
        drafts = [{**order, "status": "draft"} for order in orders[start : start + _ORDERS_AT_ONCE]]
        context = {
            "userId": _USER,
            "patientId": patient or "unknown",
            "draftOrders": _bundle([*drafts, *shared]),
            "selections": [f"MedicationRequest/{draft.get('id')}" for draft in drafts],
        }
        call = {"hook": _HOOK, "hookInstance": _INSTANCE, "context": context}
        yield encode({**call, "prefetch": prefetch if start == 0 else {}})


def _bundle(resources: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": resource} for resource in resources]}


def _place(
    coverage: Coverage, pack: Pack, resource: dict[str, Any], placed: Mapping[str, list[dict[str, Any]]]
) -> None:
    """Puts a result under the keys whose searches would bring it.

    One that has no code of a system that is searched in, and no name that is known, may be of anything: it is counted
    as not understood here, because under every key it would be counted as often as there are keys.
    """
    raw = encode(resource)
    keys = keys_of_result(pack.readers, placed, raw)
    for key in keys:
        placed[key].append(resource)
    if keys or is_coded(raw, {system for key in placed for system in pack.searches[key].systems}):
        return
    concept = resource.get("code")
    codings = pairs(concept)
    system, code = codings[0] if codings else ("", "")
    words_of = words(concept)
    aside = Aside(Kind.CODE, Reason("entryNotKnown"), "Observation", system, code, words_of)
    sets = tuple(value_set.id for value_set in pack.value_sets.values() if value_set.kind == "observation")
    _add(coverage, pack, NotUnderstood(aside, sets))


def _read_request(
    coverage: Coverage, prepared: Prepared, body: bytes, now: datetime, *, is_request: bool = True
) -> None:
    """Adds what one request holds, whether it is answered or refused for want of data."""
    pack = prepared.pack
    coverage.requests += is_request
    service = pack.service_for(json.loads(body)["hook"])
    if service is None:
        coverage.refused["no service answers its hook"] += 1
        return
    try:
        reading = read_call(prepared, service, body, now)
    except Fault as fault:
        coverage.refused[f"{fault.status} {fault.path}"] += 1
        return
    searches = [search for key, search in pack.searches.items() if key in reading.request.prefetch]
    for item in not_understood(pack, reading, searches):
        if item.bears:
            _add(coverage, pack, item)
    known = understood(pack, reading, searches)
    coverage.times.update(Spelling(item.kind, item.system, item.code, plain(item.words)) for item in known)


def _add(coverage: Coverage, pack: Pack, item: NotUnderstood) -> None:
    aside = item.aside
    reason = fill(pack.reasons[aside.reason.key], {key: plain(value) for key, value in aside.reason.values.items()})
    spelling = Spelling(aside.kind, aside.system, aside.code, plain(aside.words), reason)
    coverage.times[spelling] += 1
    coverage.site_lines.setdefault(spelling, site_lines(pack, aside, item.candidates))


def as_json(coverage: Coverage, pack: Pack) -> dict[str, Any]:
    """The whole coverage as JSON: ``understood`` and ``not-understood`` are lists of spellings with ``times``."""
    return {
        "content": f"{pack.id} {pack.version}",
        "requests": coverage.requests,
        "resources": coverage.resources,
        "refused": dict(coverage.refused),
        "understood": [_row(coverage, *row) for row in coverage.rows(is_understood=True)],
        "not-understood": [_row(coverage, *row) for row in coverage.rows(is_understood=False)],
    }


def _row(coverage: Coverage, spelling: Spelling, times: int) -> dict[str, Any]:
    row = {"kind": str(spelling.kind), "times": times, "system": spelling.system, "code": spelling.code}
    row |= {"words": spelling.words, "reason": spelling.reason, "site.toml": coverage.site_lines.get(spelling, "")}
    return {name: value for name, value in row.items() if value not in ("", None)}


def as_text(coverage: Coverage, pack: Pack) -> Iterable[str]:
    """The coverage in lines for people: first what was not understood, with what to paste, then what was."""
    read = [f"{coverage.requests} requests" if coverage.requests else "", f"{coverage.resources} resources"]
    yield f"{pack.id} {pack.version}, read on {' and '.join(filter(None, read[: 1 + bool(coverage.resources)]))}"
    for reason, times in coverage.refused.most_common():
        yield f"  {times} refused: {reason}"
    missed = coverage.rows(is_understood=False)
    yield ""
    yield "Not understood:" if missed else "Everything was understood."
    for spelling, times in missed:
        yield f"  {times:>6}  {spelling.kind:<9}  {_spelled(spelling)}  {spelling.reason}"
        yield from (f"          | {line}" for line in coverage.site_lines[spelling].splitlines())
    yield ""
    yield "Understood:"
    for spelling, times in coverage.rows(is_understood=True):
        yield f"  {times:>6}  {spelling.kind:<9}  {_spelled(spelling)}"


def _spelled(spelling: Spelling) -> str:
    """A spelling on one line: the code with the name of its system, and its words."""
    system = name_of(spelling.system) or spelling.system
    code = f"{system}|{spelling.code}" if system else spelling.code
    words = f'"{spelling.words}"' if spelling.words and spelling.words != spelling.code else ""
    return " ".join(filter(None, [code, words])) or "(nothing)"
