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
from cds_service.chart.sent_entries import patient_in
from cds_service.content.model import Pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.content.render import in_words, plain
from cds_service.content.site_lines import SiteLines, as_toml, site_lines
from cds_service.fhir.codes import name_of
from cds_service.fhir.tree import pairs, words
from cds_service.judge.understanding import NotUnderstood, not_understood, read_call, understood
from cds_service.protocol.faults import Fault
from cds_service.replay.cases import NO_CASES
from cds_service.replay.input_files import FileError, parsed_json, read_text
from cds_service.replay.scenarios import read_scenarios
from cds_service.vocabulary.accounting import Aside, Kind
from cds_service.vocabulary.facts import Reason
from cds_service.vocabulary.json_text import encode

_HOOK = "order-select"
_USER = "Practitioner/coverage"
_INSTANCE = "00000000-0000-4000-8000-000000000000"
_ORDERS_AT_ONCE = 8


class Spelling(msgspec.Struct, frozen=True, order=True):
    """One way in which something was written. ``reason`` is why it was not understood, ``""`` if it was."""

    kind: Kind
    system: str
    code: str
    words: str
    reason: str = ""


@dataclass(slots=True)
class Coverage:
    """How often each spelling was met, and where first: the file. ``site_lines`` would map it, where a site can.

    ``requests`` and ``resources`` count what was read; ``refused`` are requests that cannot be read, by reason, and
    ``not_read`` the files that cannot be, each with the place and the reason.
    """

    requests: int = 0
    resources: int = 0
    times: Counter[Spelling] = field(default_factory=Counter)
    first_in: dict[Spelling | str, str] = field(default_factory=dict)
    site_lines: dict[Spelling, SiteLines] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    not_read: list[str] = field(default_factory=list)
    by_name: set[Spelling] = field(default_factory=set)

    def rows(self, *, is_understood: bool) -> list[tuple[Spelling, int]]:
        """Each spelling with how often it was met: what a site can map before what it cannot, the most frequent first.

        What is known by its name already comes last among the first.
        """
        chosen = [(spelling, times) for spelling, times in self.times.items() if (not spelling.reason) is is_understood]
        return sorted(chosen, key=self._rank)

    def _rank(self, row: tuple[Spelling, int]) -> tuple[bool, bool, str, int, Spelling]:
        spelling, times = row
        kind = str(spelling.kind) if not spelling.reason else ""
        return spelling not in self.site_lines, spelling in self.by_name, kind, -times, spelling


def files_in(paths: Iterable[Path]) -> list[Path]:
    """The files that are named, and those in the folders that are.

    Raises:
        FileError: there is nothing to read in a folder.
    """
    found: list[Path] = []
    for path in paths:
        files = [path] if not path.is_dir() else [file for file in sorted(path.rglob("*")) if file.suffix in _SUFFIXES]
        if not files:
            raise FileError(path, "there is neither JSON nor NDJSON nor YAML in it")
        found += files
    return found


def cover(prepared: Prepared, fixtures: Path, files: Iterable[Path], now: datetime) -> Coverage:
    """What of the files is understood by the content, and what is not.

    ``now`` is the time at which resources and captured requests are read; a recording says its own.
    """
    coverage = Coverage()
    by_patient: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for file in files:
        try:
            requests = list(_requests_in(prepared.pack, fixtures, file, now, by_patient))
        except FileError as error:  # no JSON, no UTF-8, or no scenario
            coverage.not_read.append(str(error))
            continue
        except OSError as error:
            coverage.not_read.append(f"{file}: {error.strerror}")
            continue
        for body, moment in requests:
            _read_request(coverage, prepared, body, moment, str(file))
    for patient, resources in by_patient.items():
        coverage.resources += len(resources)
        for body in _as_requests(coverage, prepared, patient, resources):
            _read_request(coverage, prepared, body, now, "")
    return coverage


_SUFFIXES = (".json", ".ndjson", ".yaml")


