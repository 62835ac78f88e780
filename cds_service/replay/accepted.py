"""What a client asks next when a clinician has accepted a suggestion: the same call with the drafts that it leaves."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5


def accepted(request: Mapping[str, Any], suggestion: Mapping[str, Any]) -> dict[str, Any]:
    """The next request of a client that carried out every action of a suggestion; it is a call of its own.

    ``request`` is a call with draft orders. What is created is drafted and, where there are selections, selected; what
    is deleted is neither any more.

    Raises:
        ValueError: an action changes or deletes an order that is not there, or creates one that is.
    """
    following: dict[str, Any] = copy.deepcopy(dict(request))
    following["hookInstance"] = str(uuid5(NAMESPACE_URL, f"{request['hookInstance']} {suggestion['label']}"))
    context = following["context"]
    entries, selections = context["draftOrders"]["entry"], context.get("selections", [])
    for action in suggestion["actions"]:
        name = action["resourceId"] if action["type"] == "delete" else _reference(action["resource"])
        there = [entry for entry in entries if _reference(entry["resource"]) == name]
        if bool(there) == (action["type"] == "create"):
            raise ValueError(f"{action['type']} names {name}, which is {'' if there else 'not '}there")
        if action["type"] == "delete":
            entries[:] = [entry for entry in entries if entry not in there]
            selections[:] = [selected for selected in selections if not _is_named(selected, name)]
        elif action["type"] == "update":
            for entry in there:
                entry["resource"] = action["resource"]
        else:
            entries.append({"resource": action["resource"]})
            selections.append(name)
    return following


def _reference(resource: Mapping[str, Any]) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id')}"


def _is_named(selection: str, name: str) -> bool:
    """Whether a selection is the reference ``name``, the id in it, or a URL that ends in it."""
    said = selection.partition("/_history/")[0]
    return said in (name, name.partition("/")[2]) or said.endswith(f"/{name}")
