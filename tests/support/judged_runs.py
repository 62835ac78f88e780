"""Runs of the shipped content in a folder, as a hospital has them, for tests of what is shown of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.judged_rows import card, event, run_of

RULE = ("imPlatelets", "TransfusionFirst")


def spoken_card(decision: str = RULE[0], rule: str = RULE[1], **more: Any) -> dict[str, Any]:
    """A card of a rule of the shipped content."""
    return card(f"{decision}{rule}", "critical", decision=decision, rule=rule, **more)


def events(
    cards: int, of: int, *, hook: str = "order-sign", rule: tuple[str, str] = RULE, **more: Any
) -> list[dict[str, Any]]:
    """So many events, of which the first ``cards`` have a card of the rule; ``more`` of each card."""
    return [
        event(f"{hook}-{'-'.join(rule)}-{n}", *([spoken_card(*rule, **more)] if n < cards else []), hook=hook)
        for n in range(of)
    ]


def run_in(folder: Path, name: str, rows: Iterable[dict[str, Any]], *contents: str, **changed: Any) -> Path:
    """A run of this name; ``changed`` are members of its window (``since``, ``until``) and of each of its contents."""
    run = run_of(folder / name, rows, *contents)
    manifest = json.loads((run / "run.json").read_text())
    for member, value in changed.items():
        for part in [manifest["window"]] if member in manifest["window"] else manifest["contents"].values():
            part[member] = value
    (run / "run.json").write_text(json.dumps(manifest))
    return run
