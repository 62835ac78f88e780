"""Scenarios: a patient, drafts and the cards expected, written as stories in ``fixtures/scenarios``.

A scenario becomes a real hook request: the patient's resources answer the prefetch templates of discovery. Dates are
as of the scenario's ``now``; for a live service all dates of the patient are moved to today (Z17).
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import NAMESPACE_URL, uuid5

import yaml

from cds_service.fhir.codes import canonical

# The scenario for those who have not chosen one. Its patient is far from every threshold, so that one may be moved.
SAMPLE = "platelets-and-im/sample"
DEFAULT_NOW = "2026-11-23T12:00:00Z"
_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_DATE = re.compile(r"^\d{4}-\d\d-\d\d(T\S*)?$")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One case of one story. ``name`` is ``story/case``, ``path`` the story's file.

    ``resources`` are the patient's; ``without`` names prefetch keys that are left out (``all`` for every key), and
    ``prefetch`` holds answers to keys that are not those of the resources. ``expect`` is a list of cards, or
    ``{status, names}`` for an error.
    """

    name: str
    path: Path
    hook: str
    now: datetime
    patient: str
    resources: Sequence[Mapping[str, Any]]
    drafts: Sequence[Mapping[str, Any]]
    selections: Sequence[str]
    without: frozenset[str]
    prefetch: Mapping[str, Any]
    in_process_only: bool
    expect: Any
    why: str = ""
    statements: tuple[str, ...] = field(default=())
    profile: str = "2.0"
    preference_item: Mapping[str, str] = field(default_factory=dict)

    def record(self, today: datetime | None = None) -> list[Mapping[str, Any]]:
        """The resources of the patient; their dates are moved to ``today`` if that is given."""
        resources: list[Mapping[str, Any]] = list(self.resources)
        return resources if today is None else moved(resources, (today.date() - self.now.date()).days)

    def request(self, templates: Mapping[str, str], today: datetime | None = None) -> dict[str, Any]:
        """The hook request that a client would send, with a prefetch for each of ``templates``.

        Its dates are moved to ``today`` if that is given.
        """
        resources, drafts = self.record(today), list(self.drafts)
        if today is not None:
            drafts = moved(drafts, (today.date() - self.now.date()).days)
        prefetch: dict[str, Any] = {}
        if "all" not in self.without:
            prefetch = {
                key: search(template, resources) for key, template in templates.items() if key not in self.without
            }
        prefetch.update(self.prefetch)
        context: dict[str, Any] = {"userId": "Practitioner/example", "patientId": self.patient}
        if self.hook == "order-select":
            context["selections"] = list(self.selections)
        if self.hook != "patient-view":
            entries = [{"resource": draft} for draft in drafts]
            context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        return {
            "hook": self.hook,
            "hookInstance": str(uuid5(NAMESPACE_URL, self.name)),
            "context": context,
            "prefetch": prefetch,
        }

    def expected(self, today: datetime) -> Any:
        """What is expected of the scenario moved to ``today``: dates in the words of cards move with the patient."""
        days = (today.date() - self.now.date()).days
        if not days or not isinstance(self.expect, list):
            return self.expect
        return [
            {**card, **{key: [_moved_words(text, days) for text in card.get(key, [])] for key in ("says", "says-not")}}
            for card in self.expect
        ]


def _moved_words(text: str, days: int) -> str:
    return _DAY.sub(lambda match: (date.fromisoformat(match[0]) + timedelta(days=days)).isoformat(), text)


