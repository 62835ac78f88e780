"""What every reader of facts shares: when a search was not read, and what day something was. Imports this room."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta, tzinfo

from cds_service.chart.record import Results, Sent
from cds_service.fhir.dates import Span
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Fact, Reason

PRESENT = "present"
FINAL = frozenset({"final", "amended", "corrected"})
NOT_GIVEN = frozenset({"cancelled", "entered-in-error", "draft", "stopped", "not-done", "unknown"})
CLOCK_SKEW = timedelta(days=1)


def not_read(declaration: FactDeclaration, results: Iterable[Results]) -> Fact:
    """``unknown``, with the keys of what was neither sent nor fetched and why, or because there are more entries."""
    missing: dict[str, str] = {}
    reason = None
    for search, result in zip(declaration.searches, results, strict=True):
        if result.sent is not Sent.READ:
            missing[search.key] = result.why
        elif not result.complete:
            reason = Reason("notAllRead")
    return Fact.unknown(*missing, reason=Reason(next(iter(missing.values()))) if missing else reason)


def day(span: Span | None, zone: tzinfo) -> str:
    return span.start.astimezone(zone).date().isoformat() if span else ""
