"""``cds-service check``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from cds_service.commands.common import progress, say, settings_of_environment
from cds_service.commands.packs import pack_option, pack_places
from cds_service.content.clashes import clashes
from cds_service.content.packs import own_fixtures
from cds_service.content.proof.versions import old_lock_problems, update_lock
from cds_service.prove import ContentProof, prove
from cds_service.vocabulary.problems import Problem

_NOT_ANSWERED = (
    "note: the cases of the scenarios were not answered; replay does it, and check --update-lock before it locks"
)


@click.command()
@click.argument("cards_dir", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--update-lock", "update", is_flag=True, help="If all of a pack holds, lock its new versions.")
@click.option(
    "--site",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A site.toml to check with the content.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pack_option
def check(cards_dir: Path | None, update: bool, site: Path | None, form: str, pack_id: str | None) -> None:
    """Prove the packs in CARDS_DIR, or the one whose folder it is: schema, references, gaps, overlaps, unreachable
    rules,
    texts, codes, orders; and, if all that holds, that the scenarios that come with each pack still hold; and that packs
    do not have in common what they must not. A note, such as that a review has expired, changes nothing about the
    result.

    Example: cds-service check cards
    """
    settings = settings_of_environment()
    zone = ZoneInfo(settings.time_zone)
    today = datetime.now(zone).date()
    everything = pack_places(cards_dir)
    proofs: list[ContentProof] = []
    problems: list[Problem] = []
    for folder in pack_places(cards_dir, pack_id):
        proof = prove(
            folder,
            site=site or settings.site,
            fixtures=own_fixtures(folder),
            zone=zone,
            to_lock=update,
            beside=[other for other in everything if other != folder],
            each=lambda scenarios: progress(scenarios, "check"),
        )
        found = [*proof.problems, *old_lock_problems(folder), *_clashes(proof, proofs)]
        problems += found or (update_lock(folder) if update else [])
        proofs.append(proof)
    problems = list(dict.fromkeys(problems))
    if form == "json":
        say(json.dumps([str(problem) for problem in problems], indent=2))
    else:
        for problem in problems:
            say(problem)
        if problems and all(problem.kind == "lock" for problem in problems):
            say(_NOT_ANSWERED)
        if not problems:
            for proof in proofs:
                say(_holds(proof, today, is_locked=update, are_several=len(proofs) > 1))
    for proof in proofs:
        for remark in proof.remarks(today):
            say(f"note: {remark}", err=form == "json")
    if problems:
        sys.exit(1)


def _clashes(proof: ContentProof, before: Sequence[ContentProof]) -> Iterator[Problem]:
    """What a pack has in common with one before it, and must not."""
    if proof.pack is not None:
        yield from clashes(proof.pack, proof.folder, [other.pack for other in before if other.pack is not None])


def _holds(proof: ContentProof, today: date, *, is_locked: bool, are_several: bool) -> str:
    """That a pack holds, and what comes of its clinical review."""
    if proof.pack is None:
        return ""
    standing = proof.pack.standing(today)
    review = standing.note or f"the next clinical review is due by {standing.until}"
    whose = f" of {proof.pack.id}" if are_several else ""
    return f"The content{whose} holds{' and is locked' if is_locked else ''}; {review}."
