"""Where the service says what it did not understand of a request (Z54), read in one place for all tests.

``explain`` has the member ``not-understood``: a list of objects with ``kind``, ``reference`` and ``reason``, and the
member ``drafts`` with how the drug of each draft was recognised, or that it was not. The log line of a call has
``not_understood``, an object of numbers by kind. The metric is ``cds_service_not_understood_total`` with the labels
``kind`` and ``system``. What became of each entry of a search is the ``Account`` of its key (Z41).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cds_service.chart.accounts import account
from cds_service.content.model import Service
from cds_service.content.needs import searches_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import Answer
from cds_service.judge.explanation import reasoning
from cds_service.vocabulary.accounting import Account

_METRIC = re.compile(r'^cds_service_not_understood_total\{(?=[^}]*kind="([^"]+)")[^}]*\} (\S+)$', re.M)


class NotToldError(AssertionError):
    """The service has no place yet where it says what it did not understand; the text says which is missing."""


def explained(prepared: Prepared, service: Service, answer: Answer, now: datetime) -> Sequence[Mapping[str, Any]]:
    """The lines of ``explain`` about what was not understood.

    Raises:
        NotToldError: ``explain`` has no such member.
    """
    told = reasoning(prepared, service, answer, now)
    if "not-understood" not in told:
        raise NotToldError(f"explain has no member not-understood, only {sorted(told)}")
    drafts = [
        {"kind": "drug", "reference": draft["draft"], "reason": draft["recognised"]}
        for draft in told["drafts"]
        if draft["recognised"] != "by code"
    ]
    return [*told["not-understood"], *drafts]


def logged(line: Mapping[str, Any]) -> Mapping[str, int]:
    """How often each kind was not understood, by the log line of a call; no kinds if it was all understood."""
    counts: Mapping[str, int] = line.get("not_understood", {})
    return counts


def counted(metrics: str) -> dict[str, float]:
    """The counter of each kind, whatever the system, in a page of metrics."""
    totals: dict[str, float] = {}
    for kind, number in _METRIC.findall(metrics):
        totals[kind] = totals.get(kind, 0) + float(number)
    return totals


def accounts(prepared: Prepared, service: Service, answer: Answer) -> Mapping[str, Account]:
    """What became of the entries under each prefetch key of a service; none if no order was relevant."""
    if answer.chart is None:
        return {}
    searches = searches_of(prepared.pack, service)
    return {key: account(prepared.pack.readers[key], search, answer.chart) for key, search in searches.items()}
