"""What was not prefetched is fetched from the client's FHIR server instead."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Protocol

from cds_service.chart.readers import patient_facts
from cds_service.chart.record import Chart
from cds_service.chart.sent_entries import Sent
from cds_service.content.model import Service
from cds_service.content.needs import reads
from cds_service.content.prepared import Prepared
from cds_service.vocabulary.declarations import Search
from cds_service.vocabulary.facts import State
from cds_service.vocabulary.fetched import Fetched


class Ask(Protocol):
    """``Fetch``, with the access of one call given."""

    def __call__(
        self, searches: Sequence[Search], patient_id: str, *, further: bool = False, urgent: Collection[str] = ()
    ) -> Mapping[str, Fetched]: ...


def fill_gaps(prepared: Prepared, service: Service, chart: Chart, ask: Ask) -> None:
    """Adds to the chart what the service's decisions read and the client did not send (PF-20).

    First come the keys that were not sent or whose query failed at the client; a key that is ``null`` was searched
    and is not asked for. Then come the further pages of searches without which a fact would be unknown (PF-24, PF-25).
    Both times what safety decisions name goes ahead of the rest (Z88).
    """
    urgent = prepared.urgent[service.id]
    searches = prepared.searches[service.id]
    missing = [search for search in searches if chart.held(search).sent is not Sent.READ]
    _add(chart, missing, partial(ask, urgent=urgent))
    paged = [s for s in searches if chart.held(s).has_further_pages and (s.newest_first or s not in missing)]
    if paged:
        facts = patient_facts(prepared.pack.facts, chart)
        wanted = {
            search.key
            for name in reads(prepared.pack, service.decisions)
            if name in facts and facts[name].state is State.UNKNOWN
            for search in prepared.pack.facts[name].searches
        }
        chart.forget()  # these facts only told which pages are needed
        _add(chart, [s for s in paged if s.key in wanted], partial(ask, urgent=urgent, further=True))


def _add(chart: Chart, searches: Sequence[Search], ask: Callable[..., Mapping[str, Fetched]]) -> None:
    if searches:
        fetched = ask(searches, chart.patient_id)
        for search in searches:
            chart.add(search, fetched[search.key])
