"""``cds-service impact``."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from cds_service.commands.common import TimeArgument, WrongUseError, number, progress, say
from cds_service.commands.old_and_new import contents_of
from cds_service.commands.packs import fixtures_for, pack_option, refuse_without
from cds_service.replay.cases import read_cases
from cds_service.replay.impact import KINDS, ChangedAnswer, Impact, as_data, impact_of
from cds_service.replay.input_files import FileError

_KEY = b"the same key for both"


@click.command()
@click.argument("old")
@click.argument("new")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--now", type=TimeArgument(), help="The time of captured requests that do not say one.")
@click.option("--format", "form", type=click.Choice(["text", "json", "html"]), default="text", show_default=True)
@pack_option
def impact(old: str, new: str, paths: tuple[Path, ...], now: datetime | None, form: str, pack_id: str | None) -> None:
    """Show which requests get more, fewer or other cards or orders if content NEW replaces OLD. Both are folders or
    revisions of git; PATHS are scenarios, courses, captured requests or recordings, else the scenarios and courses
    of the pack in NEW.

    Example: cds-service impact HEAD cards --format html > impact.html
    """
    with contents_of(old, new, pack_id, key=_KEY) as contents:
        (_, before), (place, after) = contents["old"], contents["new"]
        try:
            cases = list(read_cases(fixtures_for(place), paths, now))
        except FileError as error:
            raise WrongUseError(str(error)) from None
        refuse_without(place, cases)
        result = impact_of(before, after, progress(cases, "impact"))
    if form == "html":
        from cds_service.console.reports import impact_page

        say(impact_page(result, after, old, new))
    else:
        say(_as_text(result) if form == "text" else json.dumps(as_data(result), indent=2, ensure_ascii=False))


def _as_text(impact: Impact) -> str:
    lines = [f"{name}: {old or 'not there'} -> {new or 'not there'}" for name, (old, new) in impact.versions.items()]
    same = impact.requests - len(impact.changes)
    lines.append(
        f"{number(impact.requests, 'request')} for {number(impact.patients, 'patient')}: {same} answered as before, "
        f"{len(impact.changes)} otherwise ({number(impact.changed_patients, 'patient')})"
    )
    lines += [
        f"  {count} get{'s' if count == 1 else ''} {KINDS[kind]}" for kind, count in impact.kinds.items() if count
    ]
    moved = [rule for rule in impact.rules if rule.old != rule.new]
    if moved:
        lines += ["", "Rules that speak more or less often"]
        lines += [f"  {rule.topic} ({rule.indicator}): {rule.old} -> {rule.new}" for rule in moved]
    reworded: dict[tuple[str, ...], list[ChangedAnswer]] = {}
    for change in impact.changes:
        if change.kinds == ("words",):
            reworded.setdefault(change.rules, []).append(change)
            continue
        lines += ["", f"{change.name}: {', '.join(KINDS[kind] for kind in change.kinds)}"]
        for sign, result in (("-", change.old), ("+", change.new)):
            if result.fault:
                lines.append(f"  {sign} {result.fault}")
            for card in result.cards:
                lines.append(f"  {sign} {card['indicator']}: {card['summary']}")
                lines += [f"  {sign}   {suggestion['label']}" for suggestion in card.get("suggestions", [])]
            if not result.fault and not result.cards:
                lines.append(f"  {sign} no card")
    for rules, changes in reworded.items():
        times = number(len(changes), "time")
        lines += ["", f"{', '.join(rules)}: other words only, {times}, as at {changes[0].name}"]
        lines += [f"  {line}" for line in changes[0].words]
    return "\n".join(lines)
