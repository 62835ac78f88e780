"""Runs of the shipped content in a folder, as a hospital has them, for tests of what is shown of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from cds_service.store.store import Store
from tests.support.judged_rows import MOMENT, card, event, record, run_of
from tests.support.shipped import shipped_pack

RULE = ("imPlatelets", "TransfusionFirst")


def _source(kind: str, latest: int | None, earliest: int | None = None, times: int = 1) -> dict[str, Any]:
    return {"type": kind, "times": times, "latest": latest, "earliest": latest if earliest is None else earliest}


_NEWER = _source("Observation", 1)
_RESTS_ON = {
    "version": shipped_pack().decisions[RULE[0]].version,
    "asked": [
        {"name": "platelets", "value": "22 ×10⁹/L", "behind": []},
        {"name": "injectionBeside", "value": "no", "behind": ["patient-age"]},
    ],
    "facts": [
        {"name": name, "state": state, "value": value, "because": because, "sources": sources, "set_aside": aside}
        for name, state, value, because, sources, aside in (
            ("platelets", "value", "22 ×10⁹/L", "The unit … is not known for it.", [_source("Observation", 3)], _NEWER),
            ("patient-age", "value", "65-79", None, [_source("Patient", None)], None),
            (
                "b12-treatment",
                "value",
                "on record",
                None,
                [_source("MedicationRequest", 1319), _source("MedicationAdministration", 20, 1332, 25)],
                None,
            ),
            ("order.route", "unusable", "not usable", "The route … is not known.", [], None),
            ("thrombocytopenia", "absent", "none on record", None, [], None),
        )
    ],
}


def spoken_card(decision: str = RULE[0], rule: str = RULE[1], **more: Any) -> dict[str, Any]:
    """A card of a rule of the shipped content."""
    rests_on = _RESTS_ON if (decision, rule) == RULE else {}
    return card(f"{decision}{rule}", "critical", decision=decision, rule=rule, **(rests_on | more))


def events(
    cards: int, of: int, *, hook: str = "order-sign", rule: tuple[str, str] = RULE, **more: Any
) -> list[dict[str, Any]]:
    """So many events, of which the first ``cards`` have a card of the rule; ``more`` of each card."""
    return [
        event(f"{hook}-{'-'.join(rule)}-{n}", *([spoken_card(*rule, **more)] if n < cards else []), hook=hook)
        for n in range(of)
    ]


def runs_of_a_hospital(folder: Path, store: str) -> None:
    """A run, a comparison of two contents, a folder that is no run, and counts of today in the store of this URL: one
    rule fell silent, one doubled, one is as expected.
    """
    nasal, units = ("nasalRegimen", "AskNeurological"), ("doseUnit", "TooHigh")
    rows = [*events(300, 900), *events(2, 40, rule=nasal), *events(50, 60, rule=units)]
    placed = [
        row | {"moment": MOMENT + timedelta(days=n % 200), "unit": ("3B", "Haemodialysis", None)[n % 3]}
        for n, row in enumerate([*rows, *events(5, 20, hook="patient-view"), record(undated=3)])
    ]
    run_in(folder, "last-year", placed)
    old, new = ([row | {"content": name} for row in made] for name, made in (("old", rows), ("new", events(0, 1000))))
    run_in(
        folder,
        "compared",
        [*old, *[one | {"event": other["event"]} for one, other in zip(new, old, strict=True)]],
        "old",
        "new",
    )
    (folder / "no-run").mkdir()
    counts, service = Store(store), "vitamin-b12-order-sign"
    for _ in range(500):
        counts.count_call(service, shipped_pack().version, judged_under="")
    for rule, times in ((nasal, 40), (units, 25)):
        for _ in range(times):
            counts.count(service, *rule, "1.0.0", "info")
    counts.close()


def run_in(folder: Path, name: str, rows: Iterable[dict[str, Any]], *contents: str, **changed: Any) -> Path:
    """A run of this name; ``changed`` are members of its window (``since``, ``until``) and of each of its contents."""
    run = run_of(folder / name, rows, *contents)
    manifest = json.loads((run / "run.json").read_text())
    for member, value in changed.items():
        for part in [manifest["window"]] if member in manifest["window"] else manifest["contents"].values():
            part[member] = value
    (run / "run.json").write_text(json.dumps(manifest))
    return run
