"""The consoles of the packs that are served: the first at ``/``, each further one below ``/packs/<id>``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from flask import Blueprint

from cds_service.console.preview_pages import PreviewPages, Released
from cds_service.console.problem_page import NotServedError
from cds_service.console.routes import Place, console
from cds_service.content.packs import fixtures_of
from cds_service.content.prepared import Prepared
from cds_service.content.site_parts import Names
from cds_service.service.served_content import ServedContent
from cds_service.service.start import PackState
from cds_service.settings import Settings
from cds_service.store.store import Store

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # as pack.json has it


def consoles(
    content: ServedContent,
    store: Store,
    links: Sequence[tuple[str, str]],
    *,
    keeps_comments: bool,
    runs: Path | None = None,
) -> Iterator[Blueprint]:
    """The console of each pack of the settings, also of one that is not served, which says why.

    ``links`` are the endpoints and names of further pages of the first; ``keeps_comments`` says whether the comments of
    clinicians are kept, ``runs`` is the folder of population runs, if there is one.
    """
    places = _places(content.packs())
    are_several = len(places) > 1

    def packs() -> list[tuple[str, str]]:
        content.now()
        return [
            (f"{place.name}.try_it", state.served.pack.title if state.served else f"{state.id} (not served)")
            for state, place in places
        ]

    for state, place in places:
        is_first = not place.prefix
        yield console(
            _prepared(content, state),
            state.folder,
            fixtures_of(state.folder),
            store,
            links if is_first else (),
            place=place,
            services=_services(state, with_older=is_first) if are_several else lambda: None,
            packs=packs if are_several else tuple,
            keeps_comments=keeps_comments,
            runs=runs,
        )


def preview_pages(settings: Settings, cards: Path, content: ServedContent) -> PreviewPages:
    """The pages of the preview of the pack in the folder ``cards``."""

    def released(pack: str) -> Released:
        served = [state for state in content.packs() if state.served is not None]
        state = next((state for state in served if state.id == pack), served[0])
        beside = [other.content for other in content.packs() if other is not state]
        return Released(_prepared(content, state)(), state.content, fixtures_of(state.folder), beside)

    def names() -> Mapping[str, Names]:
        return {one.pack.id: one.names for one in content.now().packs}

    has_runs = settings.runs is not None
    return PreviewPages(cards, settings.site, settings.time_zone, released, names, with_runs=has_runs)


def _places(packs: Sequence[PackState]) -> list[tuple[PackState, Place]]:
    """Where the console of each pack stands; a folder that is named as no pack can be has none."""
    first, *further = packs
    named = [state for state in further if _ID.fullmatch(state.id)]
    ids = [state.id for state in named]
    return [
        (first, Place()),
        *((state, Place(f"pack-{state.id}", f"/packs/{state.id}")) for state in named if ids.count(state.id) == 1),
    ]


def _prepared(content: ServedContent, state: PackState) -> Callable[[], Prepared]:
    def prepared() -> Prepared:
        content.now()
        if state.served is None:
            raise NotServedError(state.problem)
        return state.served.prepared

    return prepared


def _services(state: PackState, *, with_older: bool) -> Callable[[], Collection[str]]:
    """The services of a pack; with those of before services were told apart, whose id is ``""``."""

    def services() -> Collection[str]:
        ids = [name for _, name in state.served.listed_ids()] if state.served is not None else []
        return ["", *ids] if with_older else ids

    return services
