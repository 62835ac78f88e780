"""``cds-service report``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec

from cds_service.commands.common import TimeArgument, number, open_store, say, settings_of_environment
from cds_service.commands.drift_text import drift_of
from cds_service.commands.packs import pack_option, pack_places
from cds_service.content.load import load_pack
from cds_service.content.model import Pack, TemplateWords
from cds_service.content.packs import service_ids
from cds_service.content.prepared import template_words
from cds_service.content.rule_words import RuleWords, reason_words, rule_words
from cds_service.store.database import StoreDown
from cds_service.store.figures import ReasonShare, Report, RuleReport, Share, per_100
from cds_service.store.store import FLUSH_SECONDS
from cds_service.vocabulary.problems import ProblemsError

_SYSTEMS = {"none": "without a system", "other": "other systems"}


@click.command()
@click.option("--since", type=TimeArgument(), help="Only what came since then.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pack_option
def report(since: datetime | None, form: str, pack_id: str | None) -> None:
    """Show what became of the cards, pack by pack: acceptance and reasons of overrides, per rule and content version;
    what calls sent that was not understood; and which rules fell silent or doubled, where CDS_SERVICE_RUNS has a
    population run of the content.

    Example: cds-service report --since 2026-11-01
    """
    store = open_store(settings_of_environment())
    contents = _contents(pack_id)
    try:
        if len(contents) == 1 and pack_id is None:  # all is of the one pack, whatever its services were called
            groups = [(contents[0], store.report(since))]
        else:
            groups = [(content, store.report(since, content.services)) for content in contents]
            rest = store.services().difference(*(content.services for content in contents))
            if rest and pack_id is None:
                groups.append((_Content(None, {}), store.report(since, rest)))
        drifts = [drift_of(content.folder, store) for content, _ in groups]
    except StoreDown as error:
        raise click.ClickException(
            f"The store {store.where} cannot be read: {error}; CDS_SERVICE_STORE names it"
        ) from None
    finally:
        store.close()
    if form == "json":
        data = _as_data(groups)
        data["drift"] = [each.as_data() for each in drifts if each is not None]
        say(json.dumps(data, indent=2, ensure_ascii=False))
        return
    for place, ((content, figures), drift) in enumerate(zip(groups, drifts, strict=True)):
        if len(groups) > 1:
            say("\n" if place else "", nl=False)
            say(f"{content.title}\n")
        if note := content.review():
            say(f"{note}\n")
        say(_as_text(figures, store.where, content))
        if drift is not None:
            say("\n".join(["", *drift.as_text(content.regimens)]))


def _contents(pack_id: str | None) -> list[_Content]:
    """The packs that are served now, whose words are used; one without words if none can be read."""
    contents = []
    try:
        folders = pack_places(None, pack_id)
    except click.ClickException:
        if pack_id is not None:
            raise
        return [_Content(None, {})]
    for folder in folders:
        try:
            pack = load_pack(folder, is_proven=True)
        except ProblemsError:
            contents.append(_Content(None, {}, frozenset(service_ids(folder)), folder.name))
        else:
            contents.append(_Content(pack, template_words(pack), frozenset(pack.services), pack.id, folder))
    return contents


@dataclass(frozen=True, slots=True)
class _Content:
    """A pack that is served now, whose words are used.

    ``pack`` and ``folder`` are ``None`` if it cannot be read; ``id`` is ``""`` for services of no pack that is there.
    """

    pack: Pack | None
    regimens: Mapping[str, TemplateWords]
    services: frozenset[str] = frozenset()
    id: str = ""
    folder: Path | None = None

    @property
    def title(self) -> str:
        if self.pack is not None:
            return f"{self.pack.title} ({self.id})"
        return self.id or "Services of no pack that is served now, and counts without a service"

    def review(self) -> str:
        """What is wanting of the review of the content, if it can be read."""
        if self.pack is None:
            return ""
        today = datetime.now(ZoneInfo(settings_of_environment().time_zone)).date()
        note = self.pack.standing(today).note
        return f"{self.pack.id} {self.pack.version}: {note}" if note else ""

    def words(self, rule: RuleReport) -> RuleWords:
        if self.pack is None:
            return RuleWords(rule.decision, rule.rule)
        return rule_words(self.pack, self.regimens, rule.decision, rule.rule)

    def reason(self, rule: RuleReport, reason: ReasonShare) -> str:
        if self.pack is None:
            return " ".join((reason.display or reason.code or "No reason given").split())
        return reason_words(self.pack, rule.decision, rule.rule, rule.version, reason.code, reason.display)

    def as_data(self, figures: Report) -> dict[str, Any]:
        """The report as ``json.dumps`` takes it, with the pack and words of each rule and reason beside their ids."""
        data: dict[str, Any] = msgspec.to_builtins(figures)
        for rule, told in zip(figures.rules, data["rules"], strict=True):
            words = self.words(rule)
            told |= {"pack": self.id, "title": words.title, "says": words.says}
            for reason, one in zip(rule.reasons, told["reasons"], strict=True):
                one["words"] = self.reason(rule, reason)
        for aside in data["not_understood"]:
            aside["pack"] = self.id
        return data


def _as_data(groups: Sequence[tuple[_Content, Report]]) -> dict[str, Any]:
    """The reports of all packs as one, of the same form as that of a single one."""
    first, *further = [content.as_data(figures) for content, figures in groups]
    for data in further:
        for member in ("rules", "calls", "not_understood"):
            first[member] += data[member]
        first["unmatched"] += data["unmatched"]
    return first


def _as_text(figures: Report, where: str, content: _Content) -> str:
    """A table of rules, under each the reasons of its overrides; every share with its 95 % confidence interval."""
    since = f"since {figures.since:%Y-%m-%d %H:%M} UTC" if figures.since else "from the beginning"
    lines = [f"{where}, {since}", *_calls(figures), ""]
    calls: Counter[str] = Counter()
    for call in figures.calls:
        calls[call.service] += call.times
    names = [f"{rule.decision} {rule.rule} {rule.version}" for rule in figures.rules]
    width = max(map(len, [*names, "Rule and content version"]))
    if names:
        lines.append(f"{'Rule and content version':{width}}  {'shown':>7}  {'answered':>8}  accepted")
    for _, versions in groupby(figures.rules, lambda rule: (rule.decision, rule.rule)):
        together = list(versions)
        lines.append(content.words(together[0]).whole + _rate(together, calls))
        for rule in together:
            name = f"{rule.decision} {rule.rule} {rule.version}"
            lines.append(f"{name:{width}}  {rule.shown:>7}  {rule.accepted.of:>8}  {_share(rule.accepted)}")
            lines += [
                f"{'':{width}}    overridden: {content.reason(rule, reason)}, {_share(reason.share)}"
                for reason in rule.reasons
            ]
    if not names:
        lines.append("No card was shown, and no feedback came.")
    if figures.unmatched:
        known = "is" if figures.unmatched == 1 else "are"
        lines += ["", f"{number(figures.unmatched, 'card')} with feedback {known} not known to be ours."]
    lines += [
        *_not_understood(figures),
        "",
        f"A running service writes its counts every {FLUSH_SECONDS:.0f} seconds: the latest cards may be missing.",
    ]
    return "\n".join(lines)


def _calls(figures: Report) -> list[str]:
    """How many calls were answered, at which services and since when."""
    by_service: Counter[str] = Counter()
    for call in figures.calls:
        by_service[call.service] += call.times
    if not by_service:
        return []
    each = ", ".join(f"{service} {times}" for service, times in by_service.items())
    return [f"{number(by_service.total(), 'call')} answered since {figures.calls_from}: {each}"]


def _rate(versions: Sequence[RuleReport], calls: Mapping[str, int]) -> str:
    """How many cards of a rule, of all versions, there were for every 100 calls; ``""`` where calls are not counted."""
    cards: Counter[str] = Counter()
    for version in versions:
        cards.update(version.at)
    rate = per_100(cards, calls)
    return f" ({rate:.1f} for every 100 calls)" if rate is not None else ""


def _not_understood(figures: Report) -> list[str]:
    """What was sent and not understood, by kind and code system (Z54)."""
    kinds: dict[str, Counter[str]] = {}
    for day in figures.not_understood:
        kinds.setdefault(day.kind, Counter())[day.system] += day.times
    if not kinds:
        return []
    lines = ["", "Sent and not understood; cds-service coverage shows what it is, in recordings:"]
    for kind, systems in sorted(kinds.items(), key=lambda item: (-item[1].total(), item[0])):
        told = ", ".join(f"{_SYSTEMS.get(system, system)} {times}" for system, times in systems.most_common())
        lines.append(f"  {kind:10} {systems.total():>7}  {told}")
    return lines


def _share(share: Share) -> str:
    if not share.of:
        return "-"
    return f"{share.count} of {share.of} = {share.count / share.of:.0%} ({share.low:.0%} to {share.high:.0%})"