def read_scenarios(fixtures: Path, paths: Iterable[Path] = ()) -> Iterator[Scenario]:
    """The scenarios of the given files or folders; of all of ``fixtures/scenarios`` if none are given.

    Patients and drafts are read from folders beside that of the file, if they are there, otherwise from ``fixtures``.

    Raises:
        ValueError: a file holds no scenarios, or names a patient or draft that is not there.
    """
    files: list[Path] = []
    for path in list(paths) or [fixtures / "scenarios"]:
        files.extend(sorted(path.glob("*.yaml")) if path.is_dir() else [path])
    for file in files:
        try:
            story = yaml.safe_load(file.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ValueError(f"{file}: {error}") from None
        if not isinstance(story, dict) or not isinstance(story.get("cases"), list):
            raise ValueError(f"{file}: not a story of scenarios: it has no list of cases")
        beside = file.resolve().parent.parent
        home = beside if (beside / "patients").is_dir() else fixtures
        for case in story["cases"]:
            try:
                yield _scenario(home, file, story, case)
            except (FileNotFoundError, KeyError) as error:
                missing = error.filename if isinstance(error, FileNotFoundError) else error
                raise ValueError(f"{file}: {case.get('name', '?')}: not there: {missing}") from None


def _scenario(fixtures: Path, file: Path, story: Mapping[str, Any], case: Mapping[str, Any]) -> Scenario:
    def setting(key: str, default: Any = None) -> Any:
        return case.get(key, story.get(key, default))

    now = datetime.fromisoformat(setting("now", DEFAULT_NOW))
    patient = setting("patient")
    bundle = json.loads((fixtures / "patients" / f"{patient}.json").read_text(encoding="utf-8"))
    resources = {f"{r['resourceType']}/{r['id']}": r for r in (entry["resource"] for entry in bundle["entry"])}
    for reference in case.get("remove", []):
        del resources[reference]
    for reference, change in case.get("change", {}).items():
        resources[reference] = merged(resources[reference], dated(change, now))
    for added in dated(case.get("add", []), now):
        resources[f"{added['resourceType']}/{added['id']}"] = added
    names = setting("draft", [])
    drafts = []
    for index, name in enumerate([names] if isinstance(names, str) else names):
        draft = json.loads((fixtures / "drafts" / f"{name}.json").read_text(encoding="utf-8"))
        draft["id"] = f"draft-{index + 1}"
        draft["subject"] = {"reference": f"Patient/{patient}"}
        drafts.append(merged(draft, dated(case.get("draft-change", {}), now)) if index == 0 else draft)
    selected = case.get("select") or range(1, len(drafts) + 1)
    without = setting("without", [])
    return Scenario(
        name=f"{file.stem}/{case['name']}",
        path=file,
        hook=setting("hook", "order-select"),
        now=now,
        patient=patient,
        resources=list(resources.values()),
        drafts=drafts,
        selections=[f"{drafts[n - 1]['resourceType']}/{drafts[n - 1]['id']}" for n in selected],
        without=frozenset([without] if isinstance(without, str) else without),
        prefetch=case.get("prefetch", {}),
        in_process_only=case.get("in-process-only", False),
        expect=case["expect"],
        why=case.get("why", ""),
        statements=tuple(story.get("statements", ())),
    )


def search(template: str, resources: Sequence[Mapping[str, Any]]) -> Any:
    """What a FHIR server with these resources would answer to a prefetch template: a read, or a search by code and
    status. A code is found in whatever spelling its system was recorded.
    """
    kind, _, query = template.partition("?")
    if not query:
        kind = kind.partition("/")[0]
        return next((r for r in resources if r["resourceType"] == kind), None)
    parameters = {key: set(",".join(values).split(",")) for key, values in parse_qs(query).items()}
    matching = [
        resource
        for resource in resources
        if resource["resourceType"] == kind
        and ("code" not in parameters or parameters["code"] & set(_codes(resource)))
        and ("status" not in parameters or resource.get("status") in parameters["status"])
    ]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(matching),
        **({"entry": [{"resource": r, "search": {"mode": "match"}} for r in matching]} if matching else {}),
    }


def _codes(resource: Mapping[str, Any]) -> list[str]:
    codings = resource.get("code", {}).get("coding", [])
    return [f"{canonical(str(coding.get('system')))}|{coding.get('code')}" for coding in codings]


def merged(base: Any, change: Any) -> Any:
    """``base`` with ``change`` laid over it: objects member by member, and ``None`` removes a member."""
    if not isinstance(base, dict) or not isinstance(change, dict):
        return copy.deepcopy(change)
    result = dict(base)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def dated(tree: Any, now: datetime) -> Any:
    """``tree`` with offsets such as ``P-3D`` and ``P-3DT08:00:00Z`` replaced by the dates that they mean at ``now``."""
    if isinstance(tree, dict):
        return {key: dated(value, now) for key, value in tree.items()}
    if isinstance(tree, list):
        return [dated(item, now) for item in tree]
    match = re.fullmatch(r"P(-?\d+)D(T\S+)?", tree) if isinstance(tree, str) else None
    if match is None:
        return tree
    return f"{(now + timedelta(days=int(match[1]))).date().isoformat()}{match[2] or ''}"


def moved(tree: Any, days: int) -> Any:
    """A FHIR tree with every date moved by whole days, so that ages and intervals stay as they are."""
    if isinstance(tree, dict):
        return {key: moved(value, days) for key, value in tree.items()}
    if isinstance(tree, list):
        return [moved(item, days) for item in tree]
    if isinstance(tree, str) and _DATE.match(tree):
        day = datetime.fromisoformat(tree[:10]).date() + timedelta(days=days)
        return day.isoformat() + tree[10:]
    return tree
