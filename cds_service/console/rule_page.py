"""The page of one rule: what became of its cards over the whole time that is kept."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime

from flask import Blueprint, Response, abort, render_template

from cds_service.console.problem_page import store_problem
from cds_service.console.rule_periods import is_by_month, periods_of, version_changes, versions_shown
from cds_service.console.trend_plots import TrendFrame
from cds_service.content.prepared import Prepared
from cds_service.content.rule_words import rule_words
from cds_service.store.database import StoreDown
from cds_service.store.figures import Share
from cds_service.store.store import Store


class RulePage:
    """The page over the figures of ``store``, in the words of the content that ``content`` gives.

    ``services`` gives the ids of the services whose figures are shown, ``None`` for all.
    """

    def __init__(
        self, content: Callable[[], Prepared], store: Store, services: Callable[[], Collection[str] | None]
    ) -> None:
        self._content = content
        self._store = store
        self._services = services

    def register(self, pages: Blueprint) -> None:
        """Adds the page to ``pages``."""
        pages.get("/acceptance/<decision>/<rule>")(self.rule)

    def rule(self, decision: str, rule: str) -> Response:
        """The figures of a rule by week or month; one that neither the content has nor was counted ends in 404."""
        if not (decision + rule).isprintable():  # no id is so, and PostgreSQL refuses to look for a NUL
            abort(404)
        try:
            history = self._store.rule_history(decision, rule, self._services())
        except StoreDown:
            return store_problem(self._store)
        prepared = self._content()
        words = rule_words(prepared.pack, prepared.regimens, decision, rule)
        if not (history.days or words.indicator):
            abort(404)
        today = datetime.now(UTC).date()
        periods = periods_of(history, today)
        called = "month" if is_by_month(history, today) else "week"
        changes = [change for change in version_changes(history.versions) if periods and change[0] > periods[0].first]
        frame = TrendFrame(periods, called, changes, prepared.pack.months)
        accepted, answered = (sum(getattr(period.accepted, part) for period in periods) for part in ("count", "of"))
        page = render_template(
            "acceptance_rule.html",
            decision=decision,
            rule=rule,
            words=words,
            periods=periods,
            called=called,
            shown=sum(period.shown for period in periods),
            accepted=Share.out_of(accepted, answered),
            calls=sum(period.calls for period in periods),
            counted=sum(period.counted for period in periods),
            calls_from=history.calls_from,
            plots=[plot for plot in (frame.share_plot(), frame.rate_plot()) if plot is not None] if periods else [],
            versions=versions_shown(history.versions),
        )
        return Response(page)
