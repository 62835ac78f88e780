"""A run in words, whatever shows them: a terminal or a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isinf
from typing import NamedTuple

from cds_service.population.records import ORDER_NOT_KNOWN
from cds_service.population.shared_counts import Shown
from cds_service.population.summary import SELECT, VIEW, ContentSummary, Funnel, Summary, UnitCount

HOOKS: Mapping[str, str] = {
    "order-sign": "orders signed",
    "order-select": "orders selected",
    "patient-view": "charts opened",
}
FIRED_AND_SHOWN = (
    "Fired is how often a rule found something, and shown how often a card of its own said so; otherwise a line on "
    "another card did, or nobody was told."
)
FIRST_AND_REPEATED = (
    "Read first as certain, and repeated as the most that there would be: prescribers would have answered to a first "
    "card."
)
NOTHING_UNREAD = "Nothing: every rule that spoke rests on facts that were known and could be used."
FEWEST_EVENTS = 10
"""Of fewer sets of orders a rate tells nothing."""
OF_UNITS = f"The units with most sets of orders come first; of fewer than {FEWEST_EVENTS} sets a rate tells nothing."

_WHOLE = 100  # from here on decimals of a ratio tell nothing
_OUTCOMES = {"not-judged": "could not be judged", "defect": "failed"}


def hooks_shown(content: ContentSummary) -> list[str]:
    """The hooks that a report has a part on: those of which some event was judged."""
    funnels = ((content.hook, content.funnel), (SELECT, content.selected), (VIEW, content.view))
    return [hook for hook, funnel in funnels if funnel.events]


def sentence_of(summary: Summary, content: ContentSummary, shown: Shown) -> str:
    """What a run comes to, in one sentence."""
    days = summary.manifest.window.days
    weeks = max(days / 7, 1)
    if not content.hook:
        return f"No order was judged; {shown.text(content.view.events)} charts were opened once."
    whose = f" of {shown.text(content.patients)} patients" if content.patients else ""  # unless nobody named them
    text = (
        f"{shown.text(content.orders)} orders{whose} in {days} days: {_answered(content.funnel, content.hook, shown)}; "
        f"{shown.each(content.cards, weeks)} cards a week"
    )
    if prescribers := shown.number(content.prescribers):
        text += f", {shown.each(content.cards, weeks * prescribers)} for each prescriber"
    return f"{text}."


def _answered(funnel: Funnel, hook: str, shown: Shown) -> str:
    events = f"{shown.text(funnel.events)} {_sets(hook)}"
    parts = [shown.rate(part, funnel.events) for part in (funnel.with_card, funnel.interrupting)]
    return f"{parts[0]} % of {events} get a card, and {parts[1]} % a warning or a critical one"


def _sets(hook: str) -> str:
    """What the events of a hook are called."""
    called = HOOKS.get(hook, hook)
    return called if hook == VIEW else f"sets of {called} together"


def orders_in_window(summary: Summary, content: ContentSummary, shown: Shown) -> str:
    """Which part of all orders a run is about, and how many of them nobody could tell; ``""`` if nobody counted."""
    ordered = summary.manifest.counts.get("ordered")
    if not content.hook or not isinstance(ordered, int):
        return ""
    not_known = sum(times for problem, _, times in summary.counted.problems if problem == ORDER_NOT_KNOWN)
    told = (
        f"{shown.text(ordered)} orders of drugs were signed in the window, and {shown.text(content.orders)} orders are "
        "about this content. "
    )
    if not not_known:
        return f"{told}What the others order is known."
    return f"{told}Of {shown.text(not_known)} nobody can tell what they order: they are in no other number here."


def selected_in_words(content: ContentSummary, shown: Shown) -> str:
    """What order-select came to, where orders are counted by order-sign; ``""`` if it was not judged."""
    selected = content.selected
    if not selected.events:
        return ""
    return f"An estimate of what was shown while orders were chosen: {_answered(selected, SELECT, shown)}."


def charts_in_words(content: ContentSummary, shown: Shown) -> str:
    """What the charts that were opened once came to; ``""`` if none was."""
    view = content.view
    if not view.events:
        return ""
    depend = f"the answers to {shown.text(view.status_dependent)} depend on statuses that the export no longer has"
    return f"Opened once, at the end: {_answered(view, VIEW, shown)}; {depend}."


def not_understood_in_words(content: ContentSummary, shown: Shown) -> str:
    """At how many events something was not understood; ``""`` if nobody counted."""
    told = [
        (funnel, f"{shown.text(funnel.not_understood)} of {shown.text(funnel.events)} {_sets(hook)}")
        for funnel, hook in ((content.funnel, content.hook), (content.selected, SELECT), (content.view, VIEW))
        if funnel.events and funnel.not_understood is not None
    ]
    if not told:
        return ""
    if not any(funnel.not_understood for funnel, _ in told):
        return "All that is on record and may concern a patient was understood."
    places = ", ".join(words for _, words in told)
    return f"Something that may concern the patient was not understood at {places}."


def unit_rate(unit: UnitCount, shown: Shown) -> str:
    """Cards for a hundred sets of orders of a unit, or that these are too few to tell."""
    events = shown.number(unit.events)
    return shown.rate(unit.cards, unit.events) if events is None or events >= FEWEST_EVENTS else "too few"


def ratio_in_words(low: float, high: float) -> str:
    """The bounds of a ratio, such as ``0.00 to 0.04 times``; ``high`` may be infinite."""
    if isinf(high):
        return f"more than {_ratio(low)} times" if low else "any number of times"
    return f"{_ratio(low)} to {_ratio(high)} times"


def _ratio(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= _WHOLE else f"{ratio:.2f}"


class FunnelPart(NamedTuple):
    """A step of the funnel: how many ``events`` there are, and how deep it stands below that of everything."""

    events: int
    words: str
    depth: int


def funnel_steps(content: ContentSummary) -> tuple[FunnelPart, ...]:
    """The steps of the funnel, the first that of everything; each is a part of the last one above it of less depth.
    What is not told is left out.
    """
    funnel = content.funnel
    steps = (
        (funnel.events, _sets(content.hook), 0),
        (funnel.not_judged, "could not be judged for want of data", 1),
        (funnel.defects, "failed by a fault of this software", 1),
        (funnel.silent, "silent", 1),
        (funnel.with_card, "with a card", 1),
        (funnel.interrupting, "of these, with a critical card or a warning", 2),
        (funnel.first, "of these, with the first one of its rule for the patient", 3),
        (funnel.status_dependent, "of all, depend on statuses that the export no longer has", 1),
    )
    return tuple(FunnelPart(events, words, depth) for events, words, depth in steps if events is not None)


def answer_in_words(answer: Sequence[str], words: Mapping[str, str]) -> str:
    """The topics of an answer in words; what was no answer as it is called."""
    return "; ".join(_OUTCOMES.get(topic) or words.get(topic, topic) for topic in answer) or "no card"
