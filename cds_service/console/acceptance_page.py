"""The page that shows what became of the cards: how many were shown, accepted and overridden, by rule."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response, abort, render_template, request

from cds_service.console.acceptance_rows import (
    HEADS,
    SORTS,
    DecisionFigures,
    RuleRow,
    decision_figures,
    lines_of,
    rows_of,
    sorted_rows,
)
from cds_service.console.problem_page import store_problem
from cds_service.console.taken_along import csv_file
from cds_service.content.model import Decision
from cds_service.content.prepared import Prepared
from cds_service.content.rule_words import rule_words
from cds_service.store.database import StoreDown
from cds_service.store.figures import Comment, Report, Share
from cds_service.store.store import Store

SPANS = (7, 30, 90, 365)  # days
_USUAL_SPAN = 30  # days
_COMMENTS = 50
_ORDERS = {"asc": "ascending", "desc": "descending"}
_IN_WORDS = ("rule", "reason")  # the columns that begin with A; of the others the largest is looked for first


class AcceptancePage:
    """The page over the figures of ``store``, in the words of the content that ``content`` gives.

    ``services`` gives the ids of the services whose figures are shown, ``None`` for all; ``keeps_comments`` says
    whether comments that come now are kept.
    """

    def __init__(
        self,
        content: Callable[[], Prepared],
        store: Store,
        services: Callable[[], Collection[str] | None],
        *,
        keeps_comments: bool,
    ) -> None:
        self._content = content
        self._store = store
        self._services = services
        self._keeps_comments = keeps_comments

    def register(self, pages: Blueprint) -> None:
        """Adds the page to ``pages``."""
        pages.get("/acceptance")(self.acceptance)
        pages.get("/acceptance.csv")(self.acceptance_csv)

    def figures_of(self, decision: Decision) -> DecisionFigures | None:
        """What became of the cards of a decision lately; ``None`` while the store cannot be read."""
        since = datetime.now(UTC) - timedelta(days=_USUAL_SPAN)
        try:
            report, _, _ = self._store.acceptance(since, 0, self._services())
        except StoreDown:
            return None
        return decision_figures(report, decision.id, _USUAL_SPAN)

    def acceptance_csv(self) -> Response:
        """The figures of the page as a table to take along, for its days and in its order."""
        span, sort, order = _asked_for()
        now = datetime.now(UTC)
        since = now - timedelta(days=span)
        try:
            report, days, _ = self._store.acceptance(since, 0, self._services())
        except StoreDown:
            return store_problem(self._store)
        decisions = rows_of(report, days, self._content(), since.date(), now.date())
        lines = lines_of(sorted_rows(decisions, sort, descending=order == "desc"))
        return csv_file(f"acceptance-{span}-days.csv", HEADS, lines)

    def acceptance(self) -> Response:
        """The figures of the last days, sorted.

        How many days is asked for by ``days``, one of a few numbers; ``sort`` names a column, and ``order`` says
        ``asc`` or ``desc``.
        """
        span, sort, order = _asked_for()
        now = datetime.now(UTC)
        since = now - timedelta(days=span)
        try:
            report, days, comments = self._store.acceptance(since, _COMMENTS, self._services())
        except StoreDown:
            return store_problem(self._store)
        prepared = self._content()
        decisions = rows_of(report, days, prepared, since.date(), now.date())
        rows = [row for decision in decisions for row in decision.rules]
        page = render_template(
            "acceptance.html",
            decisions=sorted_rows(decisions, sort, descending=order == "desc"),
            summary=_summary(report, rows, span),
            columns=[(name, heading, _next_order(name, sort, order)) for name, (heading, _) in SORTS.items()],
            sort=sort,
            order=order,
            sorted_how=_ORDERS[order],
            report=report,
            span=span,
            spans=SPANS,
            comments=[(comment, _rule_of(prepared, comment)) for comment in comments],
            keeps_comments=self._keeps_comments,
        )
        return Response(page)


def span_asked_for() -> int:
    """The number of days that the present request asks for; a request for another number than there is ends in 404."""
    span = request.args.get("days", str(_USUAL_SPAN))
    if span not in map(str, SPANS):
        abort(404)
    return int(span)


def counted(count: int, thing: str) -> str:
    """``1 card``, ``1,204 cards``."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def percent(share: float) -> str:
    """``54 %``."""
    return f"{100 * share:.0f} %"


def _asked_for() -> tuple[int, str, str]:
    """The days, the column and the order that are asked for; a request for others than there are ends in 404."""
    span, sort = span_asked_for(), request.args.get("sort", "shown")
    order = request.args.get("order", _first_order(sort))
    if sort not in SORTS or order not in _ORDERS:
        abort(404)
    return span, sort, order


def _first_order(sort: str) -> str:
    return "asc" if sort in _IN_WORDS else "desc"


def _next_order(column: str, sort: str, order: str) -> str:
    """The order in which a click on a heading sorts: the other one, if its column is sorted by already."""
    if column != sort:
        return _first_order(column)
    return "asc" if order == "desc" else "desc"


def _rule_of(prepared: Prepared, comment: Comment) -> str:
    if not comment.decision:
        return "a card that is not known to be ours"
    return rule_words(prepared.pack, prepared.regimens, comment.decision, comment.rule).whole


def _summary(report: Report, rows: Sequence[RuleRow], span: int) -> list[str]:
    """What the table comes to, in sentences."""
    shown = sum(row.shown for row in rows)
    answered = Share.out_of(sum(row.accepted.count for row in rows), sum(row.accepted.of for row in rows))
    sentences = [f"In the last {span} days {counted(shown, 'card')} of {counted(len(rows), 'rule')} were shown"]
    if shown == 1:
        sentences = [f"In the last {span} days 1 card was shown"]
    calls = sum(call.times for call in report.calls)
    if calls:
        cards = sum(count for rule in report.rules for count in rule.at.values())
        sentences[0] += f": {100 * cards / calls:.1f} for every 100 of {counted(calls, 'call')}"
        if report.calls_from and report.since and report.calls_from > report.since.date():
            sentences[0] += f" (calls are counted since {report.calls_from})"
    sentences[0] += "."
    if answered.of:
        sentences.append(
            f"{answered.of:,} of them {'was' if answered.of == 1 else 'were'} answered: {answered.count:,} accepted, "
            f"which is {percent(answered.count / answered.of)} (95 % interval {percent(answered.low)} to "
            f"{percent(answered.high)}), and {answered.of - answered.count:,} overridden."
        )
    elif shown:
        sentences.append("None of them was answered.")
    sentences += _extremes(rows)
    return sentences


def _extremes(rows: Sequence[RuleRow]) -> list[str]:
    """Which rule spoke most, and which was overridden most."""
    spoke = max(rows, key=lambda row: row.shown, default=None)
    refused = max(rows, key=lambda row: row.overridden, default=None)
    if spoke is None or refused is None or not spoke.shown:
        return []
    times = counted(spoke.shown, "time")
    if not refused.overridden:
        return [f"Most often shown: {_quoted(spoke)}, {times}."]
    if spoke is refused:
        return [f"Most often shown ({times}) and most often overridden ({refused.overridden:,}): {_quoted(spoke)}."]
    return [
        f"Most often shown: {_quoted(spoke)}, {times}.",
        f"Most often overridden: {_quoted(refused)}, {counted(refused.overridden, 'time')}.",
    ]


def _quoted(row: RuleRow) -> str:
    return f"\u201c{row.words.whole.rstrip('.')}\u201d"
