"""``cds-service coverage``."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from cds_service.commands.common import TimeArgument, WrongUseError, progress, say
from cds_service.commands.packs import one_pack, pack_option, prepared_content
from cds_service.content.packs import fixtures_of
from cds_service.replay.coverage import as_json, as_text, cover, files_in, proposed
from cds_service.replay.input_files import FileError


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--now", type=TimeArgument(), help="Read the data as if it were this time.")
@click.option("--format", "form", type=click.Choice(["text", "json", "site"]), default="text", show_default=True)
@pack_option
def coverage(paths: tuple[Path, ...], now: datetime | None, form: str, pack_id: str | None) -> None:
    """Show which codes, units, routes and schedules in data are understood, and which are not.

    PATH is a captured request, a recording, a scenario, FHIR resources in JSON or NDJSON, or a folder of these. With
    what is not understood come the lines of site.toml that would map it; --format site prints these alone. A file that
    cannot be read is named, with the line where it breaks, and the exit status is 1.

    Example: cds-service coverage recordings/ export/*.ndjson
    """
    folder = one_pack(None, pack_id)
    prepared = prepared_content(folder, b"coverage makes no cards to keep")
    try:
        files = files_in(paths)
    except FileError as error:
        raise WrongUseError(str(error)) from None
    covered = cover(prepared, fixtures_of(folder), progress(files, "coverage"), now or datetime.now(UTC))
    if form == "json":
        say(json.dumps(as_json(covered, prepared.pack), indent=2, ensure_ascii=False))
    elif form == "site":
        say(proposed(covered))
    else:
        say("\n".join(as_text(covered, prepared.pack)))
    if covered.not_read:
        if form != "text":  # which has them
            say("\n".join(f"Not read: {text}" for text in covered.not_read), err=True)
        sys.exit(1)
