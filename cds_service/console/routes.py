"""The console as a Flask blueprint: its pages, and what all of them have in common. Nothing here changes content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from cds_service.console.problem_page import examples_problem, problem
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
_PAGES = (
    ("console.try_it", "Try"),
    ("console.courses", "Courses"),
    ("console.content", "Content"),
)
_COUNTS = (("console.acceptance", "Acceptance"), ("console.not_understood", "Not understood"))


def console(
    content: Callable[[], Prepared],
    cards: Path,
    fixtures: Path,
    store: Store | None,
    links: Sequence[tuple[str, str]] = (),
) -> Blueprint:
    """The pages over the content that ``content`` gives, each under the name of the method that answers.

    ``cards`` is the folder of the content's files, ``fixtures`` that of the patients, drafts, scenarios and courses to
    choose from. Without ``store`` there are no pages about what was counted. ``links`` are the endpoints and names of
    further pages, in front of the others.
    """
    pages = Blueprint(
        "console", __name__, template_folder="templates", static_folder="static", static_url_path="/console"
    )
    TryPage(content, fixtures).register(pages)
    CoursesPage(content, fixtures).register(pages)
    ContentPages(content, cards, fixtures).register(pages)
    if store is not None:
        AcceptancePage(content, store).register(pages)
        NotUnderstoodPage(store).register(pages)
    shown = [*links, *_PAGES, *(_COUNTS if store is not None else ())]

    @pages.app_context_processor
    def everywhere() -> dict[str, Any]:
        prepared = content()
        review = prepared.standing(datetime.now(UTC))
        return {"pages": shown, "pack": prepared.pack, "review": review, "version": __version__}

    pages.register_error_handler(HTTPException, lambda error: problem(error, content().pack))
    pages.register_error_handler(FileError, examples_problem)
    pages.after_request(with_headers)
    return pages


def with_headers(response: Response) -> Response:
    """Forbids a page whatever it does not need."""
    response.headers.update(_HEADERS)
    return response
