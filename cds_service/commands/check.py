"""``cds-service check``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from cds_service.content.files import ContentError
from cds_service.content.load import load_pack
from cds_service.content.prepared import Prepared, template_words
from cds_service.content.proof.consistency import check as check_content
from cds_service.content.proof.consistency import update_lock
from cds_service.content.site import read_site
from cds_service.replay.run import in_process
from cds_service.replay.scenarios import read_scenarios
from cds_service.settings import Settings

_KEY = b"no uuid is looked at"


@click.command()
@click.argument("cards_dir", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--update-lock", "update", is_flag=True, help="If all holds, lock the new versions.")
@click.option(
    "--site",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A site.toml to check with the content.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check(cards_dir: Path | None, update: bool, site: Path | None, form: str) -> None:
    """Prove the content: schema, references, gaps, overlaps, unreachable rules, texts, codes, orders; and, if all that
    holds, that the scenarios in the folder fixtures beside it still hold.

    Example: cds-service check cards
    """
    cards = cards_dir or Settings().cards
    try:
        overlay = read_site(site or Settings().site)
        problems = check_content(cards, template_words(load_pack(cards, overlay)), overlay, to_lock=update)
        if not problems and (update or not overlay.digest):
            problems = _scenarios_that_differ(cards)
        if update and not problems:
            problems = update_lock(cards)
    except ContentError as error:
        problems = list(error.problems)
    if form == "json":
        click.echo(json.dumps(problems, indent=2))
    else:
        for problem in problems:
            click.echo(problem)
        if not problems:
            reviewed = load_pack(cards).reviewed
            click.echo("the content holds" + ("" if reviewed else "; it has not been reviewed by a clinician"))
    if problems:
        sys.exit(1)


def _scenarios_that_differ(cards: Path) -> list[str]:
    """``file:line: fixture: case: difference`` for every scenario beside the content that answers otherwise.

    Scenarios are of the content as it stands, not of one site.
    """
    fixtures = cards.resolve().parent / "fixtures"
    if not (fixtures / "scenarios").is_dir():
        return []
    fire = in_process(Prepared.of(load_pack(cards), zone=ZoneInfo(Settings().time_zone), key=_KEY))
    found = []
    for scenario in read_scenarios(fixtures):
        case = scenario.name.rpartition("/")[2]
        for difference in fire(scenario).differences:
            lines = scenario.path.read_text(encoding="utf-8").splitlines()
            line = next((n for n, text in enumerate(lines, 1) if text.strip() == f"- name: {case}"), 1)
            found.append(f"{scenario.path}:{line}: fixture: {case}: {difference}")
    return found
