"""``cds-service impact``."""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import click

from cds_service.commands.common import Moment, prepared_content
from cds_service.packaged import packaged
from cds_service.replay.cases import read_cases
from cds_service.replay.revisions import RevisionError, materialised
from cds_service.replay.versions import KINDS, Change, Impact, as_data
from cds_service.replay.versions import impact as impact_of

_KEY = b"the same key for both"
_PROBLEMS = 5
_MANY = 200  # more cases than these take over two seconds


@click.command()
@click.argument("old")
@click.argument("new")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--now", type=Moment(), help="The time of captured requests that do not say one.")
@click.option("--format", "form", type=click.Choice(["text", "json", "html"]), default="text", show_default=True)
def impact(old: str, new: str, paths: tuple[Path, ...], now: datetime | None, form: str) -> None:
    """Show which requests get more, fewer or other cards or orders if content NEW replaces OLD. Both are folders or
    revisions of git; PATHS are scenarios, captured requests or recordings, else the scenarios that come with us.

    Example: cds-service impact HEAD cards --format html > impact.html
    """
    try:
        cases = list(read_cases(packaged("fixtures"), paths, now))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    with tempfile.TemporaryDirectory() as folder:
        evaluators = []
        for which, name in (("old", old), ("new", new)):
            try:
                evaluators.append(prepared_content(materialised(name, Path(folder, which)), key=_KEY))
            except RevisionError as error:
                raise click.UsageError(str(error)) from None
            except click.ClickException as error:
                problems = error.message.splitlines()
                more = [f"and {len(problems) - _PROBLEMS} more"] if len(problems) > _PROBLEMS else []
                told = "\n".join([f"{name} is no content that this version can use:", *problems[:_PROBLEMS], *more])
                raise click.ClickException(told) from None
        hidden = not sys.stderr.isatty() or len(cases) < _MANY
        with click.progressbar(cases, file=sys.stderr, label="impact", hidden=hidden) as bar:
            found = impact_of(evaluators[0], evaluators[1], bar)
    if form == "html":
        from cds_service.console.reports import impact_page

        click.echo(impact_page(found, evaluators[1].pack, old, new))
    else:
        click.echo(_as_text(found) if form == "text" else json.dumps(as_data(found), indent=2, ensure_ascii=False))


def _as_text(told: Impact) -> str:
    lines = [f"{name}: {old or 'not there'} -> {new or 'not there'}" for name, (old, new) in told.versions.items()]
    same = told.requests - len(told.changes)
    lines.append(
        f"{told.requests} requests for {told.patients} patients: {same} answered as before, "
        f"{len(told.changes)} otherwise ({told.changed_patients} patients)"
    )
    lines += [f"  {count} get {KINDS[kind]}" for kind, count in told.kinds.items() if count]
    moved = [rule for rule in told.rules if rule.old != rule.new]
    if moved:
        lines += ["", "rules that speak more or less often"]
        lines += [f"  {rule.topic} ({rule.indicator}): {rule.old} -> {rule.new}" for rule in moved]
    reworded: dict[tuple[str, ...], list[Change]] = {}
    for change in told.changes:
        if change.kinds == ("words",):
            reworded.setdefault(change.rules, []).append(change)
            continue
        lines += ["", f"{change.name}: {', '.join(KINDS[kind] for kind in change.kinds)}"]
        for sign, result in (("-", change.old), ("+", change.new)):
            if result.fault:
                lines.append(f"  {sign} {result.fault}")
            for card in result.cards:
                lines.append(f"  {sign} {card['indicator']}: {card['summary']}")
                lines += [f"  {sign}   {one['label']}" for one in card.get("suggestions", [])]
            if not result.fault and not result.cards:
                lines.append(f"  {sign} no card")
    for rules, changes in reworded.items():
        lines += ["", f"{', '.join(rules)}: other words only, {len(changes)} times, as at {changes[0].name}"]
        lines += [f"  {line}" for line in changes[0].words]
    return "\n".join(lines)
