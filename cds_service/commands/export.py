"""``cds-service export``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from cds_service import __version__
from cds_service.commands.common import progress, say, settings_of_environment
from cds_service.commands.packs import (
    content_option,
    load,
    one_pack,
    pack_option,
    pack_places,
    prepared_content,
    refuse_without,
)
from cds_service.content.files import schema_data, schema_files, write_schemas
from cds_service.content.model import Pack
from cds_service.content.packs import fixtures_of
from cds_service.protocol.openapi import openapi
from cds_service.replay.clinical import as_page
from cds_service.replay.scenarios import read_scenarios
from cds_service.replay.statements import as_table, new_page, scenarios_by_rule, statement_rows, written_into
from cds_service.service.served import services_of
from cds_service.vocabulary.problems import ProblemsError

_PAGES = {"statements": "README.md", "clinical": "clinical.md"}


@click.command()
@click.argument(
    "form",
    type=click.Choice(
        ["dmn", "plandefinition", "openapi", "statements", "clinical", "hazards", "review", "reference", "schemas"]
    ),
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write files into this folder.")
@content_option("Folder of content to export.")
@pack_option
def export(form: str, out: Path | None, cards: Path | None, pack_id: str | None) -> None:
    """Print the content in another form: DMN 1.3, FHIR PlanDefinition and ActivityDefinition, the interface as
    OpenAPI 3.1; or, for people, the table of statements with their rules and scenarios (--out names the folder whose
    README.md carries it between its two marks, or gets one), what is done about each statement (likewise clinical.md),
    the hazard log (with --out as hazards.md to read and hazards.csv for a spreadsheet), the review sheets, one for each
    decision, to be signed (with --out as pages to print, with an index.html), and the reference of every key that
    content can have (with --out as content-reference.md). With schemas, the JSON Schemas by which editors complete and
    check content (--out names the folder of content, which gets a folder schemas).

    Example: cds-service export dmn --out exported
    """
    from cds_service.export.forms import printed, write

    if form == "openapi":
        _openapi(pack_places(cards, pack_id), out)
        return
    folder = one_pack(cards, pack_id)
    if form in _PAGES:
        _for_people(form, folder, out)
        return
    if form == "review":
        _review(folder, out)
        return
    if form == "schemas":
        _schemas(out)
        return
    pack = load(folder)
    if form == "reference":
        _reference(folder, out)
        return
    if form == "hazards":
        _hazards(pack, out)
        return
    if out is None:
        say(printed(pack, form), nl=False)
    else:
        for path in write(pack, form, out):
            say(path)


def _openapi(folders: list[Path], out: Path | None) -> None:
    settings = settings_of_environment()
    services = [service for folder in folders for service in services_of(load(folder))]
    authenticated, open_discovery = settings.clients is not None, settings.open_discovery
    document = openapi(__version__, services, authenticated=authenticated, open_discovery=open_discovery)
    text = json.dumps(document, indent=2) + "\n"
    _print_or_write(text, out, "openapi.json")


def _hazards(pack: Pack, out: Path | None) -> None:
    from cds_service.export.hazard_page import as_csv, as_document

    if out is None:
        say(as_document(pack), nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, text in (("hazards.md", as_document(pack)), ("hazards.csv", as_csv(pack))):
        (out / name).write_text(text, encoding="utf-8", newline="")
        say(out / name)


def _reference(folder: Path, out: Path | None) -> None:
    from cds_service.export.content_reference import reference

    _print_or_write(reference(folder), out, "content-reference.md")


def _print_or_write(text: str, out: Path | None, name: str) -> None:
    if out is None:
        say(text, nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / name).write_text(text, encoding="utf-8")
    say(out / name)


def _schemas(out: Path | None) -> None:
    """Prints all schemas by the kind of their files, or writes them where the lines in content look for them."""
    if out is None:
        say(json.dumps({kind: schema_data(kind) for kind in schema_files()}, indent=2))
        return
    for path in write_schemas(out):
        say(path)


def _review(folder: Path, out: Path | None) -> None:
    """Prints the review sheets, or writes them as pages. Example cards are of the pack's scenarios."""
    from cds_service.console.review_pages import files_of, sheets_of
    from cds_service.export.review_sheet import as_markdown, identities, in_order

    prepared = prepared_content(folder)
    fixtures = fixtures_of(folder)
    decisions = progress(in_order(prepared.pack), "export")
    try:
        known = identities(folder, prepared.pack)
        sheets = list(
            sheets_of(prepared, known, decisions, read_scenarios(fixtures), prepared.today(datetime.now(UTC)))
        )
    except ProblemsError as error:
        raise click.ClickException(str(error)) from None
    if out is None:
        say("\n\n".join(map(as_markdown, sheets)), nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files_of(prepared, sheets).items():
        (out / name).write_text(text, encoding="utf-8")
        say(out / name)


def _for_people(form: str, folder: Path, out: Path | None) -> None:
    """Prints what is made for people, or writes it between the marks of its page in the folder ``out``, which is made
    if it is not there.
    """
    if out is None:
        say(_made(form, folder))
        return
    page = out / _PAGES[form]
    out.mkdir(parents=True, exist_ok=True)
    before = page.read_text(encoding="utf-8") if page.exists() else new_page(form, load(folder).title)
    try:
        page.write_text(written_into(before, form, _made(form, folder)), encoding="utf-8")
    except ValueError as error:
        raise click.ClickException(f"{page}: {error}") from None
    say(page)


def _made(form: str, folder: Path) -> str:
    """The table of statements, or the page of what is done about each; every scenario is fired for it."""
    prepared = prepared_content(folder)
    scenarios = list(read_scenarios(fixtures_of(folder)))
    refuse_without(folder, scenarios)
    shown_by = scenarios_by_rule(prepared, progress(scenarios, "export"))
    if form == "statements":
        return as_table(statement_rows(prepared.pack, shown_by))
    return as_page(prepared.pack, shown_by)
