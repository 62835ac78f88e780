"""The pages of the preview: what differs from the released content, and the console over content that is not released.

Only these pages know of it. The service answers its clients from the released content and is not given the preview.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from flask import Blueprint, Flask, Response, abort, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BuildError

from cds_service.console.comparison import Comparison, Contents
from cds_service.console.preview import Preview, PreviewContent
from cds_service.console.problem_page import problem
from cds_service.console.reports import impact_parts
from cds_service.console.routes import Place, console, context, with_headers
from cds_service.console.try_page import is_same_origin
from cds_service.content.packs import fixtures_of, pack_folder, pack_folders
from cds_service.content.prepared import Prepared
from cds_service.content.site_parts import Names

BANNER = "Preview of unlocked content: nothing of it reaches a client."
_PREFIX = "/preview"
_PAGES = f"{_PREFIX}/pages"
_METHODS = ["GET", "POST"]
_log = logging.getLogger("cds_service")


@dataclass(frozen=True, slots=True)
class Released:
    """The pack that is served: the ``folder`` that it was read from, the ``fixtures`` that show what it does, and the
    folders of the packs that are served ``beside`` it.
    """

    prepared: Prepared
    folder: Path
    fixtures: Path
    beside: Sequence[Path] = ()


class PreviewPages:
    """The pages over the pack in the folder ``cards`` or alone in it, under the overlay in the file ``site``.

    ``released`` gives what is served under an id of a pack; the first pack where nothing is. ``others`` gives the names
    of all packs that are served, by their ids, and ``zone`` is the name of the hospital's time zone. ``with_runs`` says
    whether there is a page of population runs.
    """

    LINK = ("preview.changes", "Preview")

    def __init__(
        self,
        cards: Path,
        site: Path | None,
        zone: str,
        released: Callable[[str], Released],
        others: Callable[[], Mapping[str, Names]],
        *,
        with_runs: bool,
    ) -> None:
        self._with_runs = with_runs
        self._content = PreviewContent(cards, site, zone, others)
        self._site, self._zone, self._released_under = site, zone, released
        self._comparison: Comparison | None = None
        self._console: tuple[Preview, Flask] | None = None

    def register(self, app: Flask) -> None:
        """Adds the pages to ``app``; the endpoint of each has the name of its method."""
        pages = Blueprint("preview", __name__, url_prefix=_PREFIX)
        pages.get("")(self.changes)
        pages.post("/compare")(self.compare)
        pages.add_url_rule("/pages/", "shown", self.shown, methods=_METHODS)
        pages.add_url_rule("/pages/<path:page>", "shown", self.shown, methods=_METHODS)
        pages.context_processor(
            context(
                lambda: self._released().prepared,
                self._content.cards,
                Place(),
                [self.LINK],
                with_counts=True,
                with_runs=self._with_runs,
            )
        )
        pages.register_error_handler(HTTPException, lambda error: problem(error, self._released().prepared.pack))
        pages.after_request(with_headers)
        pages.app_template_filter("relative")(self._relative)
        self._outside = app.url_map.bind("")
        app.register_blueprint(pages)

    def changes(self) -> str:
        """What differs: whether the preview can be read and proved, and for whom it answers otherwise."""
        preview, comparison = self._content.now(), self._comparison
        outcome = comparison.outcome if comparison is not None else None
        parts: dict[str, Any] = {}
        if outcome is not None and outcome.impact is not None and preview.prepared is not None:
            parts = impact_parts(outcome.impact, preview.prepared)
        return render_template(
            "preview.html",
            banner=BANNER,
            changes_url=url_for("preview.changes"),
            released_url=url_for("console.try_it"),
            proof_words=self._proof_words(preview),
            preview=preview,
            folder=self._content.cards,
            looks=[(f"{_PAGES}/", "Try"), (f"{_PAGES}/courses", "Courses"), (f"{_PAGES}/content", "Content")],
            comparison=comparison,
            is_under_way=comparison is not None and outcome is None,
            is_stale=comparison is not None and comparison.about != self._about(preview),
            seconds=round(time.monotonic() - comparison.began) if comparison is not None else 0,
            **parts,
        )

    def compare(self) -> Response:
        """Begins a comparison, if none is under way, and leads back to the page that tells how far it is."""
        if not is_same_origin():
            abort(403)
        preview, comparison = self._content.now(), self._comparison
        if comparison is None or comparison.outcome is not None:
            released = self._released()
            contents = Contents(
                str(released.folder),
                str(self._content.cards),
                str(self._site) if self._site is not None else None,
                str(released.fixtures),
                self._zone,
                [str(folder) for folder in released.beside],
            )
            self._comparison = Comparison(contents, self._about(preview))
        return Response(status=303, headers={"Location": url_for("preview.changes")})

    def shown(self, page: str = "") -> Response:
        """A page of the console over the preview; what is wrong with it instead if it cannot be read."""
        preview = self._content.now()
        if preview.prepared is None:
            return Response(self.changes(), status=409)
        if self._console is None or self._console[0] is not preview:
            self._console = preview, self.console_of(preview)
        environ = request.environ | {"SCRIPT_NAME": _PAGES, "PATH_INFO": f"/{page}"}
        return cast("Response", Response.from_app(self._console[1], environ, buffered=True))

    def console_of(self, preview: Preview) -> Flask:
        """The console over one state of the preview, as an application of its own: what it keeps is of that state."""
        prepared = preview.prepared
        assert prepared is not None  # noqa: S101  (of a broken one nothing is shown)
        app = Flask("cds_service.preview", static_folder=None)
        app.url_map.strict_slashes = False
        folder, links = pack_folder(self._content.cards), [("preview.changes", "What differs")]
        app.register_blueprint(console(lambda: prepared, folder, fixtures_of(folder), None, links))
        app.context_processor(context(lambda: prepared, folder, Place(), links, with_counts=False))
        app.add_template_filter(self._relative, "relative")
        app.url_build_error_handlers.append(self._outside_url)

        @app.context_processor
        def everywhere() -> dict[str, str]:
            return {
                "banner": BANNER,
                "changes_url": self._outside.build("preview.changes"),
                "released_url": self._outside.build("console.try_it"),
                "proof_words": self._proof_words(preview),
            }

        @app.errorhandler(HTTPException)
        def no_such_page(error: HTTPException) -> Response:
            page, status = problem(error, prepared.pack)
            return with_headers(Response(page, status=status))

        @app.errorhandler(Exception)
        def failed(error: Exception) -> Response:
            """A fault of unproved content; its words may hold what was entered, so they are not told (ERR-04)."""
            _log.error("a page of the preview failed: %s", type(error).__name__)
            sentences = [
                f"The preview could not answer this ({type(error).__name__}). Content that is not proved may have gaps "
                "or contradictions.",
                "Prove it on the page that says what differs: it names file and line.",
            ]
            page = render_template("problem.html", title="The preview failed", sentences=sentences, near=[])
            return with_headers(Response(page, status=500))

        return app

    def _outside_url(self, error: Exception, endpoint: str, values: dict[str, Any]) -> str:
        """The address of a page outside the preview.

        Raises:
            BuildError: there is none.
        """
        values = {name: value for name, value in values.items() if not name.startswith("_")}
        try:
            return self._outside.build(endpoint, values)
        except BuildError:
            raise error from None

    def _proof_words(self, preview: Preview) -> str:
        """Whether this state of the preview is proved: where it is not, a missing card may be a gap in it."""
        comparison = self._comparison
        outcome = comparison.outcome if comparison is not None and comparison.about == self._about(preview) else None
        if outcome is None or outcome.failure:
            return "It is not proved: where no card is shown, it may have a gap."
        if outcome.problems:
            return "Its proof failed: where no card is shown, it may have a gap."
        return "It is proved."

    def _about(self, preview: Preview) -> object:
        """What a comparison is of: states of both contents."""
        released = self._released().prepared.pack
        return preview.stamp, released.version, released.site_digest

    def _released(self) -> Released:
        folders = pack_folders(self._content.cards)
        return self._released_under(folders[0].name if folders else "")

    def _relative(self, path: object) -> str:
        """A path, or a line that begins with one, without the folder that the preview stands in."""
        return str(path).removeprefix(f"{self._content.cards.parent}/")
