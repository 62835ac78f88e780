"""What a suggestion would change, as lines of FHIR against the draft. Imports the standard library only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

_AROUND = 3  # lines of context


@dataclass(frozen=True, slots=True)
class Change:
    """One action: its kind, its words, and the lines it takes away (``-``), adds (``+``) and leaves (a space)."""

    kind: str
    description: str
    lines: tuple[tuple[str, str], ...]


def change_of(action: Mapping[str, Any], drafts: Mapping[str, Mapping[str, Any]]) -> Change:
    """One action of a suggestion; ``drafts`` are those of the request by ``Type/id``."""
    after = action.get("resource")
    name = action.get("resourceId") or (f"{after['resourceType']}/{after['id']}" if after else "")
    before = drafts.get(str(name)) if action["type"] != "create" else None
    lines = unified_diff(_lines(before), _lines(after), lineterm="", n=_AROUND)
    shown = [(line[:1], line[1:]) for line in lines if not line.startswith(("---", "+++"))]
    shown = [("@", "") if sign == "@" else (sign, text) for sign, text in shown]
    return Change(str(action["type"]), str(action.get("description", "")), tuple(shown[1:]))


def drafts_of(request: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The drafts of a request by ``Type/id``; what is none is passed over."""
    context = request.get("context")
    bundle = context.get("draftOrders") if isinstance(context, dict) else None
    entries = bundle.get("entry") if isinstance(bundle, dict) else None
    resources = [entry.get("resource") for entry in entries or [] if isinstance(entry, dict)]
    return {f"{r.get('resourceType')}/{r.get('id')}": r for r in resources if isinstance(r, dict)}


def _lines(resource: Mapping[str, Any] | None) -> list[str]:
    return json.dumps(resource, indent=2, ensure_ascii=False).splitlines() if resource else []
