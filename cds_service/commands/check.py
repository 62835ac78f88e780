"""``cds-service check``."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from cds_service.commands.common import progress, say, settings_of_environment
from cds_service.content.proof.versions import update_lock
from cds_service.packaged import fixtures_beside
from cds_service.prove import ContentProof, prove


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
    holds, that the scenarios in the folder fixtures beside it still hold. A note, such as that a review has expired,
    changes nothing about the result.

    Example: cds-service check cards
    """
    settings = settings_of_environment()
    zone = ZoneInfo(settings.time_zone)
    today = datetime.now(zone).date()
    cards = cards_dir or settings.cards
    proof = prove(
        cards,
        site=site or settings.site,
        fixtures=fixtures_beside(cards),
        zone=zone,
        to_lock=update,
        each=lambda scenarios: progress(scenarios, "check"),
    )
    problems = list(proof.problems)
    if update and not problems:
        problems = update_lock(cards)
    if form == "json":
        say(json.dumps([str(problem) for problem in problems], indent=2))
    else:
        for problem in problems:
            say(problem)
        if not problems:
            say("; ".join(filter(None, ["The content holds", _review(proof, today)])) + ".")
    for remark in proof.remarks(today):
        say(f"note: {remark}", err=form == "json")
    if problems:
        sys.exit(1)


def _review(proof: ContentProof, today: date) -> str:
    """What comes of the clinical review of content that holds."""
    if proof.pack is None:
        return ""
    standing = proof.pack.standing(today)
    return standing.note or f"the next clinical review is due by {standing.until}"
