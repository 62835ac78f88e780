"""``cds-service bump``."""

from __future__ import annotations

from pathlib import Path

import click

from cds_service.authoring.pack_folder import PackFolder, pack_in
from cds_service.authoring.raised_versions import PARTS, Raised, open_changelog, raise_decision, raise_pack
from cds_service.commands.common import say
from cds_service.commands.new import refusals
from cds_service.commands.packs import content_option, one_pack, pack_option


@click.command()
@click.argument("decision", required=False)
@click.option(
    "--part",
    type=click.Choice(PARTS),
    default="minor",
    show_default=True,
    help="patch: other words only; minor: somebody may get another answer; major: the meaning of the whole changes.",
)
@content_option("Folder of content; that of the settings if none is given.")
@pack_option
def bump(decision: str | None, part: str, cards: Path | None, pack_id: str | None) -> None:
    """Raise the version of DECISION and of its pack, and open the line of the changelog. Without DECISION only the pack
    is raised, for a change of facts, codes, units, orders or sources. What was raised since the last lock is not raised
    twice.

    Example: cds-service bump levelBeforeOrder --content packs/iron
    """
    folder = one_pack(cards, pack_id)
    with refusals():
        pack = pack_in(folder)
        of_decision = [raise_decision(pack, decision, part)] if decision else []
        whole = raise_pack(pack, part)
        raised = next(iter(of_decision), whole)
        changelog, line = open_changelog(pack, whole.new, f"{raised.name} {raised.new}")
    for one in (*of_decision, whole):
        say(f"{one.path}:{one.line}: {one.name} {_step(one)}")
    say(f"{changelog}:{line}: waits for a sentence on what changed")
    for text in _reviews(pack, whole):
        say(text)
    say(
        f"\nNext: write that sentence; then"
        f"\n  cds-service check {folder}"
        f"\n  cds-service impact OLD {folder} --format html > impact.html   (OLD: a copy of the content before)"
        f"\n  cds-service check {folder} --update-lock"
    )


def _step(one: Raised) -> str:
    if one.old != one.new:
        return f"{one.old} becomes {one.new}"
    return f"stays {one.old}, which is not locked yet"


def _reviews(pack: PackFolder, whole: Raised) -> list[str]:
    """That a review counts for no other version, where one is recorded."""
    reviewed = str(pack.head["review"]["version"])
    if not reviewed or reviewed == whole.new:
        return []
    text = f"the review of {reviewed} does not count for {whole.new}; empty it until there is a new one"
    return [f"{pack.head_path}: {text}"]
