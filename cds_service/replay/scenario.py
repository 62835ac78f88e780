"""One call that a client would make, with the record of its patient and the cards expected.

A scenario becomes a real hook request: the patient's resources answer the prefetch templates of discovery. Dates are
as of the scenario's ``now``; for a live service all dates of the patient are moved to today (Z17).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import NAMESPACE_URL, uuid5

from cds_service.fhir.codes import canonical
from cds_service.vocabulary.camel_case import spelled_out

DEFAULT_NOW = "2026-11-23T12:00:00Z"
_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_DATE = re.compile(r"^\d{4}-\d\d-\d\d(T\S*)?$")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One case of one story. ``name`` is ``story/case``, ``path`` the story's file and ``line`` where it stands in it,
    ``story`` the title of that file.

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
    line: int = 1
    story: str = ""

    @property
    def title(self) -> str:
        """Its name without that of its file, for people: ``dailyForAWeek`` as ``Daily for a week``."""
        return spelled_out(self.name.rpartition("/")[2] or self.name)

    @property
    def where(self) -> str:
        """Its file and line."""
        return f"{self.path}:{self.line}"

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
