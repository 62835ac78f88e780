"""What a service begins with: of every pack the present content if it can be used, else the last that was good.

One pack that cannot be used takes no other along: it is served from its last good copy, or not at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cds_service.content.lock import is_locked
from cds_service.content.packs import distinct_folders
from cds_service.content.site import read_site
from cds_service.content.site_parts import Names, divided
from cds_service.service.kept_content import KeptContent, packs_at
from cds_service.service.served import ReadPack, Served, ServedPack, read_locked, served_pack
from cds_service.settings import Settings
from cds_service.vocabulary.problems import NO_LINE, Problem, ProblemsError


@dataclass(slots=True)
class PackState:
    """One pack of the settings: its ``folder``, the copies of it, and what is served of it.

    ``content`` is the folder that ``served`` was read from, the present one or a copy; ``served`` is ``None`` while the
    pack is not served. ``problems`` say why its present content is not in use.
    """

    folder: Path
    kept: KeptContent
    content: Path
    served: ServedPack | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def problem(self) -> str:
        """The first problem, ``""`` if there is none."""
        return str(self.problems[0]) if self.problems else ""

    @property
    def is_edited(self) -> bool:
        """Whether the files in the folder are no longer those that were locked, of which a copy is served."""
        if self.served is None or self.problems or self.content == self.folder:
            return False
        try:
            return not is_locked(self.folder)
        except (OSError, ValueError, ProblemsError):
            return True

    def read(self, content: Path) -> ReadPack:
        """The pack in ``content``, its folder or a copy of that as ``kept`` has just made or found it.

        Raises:
            ProblemsError: it cannot be used; told of the folder, whichever of the two it is.
        """
        try:
            return read_locked(content, is_whole=content != self.folder)
        except ProblemsError as error:
            raise self.told(error, content) from None
        except Exception as error:  # whatever befalls one folder; the other packs go on
            raise ProblemsError([self.surprise(error)]) from None

    def surprise(self, error: Exception) -> Problem:
        """What nobody has foreseen as a problem of this pack, such as a file that may not be read."""
        path = Path(error.filename) if isinstance(error, OSError) and error.filename else self.folder
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        return Problem(path, NO_LINE, "content", f"it cannot be read: {why}")

    def told(self, error: ProblemsError, content: Path) -> ProblemsError:
        """The problems of the copy ``content`` as those of the folder that was copied."""
        return ProblemsError(
            replace(problem, path=self.folder / problem.path.relative_to(content))
            if problem.path.is_relative_to(content)
            else problem
            for problem in error.problems
        )


@dataclass(frozen=True, slots=True)
class Begun:
    """What a start begins with: the state of each pack, and the site's file that was taken.

    ``site_problem`` says why that is the last good one instead of the present one, ``""`` if it is not.
    """

    packs: list[PackState]
    site: Path | None
    site_problem: str = ""

    @property
    def served(self) -> Served:
        return served_of(self.packs)


def served_of(packs: Iterable[PackState]) -> Served:
    """All packs that are served."""
    return Served.of(state.served for state in packs if state.served is not None)


def begin(settings: Settings, key: bytes = b"", folders: Iterable[Path] | None = None) -> Begun:
    """The present packs and the site's present file made ready; of what cannot be used, the last that was good.

    ``key`` makes uuids; without it that of the settings does, or else one of its own. ``folders`` are those of
    ``folders_of``, where they were asked for before.

    Raises:
        ProblemsError: no pack can be used, or the site's file cannot; and nothing was kept.
    """
    folders = folders_of(settings) if folders is None else folders
    packs = [PackState(folder, KeptContent(settings.state, folder, settings.site), folder) for folder in folders]
    first: ProblemsError | None = None
    for site in _sites(settings, packs):
        try:
            _begin_with(site, packs, settings, key)
        except ProblemsError as error:
            first = first or error
            continue
        if not any(state.served for state in packs):
            raise first or ProblemsError(problem for state in packs for problem in state.problems)
        for state in packs:
            if state.served is not None and not state.problems and first is None:
                state.kept.keep(state.content, site)
        return Begun(packs, site, str(first.problems[0]) if first else "")
    assert first is not None  # noqa: S101  (there is always a site to try, if only none)
    raise first


def folders_of(settings: Settings) -> list[Path]:
    """The folders of the packs of the settings; a place without any stands for itself, to be told of."""
    return distinct_folders(
        folder for place in settings.cards for folder in packs_at(place, settings.state, settings.site) or [place]
    )


def _sites(settings: Settings, packs: list[PackState]) -> Iterator[Path | None]:
    """The site's present file, then the one that was good last."""
    yield settings.site
    if settings.site is not None:
        yield from [good.site for state in packs if (good := state.kept.good()) is not None and good.site][:1]


def _begin_with(site_file: Path | None, packs: list[PackState], settings: Settings, key: bytes) -> None:
    """Makes every pack ready under the overlay in ``site_file``.

    Raises:
        ProblemsError: the overlay cannot be used.
    """
    site = read_site(site_file)
    reads = [(state, _read(state)) for state in packs]
    names: dict[str, Names] = {}
    for state, read in reads:
        if read is not None:
            names.setdefault(state.id, read.names)
    parts = divided(site, names, [state.id for state, read in reads if read is None])
    served: list[ServedPack] = []
    for state, read in reads:
        if read is not None:
            _serve(state, read, lambda one: served_pack(one, parts[one.folder.name], settings, key, served))
        if state.served is not None:
            served.append(state.served)


def _read(state: PackState) -> ReadPack | None:
    """The present content of a pack, else its last good copy; ``None`` if neither can be read."""
    state.served, state.problems = None, ()
    try:
        return state.read(state.kept.copy())
    except ProblemsError as error:
        state.problems = tuple(error.problems)
    with contextlib.suppress(ProblemsError):
        if (good := state.kept.good()) is not None:
            return read_locked(good.folder)
    return None


def _serve(state: PackState, read: ReadPack, made_ready: Callable[[ReadPack], ServedPack]) -> None:
    """Makes a pack ready, or its last good copy where ``read`` cannot be.

    Raises:
        ProblemsError: it is the site's overlay that cannot be used.
    """
    try:
        state.served, state.content = made_ready(read), read.folder
        return
    except ProblemsError as error:
        told = state.told(error, read.folder)
    state.problems = state.problems or tuple(told.problems)
    good = state.kept.good()
    if good is not None and good.folder != read.folder:
        with contextlib.suppress(ProblemsError):
            state.served, state.content = made_ready(read_locked(good.folder)), good.folder
            return
    if any(problem.kind == "site" for problem in told.problems):
        raise told
