"""A card as an EHR shows it: its words as HTML, what they rest on apart, its suggestions beside what is ordered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from cds_service.console.calendar import Calendar
from cds_service.console.changes import ResourceChange, change_of, draft_of
from cds_service.console.story_order import ComparedLine, OrderInWords, compared, order_in_columns
from cds_service.content.model import Pack
from cds_service.content.prepared import Prepared

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


@dataclass(frozen=True, slots=True)
class ShownChange:
    """One action of a suggestion: what is ``ordered`` and ``suggested``, where there are both line by line, and the
    change of FHIR.

    A new order has nothing ``ordered``, a removal nothing ``suggested``. Where an order is removed and a new one stands
    in its place, the new one is shown beside it, and of the removal only the change of FHIR.
    """

    fhir: ResourceChange
    ordered: OrderInWords | None
    suggested: OrderInWords | None
    lines: tuple[ComparedLine, ...]

    @property
    def calendar(self) -> Calendar | None:
        """The days of doses of the order that it leaves."""
        return self.suggested.calendar if self.suggested is not None else None


@dataclass(frozen=True, slots=True)
class ShownSuggestion:
    """One suggestion and what it would change. Its ``name`` is that by which it is followed, ``""`` if it cannot be."""

    label: str
    recommended: bool
    changes: tuple[ShownChange, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class ShownCard:
    """One card of an answer. ``detail`` is what a clinician reads first, ``evidence`` what it was read from and rests
    on; both are HTML. ``topic`` is the code of its topic, ``reasons`` are those to override it.
    """

    summary: str
    detail: Markup
    evidence: Markup
    indicator: str
    source: str
    topic: str
    suggestions: tuple[ShownSuggestion, ...]
    selection: str
    reasons: tuple[str, ...]


def shown_card(
    card: Mapping[str, Any],
    drafts: Mapping[str, Mapping[str, Any]],
    now: datetime,
    prepared: Prepared,
    names: Sequence[str] = (),
) -> ShownCard:
    """A card of an answer given at ``now``; ``drafts`` are those of the request by ``Type/id``.

    The days of doses are read as the content in ``prepared`` reads schedules, in its time zone. ``names`` are those by
    which its suggestions are followed, if they are.
    """
    detail, evidence = _parts(prepared.pack, card["detail"])
    suggestions = [_suggestion(suggestion, drafts, now, prepared) for suggestion in card.get("suggestions", [])]
    named = names or [""] * len(suggestions)
    return ShownCard(
        summary=card["summary"],
        detail=_html(detail),
        evidence=_html(evidence),
        indicator=card["indicator"],
        source=card["source"]["label"],
        topic=card["source"]["topic"]["code"],
        suggestions=tuple(replace(shown, name=name) for shown, name in zip(suggestions, named, strict=True)),
        selection=card.get("selectionBehavior", ""),
        reasons=tuple(reason["display"] for reason in card.get("overrideReasons", [])),
    )


def _parts(pack: Pack, detail: str) -> tuple[str, str]:
    """The blocks of a detail that are its message, and those that are evidence: what was read, what it rests on, and
    the line on the content, which is last.
    """
    *blocks, last = detail.split("\n\n")
    headings = (pack.words["read"], pack.words["rests"])
    message = [block for block in blocks if not block.startswith(headings)]
    evidence = [block for block in blocks if block.startswith(headings)]
    return "\n\n".join(message), "\n\n".join([*evidence, last])


def _suggestion(
    suggestion: Mapping[str, Any], drafts: Mapping[str, Mapping[str, Any]], now: datetime, prepared: Prepared
) -> ShownSuggestion:
    actions: Sequence[Mapping[str, Any]] = suggestion["actions"]
    changes = [_change(action, drafts, now, prepared) for action in actions]
    if [action["type"] for action in actions] == _EXCHANGE:
        gone, placed = changes
        if gone.ordered is not None and placed.suggested is not None:
            lines = tuple(compared(gone.ordered, placed.suggested))
            changes = [replace(gone, ordered=None), replace(placed, ordered=gone.ordered, lines=lines)]
    return ShownSuggestion(suggestion["label"], bool(suggestion.get("isRecommended")), tuple(changes))


_EXCHANGE = ["delete", "create"]


def _change(
    action: Mapping[str, Any], drafts: Mapping[str, Mapping[str, Any]], now: datetime, prepared: Prepared
) -> ShownChange:
    before, after = draft_of(action, drafts), action.get("resource")
    ordered = order_in_columns(before, drafts, now, prepared) if before is not None else None
    suggested = order_in_columns(after, drafts, now, prepared) if after is not None else None
    lines = compared(ordered, suggested) if ordered is not None and suggested is not None else []
    return ShownChange(change_of(action, drafts), ordered, suggested, tuple(lines))


def _html(markdown: str) -> Markup:
    """Markdown as HTML; whatever HTML the text holds is escaped."""
    return Markup(_parser().render(markdown))  # noqa: S704  (the parser escapes everything in the text)


@cache
def _parser() -> MarkdownIt:
    """HTML in the text stays text (RSP-12); links and pictures are not made, because cards have none."""
    from markdown_it import MarkdownIt  # imported for the first page only: it delays the start by a tenth of a second

    parser = MarkdownIt("commonmark", {"html": False})
    return parser.enable("table").disable(["link", "image", "autolink", "html_inline", "html_block"])
