"""The console as a Flask blueprint: its pages, and what all of them have in common. Nothing here changes content."""

from __future__ import annotations

from collections.abc import Callable
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
from cds_service.console.problem_page import problem
from cds_service.console.try_page import TryPage
from cds_service.content.prepared import Prepared
from cds_service.store.store import Store

# Everything is loaded from this service, no script or style stands in a page, and no other page may frame it.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
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
    ("console.acceptance", "Acceptance"),
    ("console.not_understood", "Not understood"),
)


def console(content: Callable[[], Prepared], store: Store, cards: Path, fixtures: Path) -> Blueprint:
    """The console of a service.

    ``content`` gives the content that is served now, ``cards`` is the folder of its files, and ``fixtures`` the folder
    of the patients, drafts, scenarios and courses to choose from.
    """
    pages = Blueprint(
        "console", __name__, template_folder="templates", static_folder="static", static_url_path="/console"
    )
    TryPage(content, fixtures).register(pages)
    CoursesPage(content, fixtures).register(pages)
    ContentPages(content, cards, fixtures).register(pages)
    AcceptancePage(content, store).register(pages)
    NotUnderstoodPage(content, store).register(pages)

    @pages.app_context_processor
    def everywhere() -> dict[str, Any]:
        prepared = content()
        review = prepared.standing(datetime.now(UTC))
        return {"pages": _PAGES, "pack": prepared.pack, "review": review, "version": __version__}

    pages.register_error_handler(HTTPException, lambda error: problem(error, content().pack))
    pages.after_request(_with_headers)
    return pages


def _with_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response
