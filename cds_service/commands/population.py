"""``cds-service population``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from cds_service.commands.common import WrongUseError, say
from cds_service.commands.old_and_new import contents_of
from cds_service.commands.packs import content_option, one_pack, pack_option, prepared_content
from cds_service.commands.population_run import RunOptions, checked, cores, needs_the_extra, run_and_tell, run_options
from cds_service.population.run_folder import RunFolderError
from cds_service.population.shared_counts import Shown, can_hide
from cds_service.population.shared_run import for_others
from cds_service.population.summary import Panel, Summary, read_summary

_RUN = click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_MOST_PATIENTS = 200
_MOST_LIMIT = 1_000_000_000  # more than any hospital has


def _to_hide(ctx: click.Context, param: click.Parameter, hidden: int) -> int:
    if not can_hide(hidden):
        text = f"with {hidden} a hidden count could be told by subtracting rounded ones; give another number, such as 7"
        raise click.BadParameter(text, ctx, param)
    return hidden


@click.group()
def population() -> None:
    """Judge a whole FHIR Bulk Data export before go-live: whom the rules would have interrupted, and how often.

    Example: cds-service population run export/ --out last-year
    """


@population.command()
@click.argument("export", type=_FOLDER)
@content_option("The content that the export is read for; without it that of the settings.")
@pack_option
@click.option("--workers", type=click.IntRange(1, 256), default=cores, show_default="one a core", help="Processes.")
@click.option("--format", "form", type=click.Choice(["text", "json", "site"]), default="text", show_default=True)
def check(export: Path, cards: Path | None, pack_id: str | None, workers: int, form: str) -> None:
    """Say what an export holds before hours are spent on it: what cannot be read, is undated or refers to nothing,
    which types are missing, and which drugs and results of the hospital's own no code tells, with the lines of
    site.toml that would.

    The exit status is 1 if some line cannot be used as it is, a type that rules ask for is missing, files were passed
    over, or the server's answer does not agree with what is there. What is not recognised does not change it: --format
    site prints nothing where nothing is left to map.

    Example: cds-service population check export/
    """
    needs_the_extra()
    from cds_service.commands.population_check import as_data, as_text

    prepared = prepared_content(one_pack(cards, pack_id), b"nothing is shown")
    found = checked(export, prepared, workers)
    if form == "site":
        if found.site_lines:
            say(found.site_lines)
    elif form == "json":
        say(json.dumps(as_data(found, prepared.pack), indent=2, ensure_ascii=False))
    else:
        say("\n".join(as_text(found, prepared.pack)))
    if not found.is_sound:
        sys.exit(1)


@population.command()
@click.argument("export", type=_FOLDER)
@content_option("The content to judge by; without it that of the settings.")
@pack_option
@run_options
def run(options: RunOptions, cards: Path | None, pack_id: str | None) -> None:
    """Judge the orders of a time, and every chart once, as the content would have.

    EXPORT is a folder of NDJSON as FHIR Bulk Data servers write it, plain or gzip. Every order of the window becomes a
    draft again, beside those that were signed with it, on the record as it was at that moment.

    Example: cds-service population run export/ --out last-year
    """
    folder = one_pack(cards, pack_id)
    run_and_tell(options, {"content": prepared_content(folder)}, {"content": folder})


@population.command()
@click.argument("old")
@click.argument("new")
@click.argument("export", type=_FOLDER)
@pack_option
@run_options
def compare(options: RunOptions, old: str, new: str, pack_id: str | None) -> None:
    """Judge an export by two contents at once, and count what the new one answers otherwise.

    OLD and NEW are folders of content or revisions of git, as for impact.

    Example: cds-service population compare HEAD cards export/ --out new-limits
    """
    with contents_of(old, new, pack_id) as contents:
        folders = {name: folder for name, (folder, _) in contents.items()}
        run_and_tell(options, {name: prepared for name, (_, prepared) in contents.items()}, folders)


@population.command()
@_RUN
@click.option("--format", "form", type=click.Choice(["text", "json", "html", "csv"]), default="text", show_default=True)
@click.option(
    "--suppress",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    metavar="N",
    callback=_to_hide,
    help="Hide counts from 1 to N, and round the others to 5.",
)
def report(run: Path, form: str, suppress: int) -> None:
    """Show what a run found: from orders to cards, cards a week, by rule and by unit, and what was not known.

    RUN is the folder that `run` or `compare` wrote. With --suppress 7 the report can be shown outside the hospital.

    Example: cds-service population report last-year --format html > last-year.html
    """
    shown = Shown(suppress)
    summary = for_others(_summary(run), shown)
    if form == "html":
        from cds_service.console.reports import population_page

        say(population_page(summary, shown))
        return
    from cds_service.commands import population_text

    if form == "json":
        say(json.dumps(population_text.as_data(summary, shown), indent=2, ensure_ascii=False))
    elif form == "csv":
        say(population_text.as_csv(summary, shown), nl=False)
    else:
        say("\n".join(population_text.as_text(summary, shown)))


@population.command()
@_RUN
@click.option(
    "--limit", type=click.IntRange(1, _MOST_LIMIT), default=_MOST_PATIENTS, show_default=True, help="At most so many."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def panel(run: Path, limit: int, form: str) -> None:
    """Show who needs attention now: patients whose chart had cards when it was opened at the end, the gravest first.

    They are named as the run kept them: by a hash, or by their ids if it was made with --patients id. A run that opened
    no chart, or kept no patients, has no such list.

    Example: cds-service population panel last-year --limit 50
    """
    summary = _summary(run)
    found = _panel(run, summary, limit)
    if form == "json":
        import msgspec

        say(json.dumps(msgspec.to_builtins(found), indent=2, ensure_ascii=False))
        return
    from cds_service.commands.population_text import panel_text

    words: dict[str, str] = {}
    for content in summary.manifest.contents.values():
        words |= content.rules
    say("\n".join(panel_text(found, words)))


def _summary(run: Path) -> Summary:
    try:
        return read_summary(run)
    except RunFolderError as error:
        raise WrongUseError(str(error)) from None


def _panel(run: Path, summary: Summary, limit: int) -> Panel:
    if summary.manifest.patients == "none":
        raise WrongUseError(f"{run}: the run kept no patients (--patients none); make one with --patients hash or id")
    if not summary.counted.contents[-1].view.events:
        raise WrongUseError(f"{run}: the run opened no chart; make one with patient-view among its --hooks")
    needs_the_extra()
    from cds_service.population.counting import attention

    try:
        return attention(run, limit)
    except RunFolderError as error:
        raise click.ClickException(str(error)) from None
