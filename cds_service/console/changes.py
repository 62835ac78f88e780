"""What a suggestion would change: the lines of JSON that its resource and the draft have and do not share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

_AROUND = 3  # lines of context


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """One action of a suggestion: its type, its words, and the lines of the resource around what it changes.

    Each line has a sign: ``-`` is taken away, ``+`` is added, a space stays, and ``@`` stands for lines left out.
    """

    kind: str
    description: str
    lines: tuple[tuple[str, str], ...]


def change_of(action: Mapping[str, Any], drafts: Mapping[str, Mapping[str, Any]]) -> ResourceChange:
    """What one action of a suggestion changes; ``drafts`` are those of the request by ``Type/id``."""
    differences = unified_diff(_lines(draft_of(action, drafts)), _lines(action.get("resource")), lineterm="", n=_AROUND)
    lines = [(line[:1], line[1:]) for line in differences if not line.startswith(("---", "+++"))]
    lines = [("@", "") if sign == "@" else (sign, text) for sign, text in lines]
    return ResourceChange(str(action["type"]), str(action.get("description", "")), tuple(lines[1:]))


def draft_of(action: Mapping[str, Any], drafts: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The draft that an action changes or removes; ``None`` for one that creates an order."""
    after = action.get("resource")
    name = action.get("resourceId") or (f"{after['resourceType']}/{after['id']}" if after else "")
    return drafts.get(str(name)) if action["type"] != "create" else None


def drafts_of(request: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The drafts of a request by ``Type/id``; entries that hold no resource are left out."""
    return {f"{r.get('resourceType')}/{r.get('id')}": r for r in draft_resources(request)}


def draft_resources(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The drafts of a request in their order; entries that hold no resource are left out."""
    context = request.get("context")
    bundle = context.get("draftOrders") if isinstance(context, dict) else None
    entries = bundle.get("entry") if isinstance(bundle, dict) else None
    resources = [entry.get("resource") for entry in entries or [] if isinstance(entry, dict)]
    return [resource for resource in resources if isinstance(resource, dict)]


def _lines(resource: Mapping[str, Any] | None) -> list[str]:
    return json.dumps(resource, indent=2, ensure_ascii=False).splitlines() if resource else []
