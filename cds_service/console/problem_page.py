"""What a person sees instead of a page: what was looked for and is not there, or what does not work, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from flask import Response, render_template, request
from werkzeug.exceptions import HTTPException

from cds_service.content.model import Pack
from cds_service.content.render import plain
from cds_service.replay.input_files import FileError
from cds_service.store.store import Store

_NOT_FOUND = 404
_TITLES = {403: "This form is not taken", _NOT_FOUND: "There is no such page", 413: "This is too long"}
_SENTENCES = {
    403: "It was sent by a page of another site. Nothing was done. Open the page here and send it again.",
    413: "What was sent is longer than this page reads. Send a request with fewer resources, or give the file to "
    "cds-service explain.",
}
_NEAR = 5


class NotServedError(Exception):
    """A pack is not served now, so that there is nothing to show of it. The message says why."""


def not_served(error: NotServedError) -> tuple[str, int]:
    """The page instead of one of a pack that is not served; status 503."""
    page = render_template(
        "problem.html",
        title="This pack is not served",
        sentences=[
            f"{error}.",
            "Its services are answered as services that are not there. The other packs are served all the same.",
            "cds-service check names everything that is wrong. Once it is mended and locked, the pack is taken up "
            "without a restart.",
        ],
        near=[],
    )
    return page, 503


def problem(error: HTTPException, pack: Pack) -> tuple[str, int]:
    """The page for an error that one of our pages ended in, with its status."""
    status = error.code or 500
    told: list[str] = [_SENTENCES[status]] if status in _SENTENCES else []
    near: list[tuple[str, str, str]] = []
    if status == _NOT_FOUND:
        told, near = [_not_found()], _near(pack)
    page = render_template("problem.html", title=_TITLES.get(status, error.name), sentences=told, near=near)
    return page, status


def store_problem(store: Store) -> Response:
    """The page instead of figures that cannot be read now; status 503."""
    cause = f" ({store.problem})" if store.problem else ""
    page = render_template(
        "problem.html",
        title="The store cannot be reached",
        sentences=[
            f"The figures are kept in {store.where}, and it does not answer{cause}.",
            "Calls are answered all the same and no card is missing. Feedback is refused until the store is back, and "
            "clients send it again; counts wait in memory.",
            "Look whether the database runs and can be reached from here, and whether its disk has room. /readyz says "
            "when the store is back; then load this page again.",
        ],
        near=[],
    )
    response = Response(page, status=503)
    response.headers["Retry-After"] = "10"
    return response


def examples_problem(error: FileError) -> tuple[str, int]:
    """The page instead of one that shows invented patients, whose files cannot be read; status 503."""
    page = render_template(
        "problem.html",
        title="The examples cannot be read",
        sentences=[
            f"{error}.",
            "These pages show the patients in the folder fixtures of the pack. Calls are answered all the same: "
            "they need no examples.",
            "cds-service check names everything that is wrong there. Mend it and start the service again.",
        ],
        near=[],
    )
    return page, 503


def _not_found() -> str:
    """What was looked for, as far as the address says it."""
    asked = " ".join(map(str, (request.view_args or {}).values()))
    if asked:
        thing = (request.endpoint or "").rpartition(".")[2].replace("_", " ")
        return f"There is no {thing} \u201c{plain(asked)}\u201d in this content."
    if request.args:
        said = ", ".join(f"{name}={value}" for name, value in request.args.items())
        return f"This page has nothing for \u201c{plain(said)}\u201d."
    return f"There is nothing at \u201c{plain(request.path)}\u201d."


def _near(pack: Pack) -> list[tuple[str, str, str]]:
    """Pages that may have been meant: endpoint, name and title of each."""
    known: Mapping[str, Mapping[str, Any]] = {"decision": pack.decisions, "value_set": pack.value_sets}
    page = (request.endpoint or "").rpartition(".")[2]
    asked = (request.view_args or {}).get("name", "")
    if page not in known:
        return []
    by_name = {name.casefold(): name for name in known[page]}
    found = [by_name[name] for name in get_close_matches(asked.casefold(), by_name, n=_NEAR, cutoff=0.5)]
    return [(f".{page}", name, known[page][name].title) for name in found]
