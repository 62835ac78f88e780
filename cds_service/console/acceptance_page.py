"""The page that shows what became of the cards: how many were shown, accepted and overridden, by rule."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response, abort, render_template

from cds_service.console.acceptance_choice import GROUPS, ORDERS, SPANS, USUAL_SPAN, AcceptanceChoice, choice_asked_for
from cds_service.console.acceptance_facets import Facet, facets_of, is_known, rows_chosen
from cds_service.console.acceptance_rows import (
    HEADS,
    SORTS,
    DecisionFigures,
    Reckoning,
    RowGroup,
    RuleRow,
    decision_figures,
    lines_of,
    sorted_groups,
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

_COMMENTS = 50
_FEW = 6  # values of a facet that are shown unasked


@dataclass(frozen=True, slots=True)
class _Figures:
    """The figures that were asked for: the rules that are chosen, all of them in order, and decision by decision.

    ``groups`` are empty if the rules shall not be grouped. ``report`` is that of the chosen service, or of all.
    """

    report: Report
    rows: list[RuleRow]
    groups: list[RowGroup]
    facets: tuple[Facet, ...]
    comments: list[Comment]


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
        since = datetime.now(UTC) - timedelta(days=USUAL_SPAN)
        try:
            read = self._store.acceptance(since, 0, self._services())
        except StoreDown:
            return None
        return decision_figures(read.report, decision.id, USUAL_SPAN)

    def acceptance_csv(self) -> Response:
        """The figures of the page as a table to take along: its days, its rules and its order."""
        choice = choice_asked_for(SORTS)
        try:
            figures = self._figures(choice, 0)
        except StoreDown:
            return store_problem(self._store)
        return csv_file(f"acceptance-{choice.days}-days.csv", HEADS, lines_of(figures.rows))

    def acceptance(self) -> Response:
        """The figures of the last days, sorted.

        How many days is asked for by ``days``, one of a few numbers; ``sort`` names a column, and ``order`` says
        ``asc`` or ``desc``. ``group`` is ``decision`` or ``none``. ``severity``, ``decision`` and ``service`` choose
        rules; of the service that is chosen, the figures are those of its calls alone.
        """
        choice = choice_asked_for(SORTS)
        try:
            figures = self._figures(choice, _COMMENTS)
        except StoreDown:
            return store_problem(self._store)
        prepared = self._content()
        page = render_template(
            "acceptance.html",
            choice=choice,
            rows=figures.rows,
            groups=figures.groups,
            facets=figures.facets,
            summary=_summary(figures.report, figures.rows, choice.days),
            columns=[(name, heading) for name, (heading, _) in SORTS.items() if choice.is_flat or name != "decision"],
            sorted_by=SORTS[choice.sort][0],
            sorted_how=ORDERS[choice.order],
            report=figures.report,
            spans=SPANS,
            ways=GROUPS,
            few=_FEW,
            comments=[(comment, _rule_of(prepared, comment)) for comment in figures.comments],
            keeps_comments=self._keeps_comments,
        )
        return Response(page)

    def _figures(self, choice: AcceptanceChoice, max_comments: int) -> _Figures:
        """What a choice asks for; one of a value that there is not ends in 404.

        Raises:
            StoreDown: the store cannot be read.
        """
        now, prepared = datetime.now(UTC), self._content()
        since = now - timedelta(days=choice.days)
        read = self._store.acceptance(since, max_comments, self._services())
        report = read.report
        reckoning = Reckoning.of(report, prepared, since.date(), now.date())
        rows = reckoning.rules(report.rules, read.days)
        if not is_known(rows, read.services, choice.chosen, prepared.pack):
            abort(404)
        facets = facets_of(rows, read.services, choice.chosen, prepared.pack)
        if service := choice.chosen.get("service"):
            of_service = self._store.acceptance(since, 0, {service})
            report = of_service.report
            reckoning = Reckoning.of(report, prepared, since.date(), now.date())
            rows = reckoning.rules(report.rules, of_service.days)
        rows = rows_chosen(rows, read.services, choice.chosen)
        if choice.is_flat:
            rows, groups = sorted_rows(rows, choice.sort, descending=choice.is_descending), []
        else:
            groups = sorted_groups(reckoning.by_decision(rows), choice.sort, descending=choice.is_descending)
            rows = [row for group in groups for row in group.rules]
        return _Figures(report, rows, groups, facets, read.comments)


def counted(count: int, thing: str) -> str:
    """``1 card``, ``1,204 cards``."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def percent(share: float) -> str:
    """``54 %``."""
    return f"{100 * share:.0f} %"


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
        cards = sum(row.counted for row in rows)
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
