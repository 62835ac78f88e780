"""A run in words, whatever shows them: a terminal or a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isinf

from cds_service.population.shared_counts import Shown
from cds_service.population.summary import ContentSummary, Summary

HOOKS: Mapping[str, str] = {
    "order-sign": "orders signed",
    "order-select": "orders selected",
    "patient-view": "charts opened",
}
_WHOLE = 100  # from here on decimals of a ratio tell nothing
_OUTCOMES = {"not-judged": "could not be judged", "defect": "failed"}


def sentence_of(summary: Summary, content: ContentSummary, shown: Shown) -> str:
    """What a run comes to, in one sentence."""
    funnel, days = content.funnel, summary.manifest.window.days
    weeks = max(days / 7, 1)
    if not content.hook:
        return f"No order was judged; {shown.text(content.view.events)} charts were opened once."
    hook = HOOKS.get(content.hook, content.hook)
    whose = f" of {shown.text(content.patients)} patients" if content.patients else ""  # unless nobody named them
    text = (
        f"{shown.text(content.orders)} orders{whose} in {days} days: "
        f"{shown.rate(funnel.with_card, funnel.events)} % of {shown.text(funnel.events)} sets of {hook} "
        f"together get a card, {shown.each(content.cards, weeks)} cards a week"
    )
    if prescribers := shown.number(content.prescribers):
        text += f", {shown.each(content.cards, weeks * prescribers)} for each prescriber"
    return f"{text}."


def ratio_in_words(low: float, high: float) -> str:
    """The bounds of a ratio, such as ``0.00 to 0.04 times``; ``high`` may be infinite."""
    if isinf(high):
        return f"more than {_ratio(low)} times" if low else "any number of times"
    return f"{_ratio(low)} to {_ratio(high)} times"


def _ratio(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= _WHOLE else f"{ratio:.2f}"


def funnel_steps(content: ContentSummary) -> tuple[tuple[int, str], ...]:
    """The steps of the funnel with their counts, the first that of everything; without those that are not told."""
    funnel = content.funnel
    steps = (
        (funnel.events, f"sets of {HOOKS.get(content.hook, 'orders')} together"),
        (funnel.not_judged, "could not be judged for want of data"),
        (funnel.defects, "failed by a fault of this software"),
        (funnel.silent, "silent"),
        (funnel.with_card, "with a card"),
        (funnel.interrupting, "with a critical card or a warning"),
        (funnel.first, "with the first one of its rule for the patient"),
        (funnel.status_dependent, "depend on statuses that the export no longer has"),
    )
    return tuple((count, words) for count, words in steps if count is not None)


def answer_in_words(answer: Sequence[str], words: Mapping[str, str]) -> str:
    """The topics of an answer in words; what was no answer as it is called."""
    return "; ".join(_OUTCOMES.get(topic) or words.get(topic, topic) for topic in answer) or "no card"
