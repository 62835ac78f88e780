"""``cds-service report``."""

from __future__ import annotations

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import click
import msgspec

from cds_service.commands.common import TimeArgument, number, open_store, say, settings_of_environment
from cds_service.content.load import load_pack
from cds_service.store.acceptance import Report, Share
from cds_service.store.database import StoreDown
from cds_service.store.store import FLUSH_SECONDS
from cds_service.vocabulary.problems import ProblemsError


@click.command()
@click.option("--since", type=TimeArgument(), help="Only what came since then.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def report(since: datetime | None, form: str) -> None:
    """Show what became of the cards: acceptance and reasons of overrides, per rule and content version.

    Example: cds-service report --since 2026-11-01
    """
    store = open_store(settings_of_environment())
    try:
        figures = store.report(since)
    except StoreDown as error:
        raise click.ClickException(
            f"The store {store.where} cannot be read: {error}; CDS_SERVICE_STORE names it"
        ) from None
    finally:
        store.close()
    if form == "text" and (note := _review()):
        say(f"{note}\n")
    as_json = form == "json"
    say(json.dumps(msgspec.to_builtins(figures), indent=2) if as_json else _as_text(figures, store.where))


def _review() -> str:
    """What is wanting of the review of the content that is served now; nothing of content that cannot be read."""
    settings = settings_of_environment()
    try:
        pack = load_pack(settings.cards, is_proven=True)
    except ProblemsError:
        return ""
    note = pack.standing(datetime.now(ZoneInfo(settings.time_zone)).date()).note
    return f"{pack.id} {pack.version}: {note}" if note else ""


def _as_text(figures: Report, where: str) -> str:
    """A table of rules, under each the reasons of its overrides; every share with its 95 % confidence interval."""
    since = f"since {figures.since:%Y-%m-%d %H:%M} UTC" if figures.since else "from the beginning"
    lines = [f"{where}, {since}", ""]
    names = [f"{rule.decision} {rule.rule} {rule.version}" for rule in figures.rules]
    width = max(map(len, [*names, "Rule and content version"]))
    if names:
        lines.append(f"{'Rule and content version':{width}}  {'shown':>7}  {'answered':>8}  accepted")
    for name, rule in zip(names, figures.rules, strict=True):
        lines.append(f"{name:{width}}  {rule.shown:>7}  {rule.accepted.of:>8}  {_share(rule.accepted)}")
        for reason in rule.reasons:
            words = " ".join((reason.display or reason.code or "no reason given").split())
            lines.append(f"{'':{width}}    overridden: {words}, {_share(reason.share)}")
    if not names:
        lines.append("No card was shown, and no feedback came.")
    if figures.unmatched:
        known = "is" if figures.unmatched == 1 else "are"
        lines += ["", f"{number(figures.unmatched, 'card')} with feedback {known} not known to be ours."]
    lines += [
        "",
        f"A running service writes its counts every {FLUSH_SECONDS:.0f} seconds: the latest cards may be missing.",
    ]
    return "\n".join(lines)


def _share(share: Share) -> str:
    if not share.of:
        return "-"
    return f"{share.count} of {share.of} = {share.count / share.of:.0%} ({share.low:.0%} to {share.high:.0%})"
