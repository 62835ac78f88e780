"""The pages that show the content as a person reads it: its sources, its decision tables, its value sets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from flask import Blueprint, abort, render_template

from cds_service.console.decision_table import columns_of, proof_of, rows_of
from cds_service.content.model import Pack
from cds_service.content.prepared import Prepared
from cds_service.content.reviews import better
from cds_service.replay.scenarios import read_scenarios


class ContentPages:
    """The pages over the content that ``content`` gives, whose files stand in ``cards``.

    ``fixtures`` is the folder of the scenarios that show what rules do.
    """

    def __init__(self, content: Callable[[], Prepared], cards: Path, fixtures: Path) -> None:
        self._content = content
        self._cards = cards
        self._fixtures = fixtures

    def register(self, pages: Blueprint) -> None:
        """Adds the pages to ``pages``; the endpoint of each has the name of its method."""
        pages.get("/content")(self.content)
        pages.get("/content/decisions/<name>")(self.decision)
        pages.get("/content/value-sets/<name>")(self.value_set)

    def content(self) -> str:
        """Everything that the content holds: decisions, statements and settlements with their rules, value sets."""
        pack = self._content().pack
        rules: dict[str, list[tuple[str, str]]] = {}
        for decision in pack.decisions.values():
            for rule in decision.rules:
                for cited in {rule.statement, *rule.settles} - {""}:
                    rules.setdefault(cited, []).append((decision.id, rule.id))
        return render_template("content.html", pack=pack, rules=rules)

    def decision(self, name: str) -> str:
        """One decision: its table, the cards and scenarios of its rules, and the proof that the table is complete."""
        prepared = self._content()
        pack, today = prepared.pack, prepared.today(datetime.now(UTC))
        decision = pack.decisions.get(name)
        if decision is None:
            abort(404)
        return render_template(
            "decision.html",
            pack=pack,
            decision=decision,
            review=better(pack.standing(today), decision.standing(today)),
            columns=columns_of(pack, decision),
            rows=rows_of(pack, decision, self._scenarios_by_topic),
            proof=proof_of(pack, decision),
            used_by=[d.id for d in pack.decisions.values() if name in d.inputs],
        )

    def value_set(self, name: str) -> str:
        """One value set: its codes, and where each of them was verified."""
        pack = self._content().pack
        if name not in pack.value_sets:
            abort(404)
        facts = [f for f in pack.facts.values() if any(vs.id == name for vs in f.value_sets.values())]
        return render_template("value_set.html", written=_as_written(self._cards, pack, name), facts=facts)

    @cached_property
    def _scenarios_by_topic(self) -> dict[str, list[str]]:
        """The names of the scenarios that expect a card, by the card's topic."""
        names: dict[str, list[str]] = {}
        for scenario in read_scenarios(self._fixtures):
            for card in scenario.expect if isinstance(scenario.expect, list) else ():
                names.setdefault(card["topic"], []).append(scenario.name)
        return names


def _as_written(cards: Path, pack: Pack, name: str) -> dict[str, Any]:
    """The file of a value set, which says where each code was verified; ``local`` holds the site's own codes."""
    file = cards / pack.id / "value-sets" / f"{name}.yaml"
    written: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return written | {"local": [concept for concept in pack.value_sets[name].codes.values() if concept.local]}
