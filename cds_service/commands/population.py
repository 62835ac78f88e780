"""``cds-service population``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from cds_service.commands.common import WrongUseError, say
from cds_service.population.extra import not_installed
from cds_service.population.run_folder import RunFolderError
from cds_service.population.shared_counts import Shown
from cds_service.population.summary import Attention, Summary, read_summary

_RUN = click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
_MOST_PATIENTS = 200


@click.group()
def population() -> None:
    """Judge a whole FHIR Bulk Data export before go-live: whom the rules would have interrupted, and how often.

    Example: cds-service population run export/ --out last-year
    """


@population.command()
@_RUN
@click.option("--format", "form", type=click.Choice(["text", "json", "html", "csv"]), default="text", show_default=True)
@click.option(
    "--suppress",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    metavar="N",
    help="Hide counts from 1 to N, and round the others to 5.",
)
def report(run: Path, form: str, suppress: int) -> None:
    """Show what a run found: from orders to cards, cards a week, by rule and by unit, and what was not known.

    RUN is the folder that `run` or `compare` wrote. With --suppress 7 the report can be shown outside the hospital.

    Example: cds-service population report last-year --format html > last-year.html
    """
    summary, shown = _summary(run), Shown(suppress)
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
@click.option("--limit", type=click.IntRange(1), default=_MOST_PATIENTS, show_default=True, help="At most so many.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def panel(run: Path, limit: int, form: str) -> None:
    """Show who needs attention now: patients whose chart had cards when it was opened at the end, the gravest first.

    They are named as the run kept them: by a hash, or by their ids if it was made with --patients id.

    Example: cds-service population panel last-year --limit 50
    """
    summary = _summary(run)
    rows = _attention(run, limit)
    if form == "json":
        import msgspec

        say(json.dumps(msgspec.to_builtins(rows), indent=2, ensure_ascii=False))
        return
    from cds_service.commands.population_text import panel_text

    words: dict[str, str] = {}
    for content in summary.manifest.contents.values():
        words |= content.rules
    say("\n".join(panel_text(rows, words)))


def _summary(run: Path) -> Summary:
    try:
        return read_summary(run)
    except RunFolderError as error:
        raise WrongUseError(str(error)) from None


def _attention(run: Path, limit: int) -> list[Attention]:
    _needs_the_extra()
    from cds_service.population.counting import attention

    try:
        return attention(run, limit)
    except RunFolderError as error:
        raise click.ClickException(str(error)) from None


def _needs_the_extra(engine: str = "duckdb") -> None:
    """Says how to install what only population runs need.

    Raises:
        WrongUseError: it is not installed.
    """
    missing = not_installed(engine)
    if missing:
        text = f"population runs need {' and '.join(missing)}: {sys.executable} -m pip install {' '.join(missing)}"
        raise WrongUseError(text)
