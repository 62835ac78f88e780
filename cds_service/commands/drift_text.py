"""Which rules fell silent or doubled against what a population run led to expect, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import isinf
from pathlib import Path
from typing import Any

import click

from cds_service.commands.common import number, settings_of_environment
from cds_service.commands.packs import load
from cds_service.content.model import Pack, TemplateWords
from cds_service.content.rule_words import rule_words
from cds_service.population.drift import DAYS, RuleDrift, ServiceWatch, Watch, watch
from cds_service.population.run_folder import RunFolderError
from cds_service.population.words import ratio_in_words
from cds_service.store.store import Store


def drift_of(folder: Path | None, store: Store) -> PackDrift | None:
    """How often the rules of the pack in a folder speak, held against the newest run of its version.

    ``None`` without a folder of runs, or of the pack.

    Raises:
        ClickException: the runs cannot be read, or the pack with the site's settings cannot.
        StoreDown: the store cannot be read.
    """
    runs = settings_of_environment().runs
    if runs is None or folder is None:
        return None
    pack = load(folder)  # with what the site has switched off
    try:
        return PackDrift(pack, watch(runs, pack, store, datetime.now(UTC)))
    except RunFolderError as error:
        raise click.ClickException(f"CDS_SERVICE_RUNS: {error}") from None


@dataclass(frozen=True, slots=True)
class PackDrift:
    """A pack, and what was shown of it against a run; ``watch`` is ``None`` if no run is of its version."""

    pack: Pack
    watch: Watch | None

    def as_data(self) -> dict[str, Any]:
        """The same as ``json.dumps`` takes it; ``run`` and ``services`` are empty where nothing is expected."""
        if self.watch is None:
            return {"pack": self.pack.id, "run": None, "services": []}
        return {
            "pack": self.pack.id,
            "run": self.watch.run.name,
            "services": [
                {
                    "service": service.service,
                    "first": service.first.isoformat(),
                    "days": service.days,
                    "judged": service.judged,
                    "rules": [_rule_as_data(rule) for rule in service.rules],
                }
                for service in self.watch.services
            ],
        }

    def as_text(self, regimens: Mapping[str, TemplateWords]) -> Iterator[str]:
        """A line for each service, and for each rule that drifted."""
        if self.watch is None:
            version = f"{self.pack.id} {self.pack.version}"
            yield f"No population run in CDS_SERVICE_RUNS is of {version}, so nothing is expected of its rules."
            return
        run = self.watch.run
        yield f"How often rules spoke in the last {DAYS} days, against the run {run.name} (orders of {run.window}):"
        if not self.watch.services:
            yield "  no order has been judged by this content, as far as it was counted"
        for service in self.watch.services:
            yield from self._service(service, regimens)

    def _service(self, service: ServiceWatch, regimens: Mapping[str, TemplateWords]) -> Iterator[str]:
        drifted = [rule for rule in service.rules if rule.drift]
        told = f"{len(drifted)} of {number(len(service.rules), 'rule')} fell silent or doubled"
        calls = f"{number(service.judged, 'call')} with orders on {number(service.days, 'day')} since {service.first}"
        seldom = sum(rule.is_seldom for rule in service.rules)
        yield f"  {service.service}: {told}, in {calls}" + (f"; {seldom} too seldom to tell" if seldom else "")
        for rule in drifted:
            words = rule_words(self.pack, regimens, rule.decision, rule.rule).whole
            yield f"    {_told(rule)}: {words} ({rule.decision} {rule.rule})"


def _told(rule: RuleDrift) -> str:
    became = "fell silent" if rule.drift == "silent" else "doubled"
    ratio = ratio_in_words(rule.low, rule.high)
    return f"{became}, {rule.shown} shown of {rule.expected:.1f} expected ({ratio})"


def _rule_as_data(rule: RuleDrift) -> dict[str, Any]:
    data = asdict(rule)
    del data["service"]
    return data | {
        "expected": round(rule.expected, 2),
        "low": round(rule.low, 4),
        "high": None if isinf(rule.high) else round(rule.high, 4),
        "drift": rule.drift,
    }
