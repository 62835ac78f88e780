"""``cds-service new``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cds_service.authoring.new_card import write_card
from cds_service.authoring.new_files import AuthoringError, WrongNameError
from cds_service.authoring.new_pack import RESULT, write_pack
from cds_service.authoring.pack_folder import pack_in
from cds_service.commands.common import WrongUseError, say
from cds_service.commands.packs import content_option, one_pack, pack_option
from cds_service.content.packs import FIXTURES
from cds_service.vocabulary.problems import ProblemsError


@contextmanager
def refusals() -> Iterator[None]:
    """Makes what cannot be written the message of the command."""
    try:
        yield
    except WrongNameError as error:
        raise WrongUseError(str(error)) from None
    except (AuthoringError, ProblemsError) as error:
        raise click.ClickException(str(error)) from None


@click.group()
def new() -> None:
    """Begin a pack or a card: files that pass check, with placeholders for what only you can say.

    Example: cds-service new pack iron
    """


@new.command()
@click.argument("name")
@click.option(
    "--in",
    "content",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("packs"),
    show_default=True,
    help="Content folder to write into; it may hold other packs.",
)
@click.option("--result", default=RESULT, show_default=True, help="What its laboratory value is called, like NAME.")
def pack(name: str, content: Path, result: str) -> None:
    """Write a small pack that is whole: a drug, a laboratory value, a definition, a card with its words, an order, a
    patient with scenarios, and the lock. All of it is invented, and its comments say what to replace. NAME is in small
    letters with hyphens. Nothing is written over a file that is there. docs/writing-a-pack.md goes on from there.

    Example: cds-service new pack iron --result ferritin
    """
    with refusals():
        files = write_pack(name, content, result)
    for path in files:
        say(path)
    say(
        f"\nEverything in it is a placeholder. Read {content / name / 'pack.yaml'} first, and replace file after file;"
        f"\nthe scenarios in {content / name / FIXTURES / 'scenarios'} show what is answered. After each step:"
        f"\n  cds-service check {content / name} --update-lock"
    )


@new.command()
@click.argument("name")
@content_option("Folder of content; that of the settings if none is given.")
@pack_option
@click.option("--service", help="The service that shows the card; the first of the pack if none is given.")
def card(name: str, cards: Path | None, pack_id: str | None, service: str | None) -> None:
    """Write a card as a draft: a folder with its table and its words, entered in a service of pack.yaml, and the
    version of the pack raised. NAME is in camelCase. Nobody is shown a draft.

    Example: cds-service new card doseLimit --content packs/iron
    """
    folder = one_pack(cards, pack_id)
    with refusals():
        written = write_card(pack_in(folder), name, service)
    for path in written.files:
        say(path)
    version = written.version
    say(f"{version.path}:{version.line}: entered last in {written.service}, version {version.new}")
    say(
        "\nWrite its question, its rules and its words; its place in pack.yaml is its place in the order of precedence."
        "\nIf other services of pack.yaml show it too, enter it there. It is a draft: with status: active it is shown."
        "\nThen:"
        f"\n  cds-service check {folder} --update-lock"
    )
