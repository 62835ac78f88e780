"""The account of everything that was sent: for each search, which entries were read and which set aside (Z41)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cds_service.chart import observations
from cds_service.chart.record import Chart
from cds_service.vocabulary.accounting import Account
from cds_service.vocabulary.declarations import FactDeclaration, Search

_ACCOUNTS: Mapping[str, Callable[[Search, Sequence[FactDeclaration], Chart], Account]] = {
    "Observation": observations.account,
}


def account(facts: Mapping[str, FactDeclaration], search: Search, chart: Chart) -> Account:
    """What became of every entry under the key of ``search``; ``facts`` are all that the pack declares.

    A resource of the patient alone, such as the Patient, has no account.
    """
    make = _ACCOUNTS.get(search.resource)
    readers = [fact for fact in facts.values() if search in fact.searches]
    return make(search, readers, chart) if make is not None and readers else Account()
