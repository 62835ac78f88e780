"""The console as a Flask blueprint: its pages, and what all of them have in common. Nothing here changes content."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Blueprint, Response
from werkzeug.exceptions import HTTPException

from cds_service import __version__
from cds_service.console.acceptance_page import AcceptancePage
from cds_service.console.content_pages import ContentPages
from cds_service.console.courses_page import CoursesPage
from cds_service.console.not_understood_page import NotUnderstoodPage
from cds_service.console.population_pages import PopulationPages
from cds_service.console.problem_page import NotServedError, examples_problem, not_served, problem
from cds_service.console.rule_page import RulePage
from cds_service.console.try_page import TryPage
from cds_service.content.prepared import Prepared
from cds_service.replay.input_files import FileError
from cds_service.store.store import Store

# Everything is loaded from this service, no script or style stands in a page, and no other page may frame it.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_PAGES = (("try_it", "Try"), ("courses", "Courses"), ("content", "Content"))
_COUNTS = (("acceptance", "Acceptance"), ("not_understood", "Not understood"))
_RUNS = (("population", "Population"),)
FIRST = "console"
"""The name of the console of the first pack, which has the files that all of them load."""

Links = Sequence[tuple[str, str]]
"""Endpoints and what they are called."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the console of a pack stands: the name of its blueprint, and what its paths begin with."""

    name: str = FIRST
    prefix: str = ""


def console(
    content: Callable[[], Prepared],
    folder: Path,
    fixtures: Path,
    store: Store | None,
    links: Links = (),
    *,
    place: Place | None = None,
    services: Callable[[], Collection[str] | None] = lambda: None,
    packs: Callable[[], Links] = tuple,
    keeps_comments: bool = False,
    runs: Path | None = None,
) -> Blueprint:
    """The pages over the pack that ``content`` gives, each under the name of the method that answers.

    ``content`` raises ``NotServedError`` while the pack is not served. ``folder`` is that of the pack's files,
    ``fixtures`` that of the patients, drafts, scenarios and courses to choose from. Without ``store`` there are no
    pages about what was counted; ``services`` gives the ids of those that they count, ``None`` for all, and
    ``keeps_comments`` says whether the comments of clinicians are kept. ``links`` are
    the endpoints and names of further pages, in front of the others, ``packs`` gives those of the consoles of all
    packs. ``runs`` is the folder of population runs, which have no pages without it.
    """
    place = place or Place()
    pages = Blueprint(
        place.name,
        __name__,
        url_prefix=place.prefix or None,
        template_folder="templates",
        static_folder="static" if place.name == FIRST else None,
        static_url_path="/console" if place.name == FIRST else None,
    )
    TryPage(content, fixtures).register(pages)
    CoursesPage(content, fixtures).register(pages)
    population = PopulationPages(content, runs, store) if runs is not None else None
    counted = AcceptancePage(content, store, services, keeps_comments=keeps_comments) if store is not None else None
    spoken, figures = population.spoken if population else None, counted.figures_of if counted else None
    ContentPages(content, folder, fixtures, spoken, figures).register(pages)
    if population is not None:
        population.register(pages)
    if counted is not None and store is not None:
        counted.register(pages)
        RulePage(content, store, services).register(pages)
        NotUnderstoodPage(store, services).register(pages)
    with_counts, with_runs = store is not None, runs is not None
    pages.context_processor(
        context(content, folder, place, links, with_counts=with_counts, with_runs=with_runs, packs=packs)
    )

    @pages.before_request
    def served() -> None:
        content()

    pages.register_error_handler(HTTPException, lambda error: problem(error, content().pack))
    pages.register_error_handler(FileError, examples_problem)
    pages.register_error_handler(NotServedError, not_served)
    pages.after_request(with_headers)
    return pages


def context(
    content: Callable[[], Prepared],
    folder: Path,
    place: Place,
    links: Links,
    *,
    with_counts: bool,
    with_runs: bool = False,
    packs: Callable[[], Links] = tuple,
) -> Callable[[], dict[str, Any]]:
    """What the templates of every page of a console are given: its pages, and what its pack is."""
    named = (*_PAGES, *(_COUNTS if with_counts else ()), *(_RUNS if with_runs else ()))
    ours = [(f"{place.name}.{endpoint}", label) for endpoint, label in named]
    shown = [*links, *ours]

    def everywhere() -> dict[str, Any]:
        common = {"pages": shown, "packs": packs(), "version": __version__}
        try:
            prepared = content()
        except NotServedError:
            return {**common, "head": {"title": folder.name, "told": "not served"}, "pack": None}
        pack, review = prepared.pack, prepared.standing(datetime.now(UTC))
        head = {"title": pack.title, "told": f"{pack.id} {pack.version}", "reviews": f"{place.name}.reviews"}
        return {**common, "head": head, "pack": pack, "review": review}

    return everywhere


def with_headers(response: Response) -> Response:
    """Forbids a page whatever it does not need."""
    response.headers.update(_HEADERS)
    return response
