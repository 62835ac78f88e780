"""The page that shows what became of the cards: how many were shown, accepted and overridden, by rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, abort, render_template, request

from cds_service.store.database import StoreDown
from cds_service.store.store import Store

_SPANS = (7, 30, 90, 365)  # days
_COMMENTS = 50


class AcceptancePage:
    """The page over the figures of ``store``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def register(self, pages: Blueprint) -> None:
        """Adds the page to ``pages``."""
        pages.get("/acceptance")(self.acceptance)

    def acceptance(self) -> Response:
        """The figures of the last days; how many days is asked for by ``days``, one of a few numbers."""
        span = request.args.get("days", "30")
        if span not in map(str, _SPANS):
            abort(404)
        since = datetime.now(UTC) - timedelta(days=int(span))
        try:
            report, days, comments = self._store.acceptance(since, _COMMENTS)
        except StoreDown:
            return Response(render_template("problem.html", title="The store cannot be reached"), status=503)
        by_rule: dict[tuple[str, str, str], list[Any]] = {}
        for day in days:
            by_rule.setdefault((day.decision, day.rule, day.version), []).append(day)
        page = render_template(
            "acceptance.html",
            report=report,
            days=by_rule,
            highest=max((day.shown for day in days), default=1) or 1,
            first=since.date(),
            span=int(span),
            spans=_SPANS,
            comments=comments,
        )
        return Response(page)