def _requests_in(
    pack: Pack, fixtures: Path, file: Path, now: datetime, by_patient: dict[str, list[dict[str, Any]]]
) -> Iterator[tuple[bytes, datetime]]:
    """The requests in a file, each with its time; resources are put beside the others of their patient instead."""
    if file.suffix == ".yaml":
        if file.name not in NO_CASES:
            templates = {service.hook: templates_of(pack, service) for service in pack.services.values()}
            for scenario in read_scenarios(fixtures, [file]):
                yield encode(scenario.request(templates[scenario.hook])), scenario.now
        return
    text = read_text(file)
    parts = [(1, text)]
    if file.suffix == ".ndjson":
        parts = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    for content in [parsed_json(part, str(file), number) for number, part in parts]:
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
    orders = [resource for resource in resources if resource["resourceType"] in pack.relevant]
    for start in range(0, max(len(orders), 1), _ORDERS_AT_ONCE):
        drafts = [{**order, "status": "draft"} for order in orders[start : start + _ORDERS_AT_ONCE]]
        context = {
            "userId": _USER,
            "patientId": patient or "unknown",
            "draftOrders": _bundle([*drafts, *shared]),
            "selections": [f"{draft['resourceType']}/{draft.get('id')}" for draft in drafts],
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
    aside = Aside(Kind.CODE, Reason("entryNotKnown"), f"Observation/{resource.get('id')}", system, code, words_of)
    sets = tuple(value_set.id for value_set in pack.value_sets.values() if value_set.kind == "observation")
    _add(coverage, pack, NotUnderstood(aside, sets), "")


def _read_request(coverage: Coverage, prepared: Prepared, body: bytes, now: datetime, file: str) -> None:
    """Adds what one request holds, whether it is answered or refused for want of data.

    ``file`` is where it stands; ``""`` for a request that was made of resources, whose orders are drafts and entries of
    the record at once: their drugs are counted as those of drafts.
    """
    pack = prepared.pack
    coverage.requests += bool(file)
    service = pack.service_for(json.loads(body)["hook"])
    if service is None:
        _refused(coverage, "no service answers its hook", file)
        return
    try:
        reading = read_call(prepared, service, body, now)
    except Fault as fault:
        _refused(coverage, f"{fault.path or 'the request'}: {fault.text}", file)
        return
    searches = [search for key, search in pack.searches.items() if key in reading.request.prefetch]
    for item in not_understood(pack, reading, searches):
        is_counted = item.search is not None and item.search.resource == "MedicationRequest" and not file
        if item.bears and not (is_counted and item.aside.kind is Kind.DRUG):
            _add(coverage, pack, item, file)
    for known in understood(pack, reading, searches):
        coverage.times[Spelling(known.kind, known.system, known.code, plain(known.words))] += 1


def _refused(coverage: Coverage, why: str, file: str) -> None:
    coverage.refused[why] += 1
    coverage.first_in.setdefault(why, file)


def _add(coverage: Coverage, pack: Pack, item: NotUnderstood, file: str) -> None:
    aside = item.aside
    reason = in_words(pack, aside.reason)
    spelling = Spelling(aside.kind, aside.system, aside.code, plain(aside.words), reason)
    coverage.times[spelling] += 1
    coverage.first_in.setdefault(spelling, " ".join(filter(None, [file, plain(aside.reference)])))
    if aside.reason.key == "knownByName":
        coverage.by_name.add(spelling)
    lines = site_lines(pack, aside, item.candidates)
    if lines is not None:
        coverage.site_lines.setdefault(spelling, lines)


def proposed(coverage: Coverage) -> str:
    """The lines of ``site.toml`` that would map what a site can map, as one file."""
    rows = coverage.rows(is_understood=False)
    return as_toml(coverage.site_lines[spelling] for spelling, _ in rows if spelling in coverage.site_lines)


def as_json(coverage: Coverage, pack: Pack) -> dict[str, Any]:
    """The whole coverage as JSON: ``understood`` and ``not-understood`` are lists of spellings with ``times``."""
    return {
        "content": f"{pack.id} {pack.version}",
        "requests": coverage.requests,
        "resources": coverage.resources,
        "not-read": coverage.not_read,
        "refused": dict(coverage.refused),
        "understood": [_row(coverage, pack, *row) for row in coverage.rows(is_understood=True)],
        "not-understood": [_row(coverage, pack, *row) for row in coverage.rows(is_understood=False)],
    }


def _value_sets(pack: Pack, spelling: Spelling) -> list[str]:
    """The value sets that hold a code: as what it was understood, so that a wrong mapping can be seen."""
    return [value_set.id for value_set in pack.value_sets.values() if value_set.find(spelling.system, spelling.code)]


def _row(coverage: Coverage, pack: Pack, spelling: Spelling, times: int) -> dict[str, Any]:
    lines = coverage.site_lines.get(spelling)
    row = {"kind": str(spelling.kind), "times": times, "system": spelling.system, "code": spelling.code}
    row |= {"words": spelling.words, "reason": spelling.reason, "first": coverage.first_in.get(spelling, "")}
    row |= {"site.toml": as_toml([lines]) if lines else "", "value-sets": _value_sets(pack, spelling)}
    return {name: value for name, value in row.items() if value not in ("", None, [])}


def as_text(coverage: Coverage, pack: Pack) -> Iterator[str]:
    """The coverage in lines for people: what a site can map, what it cannot, what to paste, and what was understood."""
    yield f"{pack.id} {pack.version}, read on {_number(coverage.requests, 'request')} and " + _number(
        coverage.resources, "resource"
    )
    yield from (f"  Not read: {text}" for text in coverage.not_read)
    for reason, times in coverage.refused.most_common():
        yield f"  {times} refused: {reason}, first in {coverage.first_in[reason]}"
    missed, known = coverage.rows(is_understood=False), coverage.rows(is_understood=True)
    mappable = [row for row in missed if row[0] in coverage.site_lines]
    others = [row for row in missed if row[0] not in coverage.site_lines]
    if not missed:
        yield ""
        yield "Everything was understood." if known else "Nothing was read that any decision looks at."
    for title, rows in (
        ("Not understood, and lines of site.toml can map it:", mappable),
        ("Not understood, and no line of site.toml can map it:", others),
        ("Understood:", known),
    ):
        if rows:
            yield ""
            yield f"{title}"
            yield from (_line(coverage, pack, *row) for row in rows)
        if rows is mappable and rows:
            yield ""
            yield "Lines for site.toml; each question mark is to be replaced by one of the choices above it:"
            yield ""
            yield proposed(coverage)


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' if count != 1 else ''}"


def _line(coverage: Coverage, pack: Pack, spelling: Spelling, times: int) -> str:
    first = coverage.first_in.get(spelling)
    where = f"First in {first}." if first else ""
    known_as = ", ".join(_value_sets(pack, spelling))
    parts = [_spelled(spelling), f"as {known_as}" if known_as else "", spelling.reason, where]
    return "  ".join(filter(None, [f"  {times:>6}", f"{spelling.kind:<9}", *parts]))


def _spelled(spelling: Spelling) -> str:
    """A spelling on one line: the code with the name of its system, and its words."""
    system = name_of(spelling.system) or spelling.system
    code = f"{system}|{spelling.code}" if system else spelling.code
    words = f'"{spelling.words}"' if spelling.words and spelling.words != spelling.code else ""
    return " ".join(filter(None, [code, words])) or "(nothing coded)"
