"""Which pack a command is about: the only one there is, or the one that ``--pack`` names; and what comes with it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from cds_service.commands.common import WrongUseError, settings_of_environment
from cds_service.content.load import load_pack, read_pack
from cds_service.content.model import Pack
from cds_service.content.nearest import instead
from cds_service.content.packs import distinct_folders, fixtures_of, own_fixtures, pack_folder, pack_folders
from cds_service.content.prepared import Prepared
from cds_service.content.site import read_site
from cds_service.content.site_parts import Names, names_of
from cds_service.vocabulary.problems import ProblemsError

if TYPE_CHECKING:
    from cds_service.replay.scenario import Scenario

_NEAREST = 5
_FOLDERS_OF_STORIES = ("scenarios", "courses")


def pack_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the option ``--pack``, as ``pack_id``."""
    told = "The pack, by its id; needed only where there are several."
    return click.option("--pack", "pack_id", metavar="ID", help=told)(command)


def content_option(told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Gives a command the option ``--content``, as ``cards``; ``told`` says what the folder is for."""
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    return click.option("--content", "--cards", "cards", type=folder, help=told)


def pack_places(content: Path | None = None, pack_id: str | None = None) -> list[Path]:
    """The folders of the packs in ``content``, or of those of the settings; of the one with the id alone if given.

    Raises:
        WrongUseError: there is none of this id.
        ClickException: there is none at all.
    """
    places = [content] if content is not None else settings_of_environment().cards
    folders = distinct_folders(folder for place in places for folder in pack_folders(place))
    if not folders:
        try:
            pack_folder(places[0])
        except ProblemsError as error:
            raise click.ClickException(str(error)) from None
    chosen = [folder for folder in folders if pack_id in (None, folder.resolve().name)]
    if not chosen:
        known = [folder.resolve().name for folder in folders]
        raise WrongUseError(f"There is no pack {pack_id!r}{instead(str(pack_id), known, 'packs')}")
    return chosen


def one_pack(content: Path | None = None, pack_id: str | None = None) -> Path:
    """The folder of the pack that a command is about.

    Raises:
        WrongUseError: there are several, and none is named; or none of this id.
        ClickException: there is none at all.
    """
    folders = pack_places(content, pack_id)
    if len(folders) > 1:
        raise WrongUseError(f"There are several packs, {_names_of(folders)}: name one with --pack")
    return folders[0]


def load(folder: Path) -> Pack:
    """The pack in a folder of its own, with its part of the site's overlay.

    Raises:
        ClickException: it cannot be used; every problem with file and line.
    """
    settings = settings_of_environment()
    try:
        if settings.site is None:
            return load_pack(folder)
        others, unread = _beside(folder)
        return load_pack(folder, read_site(settings.site), others=others, unread=unread)
    except ProblemsError as error:
        raise click.ClickException(str(error)) from None


def prepared_content(folder: Path, key: bytes = b"") -> Prepared:
    """The pack in a folder of its own, made ready to answer with.

    ``key`` makes the uuids of its cards; without it the key of the settings does, or else a random one.

    Raises:
        ClickException: it cannot be used; every problem with file and line.
    """
    settings = settings_of_environment()
    key = key or settings.uuid_key() or secrets.token_bytes(32)
    return Prepared.of(load(folder), zone=ZoneInfo(settings.time_zone), key=key)


def scenario_named(name: str | None, pack_id: str | None) -> tuple[Path, Scenario]:
    """The scenario of this name, or that for those who have not chosen one; and the folder of its pack.

    A name that only one pack has needs no ``pack_id``.

    Raises:
        WrongUseError: there is no such scenario; with the nearest names. Or no scenario at all.
        ClickException: the pack cannot be read.
    """
    from cds_service.replay.scenarios import read_scenarios

    folders = pack_places(None, pack_id)
    if name is not None and len(folders) > 1:
        folders = [folder for folder in folders if _files_of_story(folder, name)] or folders
    if len(folders) > 1:
        raise WrongUseError(f"There are several packs, {_names_of(folders)}: name one with --pack")
    (folder,) = folders
    fixtures = fixtures_of(folder)
    name = name or _sample_of(folder)
    # The file that a name begins with, before all files: that takes two seconds less.
    named = _files_of_story(folder, name)
    found = next((known for known in read_scenarios(fixtures, named) if known.name == name), None) if named else None
    if found is None:
        names = [known.name for known in read_scenarios(fixtures)]
        refuse_without(folder, names)
        if not name:
            return folder, next(iter(read_scenarios(fixtures)))
        near = get_close_matches(name, names, n=_NEAREST, cutoff=0)
        raise WrongUseError(f"There is no scenario {name!r}; of {len(names)} the nearest are: {', '.join(near)}")
    return folder, found


def refuse_without(folder: Path, scenarios: object) -> None:
    """Says plainly that a pack has no scenarios.

    Raises:
        WrongUseError: it has none.
    """
    if not scenarios:
        where = folder / "fixtures"
        raise WrongUseError(f"The pack {folder.resolve().name} has no scenarios; they would stand in {where}")


def _sample_of(folder: Path) -> str:
    try:
        return str(read_pack(folder, is_proven=True).head.get("sample", ""))
    except ProblemsError as error:
        raise click.ClickException(str(error)) from None


def _files_of_story(folder: Path, name: str) -> list[Path]:
    story, fixtures = name.partition("/")[0], fixtures_of(folder)
    return [
        file
        for part in _FOLDERS_OF_STORIES
        for file in (fixtures / part).glob("*.yaml")
        if file.stem == story and story
    ]


def _beside(folder: Path) -> tuple[dict[str, Names], list[str]]:
    """The names of the other packs of the settings, by their ids, and the ids of those that cannot be read."""
    others, unread = dict[str, Names](), list[str]()
    for place in settings_of_environment().cards:
        for other in pack_folders(place):
            if other.resolve().name == folder.resolve().name:
                continue
            try:
                others[other.name] = names_of(read_pack(other))
            except ProblemsError:
                unread.append(other.name)
    return others, unread


def _names_of(folders: list[Path]) -> str:
    return ", ".join(folder.resolve().name for folder in folders)


def fixtures_for(folder: Path) -> Path:
    """The fixtures of a pack that may stand in a copy without any, such as a revision of git: those of the pack of its
    id
    in the settings then.
    """
    served = [
        known
        for place in settings_of_environment().cards
        for known in pack_folders(place)
        if known.resolve().name == folder.resolve().name
    ]
    return own_fixtures(folder) or fixtures_of(served[0] if served else folder)
