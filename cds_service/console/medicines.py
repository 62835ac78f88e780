"""The medicines of a record that are under way, as the head of a chart names them.

Those that the content is about come first, with the dosage as cards read it; of the others there are the names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from cds_service.chart.events import TELLING, Event, EventKind, events_of
from cds_service.chart.overview import ToldEvent, overview
from cds_service.chart.record import Chart
from cds_service.console.plain_words import day_in_words
from cds_service.console.record_events import MOST_TOLD, NO_WORDS, with_dosage
from cds_service.content.prepared import Prepared
from cds_service.content.render import plain
from cds_service.vocabulary.declarations import Search

_TAKEN = (EventKind.ORDERED, EventKind.STATED)
_NEVER_ONE = "Procedure"  # what was done once


def medicines_of(prepared: Prepared, searches: Iterable[Search], chart: Chart, today: date) -> list[str]:
    """What is ordered, or stated to be taken, and goes on by its status; each once, in words.

    Of an order that is active although its last dose was before ``today``, the words say when it ended.
    """
    asked = [search for search in searches if search.resource in TELLING]
    past = overview(prepared.pack.readers, asked, chart, MOST_TOLD)
    told = {reference for each in past.events for reference in (each.event.reference, *each.one_with)}
    taken = [each for each in reversed(past.events) if each.kind in _TAKEN and each.event.under_way]
    read = [_as_read(prepared, each, today) for each in taken]
    others = [event.words for event in _under_way(asked, chart) if event.reference not in told]
    return list(dict.fromkeys([*read, *(plain(words) or NO_WORDS for words in others)]))


def _as_read(prepared: Prepared, told: ToldEvent, today: date) -> str:
    said = with_dosage(prepared.pack, told.words, told.event.as_order())
    if told.last is not None and told.last < today:
        said += f" (ended {day_in_words(prepared.pack, told.last, today)})"
    return said


def _under_way(searches: Iterable[Search], chart: Chart) -> Iterator[Event]:
    for search in searches:
        if search.resource != _NEVER_ONE:
            for event in chart.once(events_of, search).events:
                if event.kind in _TAKEN and event.under_way:
                    yield event
